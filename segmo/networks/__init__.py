"""Our own torch modules: tensors in and out. Importing one imports torch."""
