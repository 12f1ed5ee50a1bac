"""What tensors held on samples, and a model with these rounded."""

import keras
import numpy as np

from tfcompress.models.surgery import flatten
from tfcompress.models.watching import watched_outputs
from tfcompress.transforms.kept_tensors import kept_tensors, rounded_outputs

L = keras.layers


def _model() -> keras.Model:
    keras.utils.set_random_seed(0)
    tower = L.Dense(3, activation="relu", name="tower")
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    return keras.Model([left, right], L.Add(name="sum")([tower(left), tower(right)]))


def _arrays(count: int = 10) -> list[np.ndarray]:
    return [np.random.default_rng(seed).normal(size=(count, 4)).astype("float32") for seed in (0, 1)]


def test_extremes_are_those_of_each_sample_over_batches_of_any_size() -> None:
    model, arrays = _model(), _arrays()
    for batch in (3, 10, 32):
        found = list(kept_tensors(model, arrays, batch).values())
        assert [tensor.name for tensor in found] == ["left", "right", "tower", "tower", "sum"]
        tower = np.asarray(model.get_layer("tower")(arrays[1]))
        np.testing.assert_allclose(found[3].highest, tower.max(axis=1), rtol=1e-6)
        np.testing.assert_allclose(found[3].reach, tower.max(axis=0), rtol=1e-6)
        assert found[3].span() == (0.0, float(tower.max()))
        assert found[0].span([2])[0] == min(arrays[0][2].min(), 0)


def test_the_values_hold_the_extremes() -> None:
    for tensor in kept_tensors(_model(), _arrays(200)).values():
        assert tensor.values.max() == tensor.highest.max() or tensor.values.max() <= 0
        assert tensor.values.min() == tensor.lowest.min() or tensor.values.min() >= 0


def test_rounded_outputs_are_those_of_the_model_when_nothing_is_rounded() -> None:
    model, arrays = flatten(_model()), _arrays()
    exact = watched_outputs(model, arrays, lambda operation, number, output: output, batch=4)
    np.testing.assert_allclose(exact[0], np.asarray(model(arrays)), atol=1e-6)
    np.testing.assert_array_equal(rounded_outputs(model, arrays, {})[0], exact[0])
    places = kept_tensors(model, arrays)
    one_bit_steps = rounded_outputs(model, arrays, {list(places)[-1]: (0.0, 3.0)}, bits=2)[0]
    assert set(np.unique(one_bit_steps)) <= {0.0, 1.0, 2.0, 3.0}
