"""What an exploration is made of: the sweep that all trials have in common, and a worker at them."""
