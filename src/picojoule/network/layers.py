"""What is known of each layer and each site of a network: who reads what, how many MACs, how many elements.

All counts are per sample (one image, not one batch).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """One tensor that a plan gives a format: a layer's weights, or a value that at least one MAC layer reads.

    `tensor` is the node of the graph that makes it; `readers` are the layers that read it, in order; the site is named
    after the first (`conv1.weights`, `conv1.inputs`) and every reader's own name for it is an alias.
    """

    name: str
    kind: str  # "weights" or "inputs"
    tensor: str
    readers: tuple[str, ...]
    count: int  # elements, per sample for inputs
    channels: int  # weights: output channels (axis 0), the grain of channel-wise ranges; inputs: 1

    @property
    def aliases(self) -> tuple[str, ...]:
        """Every name the site answers to, its own first."""
        return tuple(f"{reader}.{self.kind}" for reader in self.readers)


@dataclass(frozen=True)
class Layer:
    """One call of a multiply-accumulate layer. A module used twice is two layers (`fc`, `fc@2`) that share weights."""

    name: str
    kind: str  # "conv1d", "conv2d" or "linear"
    weights: str  # its weights' site
    inputs: str  # its inputs' site
    macs: int
    weight_count: int  # 0 where an earlier layer holds the same weights
    bias_count: int
    input_count: int
    output_count: int  # before any pooling
    outputs: tuple[str, ...]  # the sites its outputs reach before any other layer; empty for the last layer
    reads_input: bool  # it reads the network's own input, through no other layer


@dataclass(frozen=True)
class Leftover:
    """An operation that stays in floating point, and why. `macs` is 0 for element-wise operations."""

    name: str
    op: str
    reason: str
    macs: int
