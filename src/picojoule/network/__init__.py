"""What the network is: capture by `torch.export`, layers, values, MACs and sizes."""
