"""Make a network run at a plan."""
