"""What a search is made of: the ways to go about it, and the run itself."""
