"""Which range each site has."""
