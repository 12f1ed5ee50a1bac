"""Which operators compute in more bits so that a tensor is kept in them: worked by hand on small graphs."""

from pathlib import Path

import pytest

from tests import tflite_files
from tfcompress.conversion.holding import check_kept, held_operators, scope_of
from tfcompress.conversion.precisions import INT16, Held, Scheme, recipe_for
from tfcompress.errors import ConversionError
from tfcompress.tflite.reading import Graph, Operator, Tensor, parse


def _graph(*operators: tuple[str, tuple[int, ...], int]) -> Graph:
    """A graph of operators with one output each; tensor 3 is called "t3"."""
    count = 1 + max(output for _, _, output in operators)
    tensors = tuple(Tensor(i, f"t{i}", (1, 4), "float32", None, 0, memoryview(b""), False, False) for i in range(count))
    made = tuple(Operator(name, False, inputs, (output,)) for name, inputs, output in operators)
    return Graph("main", tensors, made, (0,), (count - 1,))


def test_the_operator_that_makes_a_tensor_and_those_that_read_it_hold_it() -> None:
    graph = _graph(("CONV_2D", (0,), 1), ("ADD", (1, 0), 2), ("CONV_2D", (1,), 3), ("CONV_2D", (3,), 4))
    assert held_operators(graph, {"t1": "int16"}) == [
        Held("CONV_2D", "t1;", "int16"),
        Held("ADD", "t2;", "int16"),
        Held("CONV_2D", "t3;", "int16"),
    ]


def test_an_operator_without_int16_computes_in_float() -> None:
    graph = _graph(("CONV_2D", (0,), 1), ("HARD_SWISH", (1,), 2))
    assert "HARD_SWISH" not in INT16
    assert held_operators(graph, {"t1": "int16"})[1] == Held("HARD_SWISH", "t2;", "float32")


def test_what_reads_a_float_tensor_computes_on_int16_unless_its_own_output_is_float() -> None:
    graph = _graph(("CONV_2D", (0,), 1), ("CONV_2D", (1,), 2), ("CONV_2D", (2,), 3))
    held = held_operators(graph, {"t1": "float32", "t2": "float32"})
    assert [item.precision for item in held] == ["float32", "float32", "int16"]


def test_readers_are_looked_for_past_what_only_hands_values_on() -> None:
    graph = _graph(("MEAN", (0,), 1), ("RESHAPE", (1,), 2), ("FULLY_CONNECTED", (2,), 3), ("SOFTMAX", (3,), 4))
    assert [item.scope for item in held_operators(graph, {"t1": "int16"})] == ["t1;", "t2;", "t3;"]


def test_an_input_is_held_by_its_readers() -> None:
    graph = _graph(("FULLY_CONNECTED", (0,), 1), ("FULLY_CONNECTED", (1,), 2))
    assert held_operators(graph, {"t0": "int16"}) == [Held("FULLY_CONNECTED", "t1;", "int16")]


def test_the_names_of_all_outputs_make_the_scope() -> None:
    split = Operator("SPLIT", False, (0,), (1, 2))
    graph = _graph(("RELU", (0,), 1), ("RELU", (0,), 2))
    assert scope_of(graph, split) == "t1;t2;"


def test_held_operators_come_last_in_a_recipe() -> None:
    held = [Held("TRANSPOSE_CONV", "a.b;", "int16"), Held("HARD_SWISH", "c;", "float32")]
    wide, left = recipe_for({}, [], Scheme(), held)[-2:]
    assert (wide["regex"], wide["operation"]) == (r"^a\.b;$", "CONV_2D_TRANSPOSE")
    assert wide["op_config"]["activation_tensor_config"]["num_bits"] == 16
    assert wide["op_config"]["weight_tensor_config"]["num_bits"] == 8
    assert (left["operation"], left["algorithm_key"]) == ("HARD_SWISH", "no_quantize")


def test_litert_quantizer_knows_int16_for_these_operators() -> None:
    policy = pytest.importorskip("litert_quantizer.default_policy").DEFAULT_JSON_POLICY
    import json

    known = set(json.loads(policy)["ops_per_config"]["static_wi8_ai16"])
    assert (INT16 - {"TRANSPOSE_CONV"}) | {"CONV_2D_TRANSPOSE"} <= known
    assert "HARD_SWISH" not in known


@pytest.mark.parametrize(
    ("kept", "scheme", "message"),
    [
        ({"none": "int16"}, Scheme(), "has no tensor 'none'"),
        ({"": "int4"}, Scheme(), "kept in int16 or float32; .* was to be 'int4'"),
        ({"": "int16"}, Scheme(activations="dynamic"), "With dynamic activations every tensor is float"),
    ],
)
def test_what_cannot_be_kept_is_refused(tmp_path: Path, kept: dict[str, str], scheme: Scheme, message: str) -> None:
    path = tmp_path / "float.tflite"
    path.write_bytes(tflite_files.affine())
    first = parse(path.read_bytes(), "affine").graphs[0].tensors[0].name
    with pytest.raises(ConversionError, match=message):
        check_kept({name or first: precision for name, precision in kept.items()}, scheme, path)
