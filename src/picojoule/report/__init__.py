"""A result as tables for the terminal, and, as one self-contained page, for a browser."""
