"""From a network at a plan to its program."""
