"""The network as integers."""
