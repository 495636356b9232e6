"""Find the plan."""
