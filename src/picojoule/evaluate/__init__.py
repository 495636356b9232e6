"""How good a plan is."""
