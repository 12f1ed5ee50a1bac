import keras
import pytest

import tfcompress as tfc
from tfcompress.teaching.features import Feature, features_of
from tfcompress.teaching.pairing import pair_up

STUDENT = [
    Feature("s1", (None, 16, 16, 4)),
    Feature("s2", (None, 16, 16, 8)),
    Feature("s3", (None, 8, 8, 8)),
    Feature("s4", (None, 4, 4, 8)),
    Feature("s5", (None, 8)),
]
TEACHER = [
    Feature("t1", (None, 16, 16, 32)),
    Feature("t2", (None, 8, 8, 32)),
    Feature("t3", (None, 8, 8, 64)),
    Feature("t4", (None, 4, 4, 64)),
    Feature("t5", (None, 96)),
]


def names(objective: object) -> list[tuple[str, str]]:
    return [(student.name, teacher.name) for student, teacher in pair_up(objective, STUDENT, TEACHER)]


def test_stages_pair_the_last_features_of_each_size() -> None:
    assert names(tfc.AttentionTransfer()) == [("s2", "t1"), ("s3", "t3"), ("s4", "t4")]


def test_hints_take_the_middle_pair() -> None:
    assert names(tfc.Hints()) == [("s3", "t3")]


def test_relations_take_the_last_features_whatever_their_shape() -> None:
    assert names(tfc.RelationalAngle()) == [("s5", "t5")]


def test_names_are_taken_as_they_are() -> None:
    assert names(tfc.Hints(layers={"s1": "t3"})) == [("s1", "t3")]


def _body(units: int) -> keras.Model:
    layers = [
        keras.layers.Rescaling(1 / 255, name="scale"),
        keras.layers.Normalization(name="normalize"),
        keras.layers.Conv2D(units, 3, name="conv"),
        keras.layers.ZeroPadding2D(2, name="pad"),
        keras.layers.Conv2D(units, 3, 2, name="next"),
        keras.layers.Cropping2D(1, name="crop"),
        keras.layers.GlobalAveragePooling2D(name="pooled"),
        keras.layers.Dropout(0.5, name="dropped"),
        keras.layers.Dense(3, name="head"),
    ]
    return keras.Sequential([keras.Input((12, 12, 3)), *layers])


def test_what_only_pads_crops_or_drops_and_what_nothing_learned_made_is_left_to_names() -> None:
    student, teacher = features_of(_body(2)), features_of(_body(4))

    def found(objective: tfc.Hints | tfc.AttentionTransfer | tfc.RelationalAngle) -> list[tuple[str, str]]:
        return [(ours.name, theirs.name) for ours, theirs in pair_up(objective, student, teacher)]

    assert found(tfc.AttentionTransfer()) == [("conv", "conv"), ("next", "next")]
    assert found(tfc.RelationalAngle()) == [("pooled", "pooled")]
    assert found(tfc.Hints(layers={"pad": "pad"})) == [("pad", "pad")]
    assert found(tfc.RelationalAngle(layers={"dropped": "dropped"})) == [("dropped", "dropped")]


def test_a_frozen_teacher_is_paired_as_any_other() -> None:
    teacher = _body(4)
    teacher.trainable = False
    assert [one.name for one in features_of(teacher) if one.telling] == ["conv", "next", "pooled"]


def test_stages_of_mobilenet_are_five() -> None:
    def stages(alpha: float) -> list[Feature]:
        return features_of(keras.applications.MobileNetV2((96, 96, 3), alpha=alpha, weights=None))

    pairs = pair_up(tfc.AttentionTransfer(), stages(0.35), stages(1.0))
    assert [ours.size for ours, _ in pairs] == [(48, 48), (24, 24), (12, 12), (6, 6), (3, 3)]
    assert not any("pad" in ours.name + theirs.name for ours, theirs in pairs)


@pytest.mark.parametrize(
    ("objective", "text"),
    [
        (tfc.Hints(layers={"s11": "t1"}), "Hints: the student has no layer 's11' .*Did you mean 's1'"),
        (tfc.Hints(layers={"s1": "u1"}), "Hints: the teacher has no layer 'u1'"),
        (tfc.Hints(layers={"s4": "t1"}), r"s4 \(4 x 4 x 8\) cannot be compared with t1.*smaller"),
        (tfc.AttentionTransfer(layers={"s1": "t2"}), "the student's size"),
    ],
)
def test_names_that_do_not_fit_are_refused(objective: object, text: str) -> None:
    with pytest.raises(tfc.TfCompressError, match=text):
        pair_up(objective, STUDENT, TEACHER)


def test_models_without_a_common_size_are_told_both_sizes() -> None:
    with pytest.raises(tfc.TfCompressError, match=r"no layers to pair: .*\(16, 16\).*\(5, 5\).*Name them"):
        pair_up(tfc.AttentionTransfer(), STUDENT[:1], [Feature("t", (None, 5, 5, 3))])


def _gated(channels: int, size: int | None = 8) -> keras.Model:
    inputs = keras.Input((size, size, 3))
    tensor = keras.layers.Conv2D(channels, 3, padding="same", name="conv")(inputs)
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True)(tensor)
    gate = keras.layers.Conv2D(channels, 1, activation="sigmoid", name="gate")(gate)
    tensor = keras.layers.Multiply(name="gated")([tensor, gate])
    tensor = keras.layers.Conv2D(channels, 3, strides=2, padding="same", name="next")(tensor)
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D(name="pool")(tensor)))


def test_gates_of_one_position_are_not_paired_beside_larger_maps() -> None:
    student, teacher = features_of(_gated(4)), features_of(_gated(8))
    for objective in (tfc.AttentionTransfer(), tfc.SimilarityPreserving(), tfc.Hints()):
        assert "gate" not in {one.name for pair in pair_up(objective, student, teacher) for one in pair}
    assert [(ours.name, theirs.name) for ours, theirs in pair_up(tfc.AttentionTransfer(), student, teacher)] == [
        ("gated", "gated"),
        ("next", "next"),
    ]
    single = [Feature("s", (None, 1, 1, 4))], [Feature("t", (None, 1, 1, 4))]
    assert len(pair_up(tfc.Hints(), *single)) == 1


def test_sizes_that_a_model_leaves_open_are_told() -> None:
    student, teacher = features_of(_gated(4)), features_of(_gated(8, None))
    with pytest.raises(tfc.TfCompressError, match=r"no layers to pair: .* The teacher's sizes are open: build it"):
        pair_up(tfc.AttentionTransfer(), student, teacher)
    with pytest.raises(tfc.TfCompressError, match=r"only one of the sizes .* The student's sizes are open: build it"):
        pair_up(tfc.Hints(layers={"next": "next"}), teacher, student)
    assert pair_up(tfc.AttentionTransfer(layers={"next": "next"}), student, teacher)


def _named_twice(units: int) -> keras.Model:
    body = [keras.Input((6,)), keras.layers.Dense(units, name="fc"), keras.layers.Dense(units, name="out")]
    inputs = keras.Input((6,))
    return keras.Model(inputs, keras.layers.Dense(3, name="out")(keras.Sequential(body, name="body")(inputs)))


def test_a_name_inside_and_outside_of_a_nested_model_is_not_taken() -> None:
    student, teacher = features_of(_named_twice(4)), features_of(_named_twice(8))
    assert [(ours.name, theirs.name) for ours, theirs in pair_up(tfc.RelationalDistance(), student, teacher)] == [
        ("fc", "fc")
    ]
    with pytest.raises(tfc.TfCompressError, match="the student has several layers named 'out'"):
        pair_up(tfc.Hints(layers={"out": "fc"}), student, teacher)
    with pytest.raises(tfc.TfCompressError, match="the teacher has several layers named 'out'"):
        pair_up(tfc.Hints(layers={"fc": "out"}), student, teacher)
