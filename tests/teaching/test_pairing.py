import pytest

import tfcompress as tfc
from tfcompress.teaching.features import Feature
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
