"""What a number can be."""
