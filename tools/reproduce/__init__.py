"""Experiments of papers, made again with tfcompress."""
