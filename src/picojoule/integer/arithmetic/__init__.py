"""How layers are multiplied out: bit by bit as a device does, or in bytes where floats are too slow."""
