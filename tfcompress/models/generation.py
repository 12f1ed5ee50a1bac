"""Whether a model, and `tf.keras` in this process, are of the Keras that is worked on: Keras 3."""

import warnings
from typing import Any

import keras

from tfcompress.errors import ModelError, TfCompressWarning
from tfcompress.models.legacy import is_legacy_model


def check_generation(model: Any) -> None:
    """Refuses a tf_keras model, and says it where `tf.keras` would make more of them.

    Nothing here depends on `tf.keras`, so the work goes on; a user's own `tf.keras` objects do not mix with Keras 3.

    Raises:
        ModelError: `model` is a tf_keras model.

    Warns:
        TfCompressWarning: `tf.keras` is tf_keras in this process.
    """
    if is_legacy_model(model):
        raise ModelError(
            f"The model {model.name!r} is one of tf_keras (Keras 2). Upgrade it to Keras 3 first: model = "
            "tfc.load(model)."
        )
    import tensorflow

    if tensorflow.keras.Model is not keras.Model:
        warnings.warn(
            "tf.keras is tf_keras (Keras 2) in this process: TF_USE_LEGACY_KERAS was set, by you or by an import of "
            "TFMOT. tfcompress goes on with Keras 3: make models, optimizers and losses with `import keras`, never "
            "tf.keras.",
            TfCompressWarning,
            stacklevel=5,
        )
