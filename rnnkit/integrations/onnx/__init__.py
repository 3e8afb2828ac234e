"""ONNX files: networks that go out to them, and those that come in."""
