"""The way from a torch model to a network: its export, told plainly where it fails, and the graph read off it."""
