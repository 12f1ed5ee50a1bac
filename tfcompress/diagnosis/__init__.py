"""A file beside the Keras model it was made from: where they part, why, and what mends it."""
