"""A `.tflite` and its `.tfz`, the entropy-coded container of docs/container.md: byte for byte there and back."""
