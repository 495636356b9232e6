"""Which format each site has."""
