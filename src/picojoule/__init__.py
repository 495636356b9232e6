"""picojoule: accuracy floor in, minimum energy out."""

__version__ = "0.1.0"
