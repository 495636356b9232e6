"""One thin verb per job and per look."""
