"""What a student learns from: teachers, objectives, and the model that learns.

Importing this room registers its classes with Keras, so that a model saved in mid-training loads without a scope.
"""

from tfcompress.teaching import distilled, objectives

__all__ = ["distilled", "objectives"]
