"""What the network is: capture by `torch.export`, layers, values, MACs and sizes."""

from picojoule.network.capture import capture
from picojoule.network.derive import Layer, Leftover, Site
from picojoule.network.graph import Network
from picojoule.network.module import Fusion, NetworkModule, batch_size, float_module
from picojoule.network.node import Node, Ref

__all__ = [
    "Fusion",
    "Layer",
    "Leftover",
    "Network",
    "NetworkModule",
    "Node",
    "Ref",
    "Site",
    "batch_size",
    "capture",
    "float_module",
]
