"""What an agent knows of its own affairs, what its limits let it send, and the contexts of its components."""
