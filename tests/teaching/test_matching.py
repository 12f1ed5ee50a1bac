"""Outputs and inputs of student and teacher belong together by their names, not by their places."""

from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.teaching.matching import input_names, order_like, output_names
from tfcompress.teaching.teachers import make_teacher

L = keras.layers
INPUTS = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")


def _heads(names: list[str], seed: int, *, as_dict: bool = False) -> keras.Model:
    """Softmax outputs of equal sizes; those of the same name and seed have the same weights, whatever their order."""
    inputs = keras.Input((5,))
    outputs = {}
    for name in names:
        start = keras.initializers.RandomNormal(stddev=1.0, seed=100 * seed + sum(map(ord, name)))
        outputs[name] = L.Dense(2, activation="softmax", kernel_initializer=start, name=name)(inputs)
    return keras.Model(inputs, outputs if as_dict else list(outputs.values()), name=f"heads{seed}")


def _divergence(teacher: np.ndarray, student: np.ndarray) -> float:
    return float(np.mean(np.sum(teacher * np.log(teacher / student), axis=-1)))


@pytest.mark.parametrize("as_dict", [False, True])
@pytest.mark.parametrize("source", ["model", "file", "ensemble"])
def test_each_output_learns_from_the_teachers_output_of_its_name(source: str, as_dict: bool, tmp_path: Path) -> None:
    teacher, student = _heads(["sex", "age"], 1, as_dict=as_dict), _heads(["age", "sex"], 2)
    said = dict(zip(output_names(teacher), keras.tree.flatten(teacher(INPUTS)), strict=True))
    sources: object = teacher
    if source == "file":
        sources = tfc.cache_logits(teacher, INPUTS, tmp_path / "t.logits").path
    elif source == "ensemble":  # the same distributions twice, once in the student's order
        sources = [teacher, _heads(["age", "sex"], 1)]
    objectives = [tfc.SoftTargets(temperature=1.0, output=name) for name in ("age", "sex")]
    learning = tfc.Distillation(sources, objectives, alpha=1.0).wrap(student)
    own = dict(zip(("age", "sex"), student(INPUTS), strict=True))
    learning.compile("sgd", jit_compile=False)
    logs = learning.fit(INPUTS, verbose=0, batch_size=6).history
    for name in ("age", "sex"):
        expected = _divergence(said[name].numpy(), own[name].numpy())
        assert logs[f"soft_targets_{name}"] == pytest.approx([expected], rel=1e-3)


def test_other_names_are_paired_in_order_and_the_plan_and_a_warning_say_so() -> None:
    distillation = tfc.Distillation(_heads(["one", "two"], 1))
    with pytest.warns(tfc.errors.TfCompressWarning, match="in order: 'age' from 'one', 'sex' from 'two'"):
        learning = distillation.wrap(_heads(["age", "sex"], 2))
    rows = [line.split() for line in str(learning.plan).splitlines() if "SoftTargets" in line]
    assert [(row[2], row[4]) for row in rows] == [("age", "one"), ("sex", "two")]


def test_a_subclassed_teachers_dict_is_read_by_name() -> None:
    class Subclassed(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="subclassed")
            self.sex, self.age = L.Dense(2, activation="softmax"), L.Dense(2, activation="softmax")

        def call(self, inputs: object) -> object:
            return {"sex": self.sex(inputs), "age": self.age(inputs)}

    teacher = Subclassed()
    said = teacher(INPUTS)
    for names in (["sex", "age"], ["sex"]):
        lesson = make_teacher([teacher], _heads(names, 2))(INPUTS)
        for output, name in zip(lesson.outputs, names, strict=True):
            np.testing.assert_allclose(output, said[name], rtol=1e-6)
    with pytest.raises(tfc.TfCompressError, match="gives 2 outputs and the student has 1: label"):
        make_teacher([teacher], _heads(["label"], 2))(INPUTS)


def test_names_are_those_of_data_and_losses() -> None:
    inputs = {"word": keras.Input((2,), name="word"), "age": keras.Input((3,), name="age")}
    model = keras.Model(inputs, L.Dense(2, name="head")(L.Concatenate()(list(inputs.values()))))
    assert (input_names(model), output_names(model)) == (("age", "word"), ("head",))
    assert output_names(keras.Sequential([keras.Input((2,)), L.Dense(1, name="end")])) == ("end",)


def test_things_with_equal_or_unknown_names_stay_in_order() -> None:
    assert order_like(["b", "a"], ["a", "b"]) == [1, 0]
    assert order_like(["a", "a"], ["a", "a"]) == [0, 1]
    assert order_like(["a", "b"], ["a", "b", "c"]) == [0, 1, 2]


def _pair(order: list[str], *, as_dict: bool = False) -> keras.Model:
    """Two inputs of the same shape, of which the second counts twice."""
    tensors = {name: keras.Input((3,), name=name) for name in order}
    scaled = L.Rescaling(2.0)(tensors["right"])
    head = L.Dense(2, activation="softmax", kernel_initializer=keras.initializers.RandomNormal(stddev=1.0, seed=4))
    inputs = tensors if as_dict else list(tensors.values())
    return keras.Model(inputs, head(L.Add()([tensors["left"], scaled])))


@pytest.mark.parametrize("cached", ["list", "dict", "swapped"])
@pytest.mark.parametrize("fitted", ["list", "dict", "swapped"])
def test_cached_samples_are_found_in_lists_and_dicts_in_any_order(cached: str, fitted: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    left, right = generator.normal(size=(2, 6, 3)).astype("float32")

    def model_and_data(form: str) -> tuple[keras.Model, object]:
        model = _pair(["right", "left"] if form == "swapped" else ["left", "right"])
        data = {"list": [left, right], "dict": {"right": right, "left": left, "unread": left}, "swapped": [right, left]}
        return model, data[form]

    teacher, data = model_and_data(cached)
    tfc.cache_logits(teacher, data, tmp_path / "t.logits", batch_size=4)
    student, data = model_and_data(fitted)
    learning = tfc.Distillation(tmp_path / "t.logits", [tfc.SoftTargets()], alpha=1.0).wrap(student)
    learning.compile("sgd", jit_compile=False)
    assert learning.fit(data, batch_size=6, verbose=0).history["loss"] == pytest.approx([0.0], abs=1e-5)


@pytest.mark.parametrize("teaching", ["list", "dict", "swapped"])
@pytest.mark.parametrize("fitted", ["list", "dict", "swapped"])
def test_a_model_reads_the_students_inputs_by_name(teaching: str, fitted: str) -> None:
    left, right = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
    orders = {"list": ["left", "right"], "dict": ["left", "right"], "swapped": ["right", "left"]}
    teacher, student = (_pair(orders[form], as_dict=form == "dict") for form in (teaching, fitted))
    data = {"list": [left, right], "dict": {"right": right, "left": left}, "swapped": [right, left]}[fitted]
    learning = tfc.Distillation(teacher, [tfc.SoftTargets()], alpha=1.0).wrap(student)
    learning.compile("sgd", jit_compile=False)
    assert learning.fit(data, batch_size=6, verbose=0).history["loss"] == pytest.approx([0.0], abs=1e-5)


def test_inputs_of_other_shapes_in_another_order_fit_by_name() -> None:
    def model(order: list[str], name: str) -> keras.Model:
        tensors = {key: keras.Input((size,), name=key) for key, size in (("left", 3), ("right", 5))}
        outputs = L.Dense(2)(L.Concatenate()([tensors["left"], tensors["right"]]))
        return keras.Model([tensors[key] for key in order], outputs, name=name)

    learning = tfc.Distillation(model(["right", "left"], "t")).wrap(model(["left", "right"], "s"))
    learning.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    learning.fit([np.ones((4, 3)), np.ones((4, 5))], np.zeros(4), verbose=0)
    with pytest.raises(tfc.TfCompressError, match="takes inputs of shape"):
        tfc.Distillation(model(["right", "left"], "t")).wrap(_pair(["left", "right"]))


def test_a_plain_teacher_reads_the_only_input_of_a_dict() -> None:
    inputs = {"image": keras.Input((5,), name="image")}
    student = keras.Model(inputs, L.Dense(2, activation="softmax")(inputs["image"]))
    learning = tfc.Distillation(_heads(["head"], 1), alpha=1.0).wrap(student)
    learning.compile("sgd", jit_compile=False)
    learning.fit({"image": INPUTS}, verbose=0)


def test_the_outputs_of_a_hidden_graph_are_cached_and_checked(tmp_path: Path) -> None:
    class Subclassed(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="subclassed")
            self.head = L.Dense(6)

        def call(self, inputs: object) -> object:
            return self.head(inputs)

    teacher, student = Subclassed(), keras.Sequential([keras.Input((5,)), L.Dense(6, name="head")])
    said = teacher(INPUTS).numpy()
    cache = tfc.cache_logits(teacher, INPUTS, tmp_path / "t.logits")
    np.testing.assert_array_equal(make_teacher([cache], student)(INPUTS).outputs[0], said)
    with pytest.raises(tfc.TfCompressError, match=r"gives shape \(6,\) and the student .* \(9,\)"):
        tfc.Distillation(cache).wrap(keras.Sequential([keras.Input((5,)), L.Dense(9)]))
