"""How programs are written as ONNX graphs; they need the package `onnx`."""
