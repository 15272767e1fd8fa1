"""Our own networks: tensors in and out. Importing one imports torch, but for `flow_graph` and `onnx_writer`, which do without."""
