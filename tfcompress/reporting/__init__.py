"""Cards become words, tables, plots and one page; needs no TensorFlow."""
