"""Train at a plan."""
