"""Which format each site has; patterns expanded once; JSON; how many bytes a network takes at a plan."""

from picojoule.plan.plan import Plan
from picojoule.plan.size import LIMITED, Limits, compression, ram_bytes, weight_bytes

__all__ = ["LIMITED", "Limits", "Plan", "compression", "ram_bytes", "weight_bytes"]
