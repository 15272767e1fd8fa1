"""Training of our own networks: arguments, data, batches, loss, loop and checkpoints."""
