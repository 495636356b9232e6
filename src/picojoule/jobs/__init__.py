"""The user's jobs, each composing the rooms below."""
