"""How ONNX dialects write what rounds: a new one is a file here."""
