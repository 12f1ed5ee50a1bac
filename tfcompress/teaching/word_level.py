"""Word-level distillation of sequence models: soft targets at each position that holds a word."""

from dataclasses import dataclass
from typing import Any

import keras

from tfcompress.errors import DataError
from tfcompress.teaching.objective import OutputObjective, check_temperature, over_real
from tfcompress.teaching.soft_targets import softened_divergence


@keras.saving.register_keras_serializable("tfcompress")
@dataclass(frozen=True)
class WordLevel(OutputObjective):
    """The divergence between the teacher's and the student's distribution over the next word, where there is a word.

        L = T^2 / words * sum over words j of KL(q(t_j | s, t_<j) || p(t_j | s, t_<j))

    Both models see the same words before each position (teacher forcing). Padding counts neither in the sum nor in the
    number of words: the positions that Keras' mask of the student's output leaves out, or where there is no mask, those
    whose label is `padding`. A batch of padding alone has the loss 0.

    Args:
        temperature: T, above 0.
        padding: The number of the word that fills sequences up, looked for in the labels where there is no mask.

    Raises:
        RecipeError: A setting is out of range.

    Example:
        >>> import numpy as np
        >>> student = np.zeros((1, 2, 2))
        >>> teacher = np.array([[[np.log(3.0), 0.0], [9.0, 0.0]]])
        >>> losses = WordLevel().loss(student, teacher, np.array([[5, 0]]))     # the second position is padding
        >>> print(f"{float(losses.numpy().mean()):.4f}")
        0.1308

    Reference:
        Kim and Rush, "Sequence-Level Knowledge Distillation", arXiv:1606.07947, section 3.1.
    """

    temperature: float = 1.0
    padding: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_temperature("WordLevel", self.temperature)

    def loss(self, student: Any, teacher: Any, target: Any) -> Any:
        """The divergence at each position, shape (batch, positions), scaled so that its mean is that over words.

        Raises:
            DataError: There are no labels to tell padding by.
        """
        if target is None:
            raise DataError(
                "WordLevel cannot tell words from padding: the student's output has no mask, and there are no labels. "
                "Fit with labels, or let the student mask padding, as keras.layers.Embedding(mask_zero=True) does."
            )
        words = keras.ops.convert_to_tensor(target)
        if len(words.shape) == len(student.shape):
            one_hot = words.shape[-1] == student.shape[-1] and words.shape[-1] != 1
            words = keras.ops.argmax(words, axis=-1) if one_hot else keras.ops.squeeze(words, -1)
        real = keras.ops.not_equal(words, keras.ops.cast(self.padding, words.dtype))
        return over_real(softened_divergence(student, teacher, self.temperature), real)

    def masked_loss(self, student: Any, teacher: Any, target: Any, mask: Any) -> Any:
        """The same by the mask alone, whatever the labels."""
        return over_real(softened_divergence(student, teacher, self.temperature), mask)
