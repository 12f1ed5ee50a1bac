"""The public names of tfcompress, nothing else. Each is imported when it is first used, so that `--help` stays fast."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfcompress.version import __version__

if TYPE_CHECKING:
    from tfcompress import layers
    from tfcompress.benchmark.measurement import measure
    from tfcompress.card import Card
    from tfcompress.compression import Result, compress
    from tfcompress.conversion.converter import convert
    from tfcompress.errors import TfCompressError
    from tfcompress.models.channels import channel_groups
    from tfcompress.models.folding import fold
    from tfcompress.models.loading import load
    from tfcompress.models.profile import Profile, profile
    from tfcompress.models.student import student
    from tfcompress.packing.packing import pack
    from tfcompress.packing.unpacking import unpack
    from tfcompress.recipe import Recipe
    from tfcompress.runtime.session import predict
    from tfcompress.teaching.attention_transfer import AttentionTransfer
    from tfcompress.teaching.beam_search import beam_search
    from tfcompress.teaching.bleu import sentence_bleu
    from tfcompress.teaching.caching import cache_logits
    from tfcompress.teaching.custom import Custom
    from tfcompress.teaching.decoupled import DecoupledKD
    from tfcompress.teaching.hints import Hints
    from tfcompress.teaching.logit_regression import LogitRegression
    from tfcompress.teaching.logits_cache import LogitsCache
    from tfcompress.teaching.objective import Linear
    from tfcompress.teaching.relational import RelationalAngle, RelationalDistance
    from tfcompress.teaching.sequences import Decoder, SequenceTargets, generate_targets
    from tfcompress.teaching.similarity import ProbabilisticTransfer, SimilarityPreserving
    from tfcompress.teaching.soft_targets import SoftTargets
    from tfcompress.teaching.word_level import WordLevel
    from tfcompress.techniques.channel_pruning import ChannelPruning
    from tfcompress.techniques.compact_filters import CompactFilters
    from tfcompress.techniques.distillation import Distillation
    from tfcompress.techniques.importances import Taylor
    from tfcompress.techniques.low_rank import LowRank
    from tfcompress.techniques.low_rank_sparse import LowRankSparse
    from tfcompress.techniques.magnitude_pruning import MagnitudePruning
    from tfcompress.techniques.quantization_aware import QuantizationAware
    from tfcompress.techniques.sensitivity import sensitivity
    from tfcompress.techniques.technique import strip
    from tfcompress.techniques.together import Together
    from tfcompress.techniques.weight_clustering import WeightClustering
    from tfcompress.tflite.inspection import inspect
    from tfcompress.transforms.patterns import Blocks, MofN
    from tfcompress.transforms.schedules import ConstantSparsity, PolynomialDecay
    from tfcompress.transforms.sensitivity_table import SensitivityTable
    from tfcompress.transforms.summaries import Summaries

_HOMES = {
    "AttentionTransfer": "tfcompress.teaching.attention_transfer",
    "Blocks": "tfcompress.transforms.patterns",
    "Card": "tfcompress.card",
    "ChannelPruning": "tfcompress.techniques.channel_pruning",
    "CompactFilters": "tfcompress.techniques.compact_filters",
    "ConstantSparsity": "tfcompress.transforms.schedules",
    "Custom": "tfcompress.teaching.custom",
    "Decoder": "tfcompress.teaching.sequences",
    "DecoupledKD": "tfcompress.teaching.decoupled",
    "Distillation": "tfcompress.techniques.distillation",
    "Hints": "tfcompress.teaching.hints",
    "Linear": "tfcompress.teaching.objective",
    "LogitRegression": "tfcompress.teaching.logit_regression",
    "LogitsCache": "tfcompress.teaching.logits_cache",
    "LowRank": "tfcompress.techniques.low_rank",
    "LowRankSparse": "tfcompress.techniques.low_rank_sparse",
    "MagnitudePruning": "tfcompress.techniques.magnitude_pruning",
    "MofN": "tfcompress.transforms.patterns",
    "PolynomialDecay": "tfcompress.transforms.schedules",
    "ProbabilisticTransfer": "tfcompress.teaching.similarity",
    "Profile": "tfcompress.models.profile",
    "QuantizationAware": "tfcompress.techniques.quantization_aware",
    "Recipe": "tfcompress.recipe",
    "RelationalAngle": "tfcompress.teaching.relational",
    "RelationalDistance": "tfcompress.teaching.relational",
    "Result": "tfcompress.compression",
    "SensitivityTable": "tfcompress.transforms.sensitivity_table",
    "SequenceTargets": "tfcompress.teaching.sequences",
    "SimilarityPreserving": "tfcompress.teaching.similarity",
    "SoftTargets": "tfcompress.teaching.soft_targets",
    "Summaries": "tfcompress.transforms.summaries",
    "Taylor": "tfcompress.techniques.importances",
    "TfCompressError": "tfcompress.errors",
    "Together": "tfcompress.techniques.together",
    "WeightClustering": "tfcompress.techniques.weight_clustering",
    "WordLevel": "tfcompress.teaching.word_level",
    "beam_search": "tfcompress.teaching.beam_search",
    "cache_logits": "tfcompress.teaching.caching",
    "channel_groups": "tfcompress.models.channels",
    "compress": "tfcompress.compression",
    "convert": "tfcompress.conversion.converter",
    "fold": "tfcompress.models.folding",
    "generate_targets": "tfcompress.teaching.sequences",
    "inspect": "tfcompress.tflite.inspection",
    "load": "tfcompress.models.loading",
    "measure": "tfcompress.benchmark.measurement",
    "pack": "tfcompress.packing.packing",
    "predict": "tfcompress.runtime.session",
    "profile": "tfcompress.models.profile",
    "sensitivity": "tfcompress.techniques.sensitivity",
    "sentence_bleu": "tfcompress.teaching.bleu",
    "strip": "tfcompress.techniques.technique",
    "student": "tfcompress.models.student",
    "unpack": "tfcompress.packing.unpacking",
}

_ROOMS = ("layers",)
"""Rooms that are public as modules."""

__all__ = [
    "AttentionTransfer",
    "Blocks",
    "Card",
    "ChannelPruning",
    "CompactFilters",
    "ConstantSparsity",
    "Custom",
    "Decoder",
    "DecoupledKD",
    "Distillation",
    "Hints",
    "Linear",
    "LogitRegression",
    "LogitsCache",
    "LowRank",
    "LowRankSparse",
    "MagnitudePruning",
    "MofN",
    "PolynomialDecay",
    "ProbabilisticTransfer",
    "Profile",
    "QuantizationAware",
    "Recipe",
    "RelationalAngle",
    "RelationalDistance",
    "Result",
    "SensitivityTable",
    "SequenceTargets",
    "SimilarityPreserving",
    "SoftTargets",
    "Summaries",
    "Taylor",
    "TfCompressError",
    "Together",
    "WeightClustering",
    "WordLevel",
    "__version__",
    "beam_search",
    "cache_logits",
    "channel_groups",
    "compress",
    "convert",
    "fold",
    "generate_targets",
    "inspect",
    "layers",
    "load",
    "measure",
    "pack",
    "predict",
    "profile",
    "sensitivity",
    "sentence_bleu",
    "strip",
    "student",
    "unpack",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"tfcompress.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'tfcompress' has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    _register()
    return found


def __dir__() -> list[str]:
    return __all__


def _register() -> None:
    """Makes models with layers of ours loadable: Keras must know these before it meets them in a file."""
    if "keras" in sys.modules:
        import_module("tfcompress.layers")
        for room in ("transforms", "teaching"):
            import_module(f"tfcompress.{room}")


_register()
