"""ONNX files: networks that are written for other runtimes, and networks that are read."""
