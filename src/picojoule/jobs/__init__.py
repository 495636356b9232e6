"""The user's jobs, each composing the rooms below; the Python face re-exports them."""
