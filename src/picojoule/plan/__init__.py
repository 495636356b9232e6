"""Which format each site has; patterns expanded once; JSON."""

from picojoule.plan.plan import Plan

__all__ = ["Plan"]
