"""Small reference networks as plain torch modules."""
