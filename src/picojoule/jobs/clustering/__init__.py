"""What clustering is made of: the job, and the plans that it trains on."""
