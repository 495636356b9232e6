"""What each operation of ai.onnx computes: rules that make one node a function of values."""
