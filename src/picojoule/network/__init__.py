"""What the network is: capture by `torch.export`, layers, values, MACs and sizes."""

from picojoule.network.capture import capture
from picojoule.network.graph import Network
from picojoule.network.layers import Layer, Leftover, Site
from picojoule.network.module import NetworkModule, float_module
from picojoule.network.node import Node, Ref

__all__ = ["Layer", "Leftover", "Network", "NetworkModule", "Node", "Ref", "Site", "capture", "float_module"]
