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
    from tfcompress.conversion.doctor import check_representative
    from tfcompress.conversion.quantize import quantize
    from tfcompress.demo.contract import Demo
    from tfcompress.demo.export import export_demo
    from tfcompress.diagnosis.diagnosis import diagnose
    from tfcompress.diagnosis.repairing import repair
    from tfcompress.errors import TfCompressError
    from tfcompress.models.channels import channel_groups
    from tfcompress.models.folding import fold
    from tfcompress.models.loading import load
    from tfcompress.models.profile import Profile, profile
    from tfcompress.models.student import student
    from tfcompress.packing.packing import pack
    from tfcompress.packing.unpacking import unpack
    from tfcompress.recipe import Recipe
    from tfcompress.reporting.report import report
    from tfcompress.runtime.inspection import inspect
    from tfcompress.runtime.session import predict
    from tfcompress.searching.results import SearchResult
    from tfcompress.searching.search import search
    from tfcompress.searching.space import SearchSpace
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
    from tfcompress.techniques.adaptive_rounding import AdaptiveRounding
    from tfcompress.techniques.bias_correction import BiasCorrection
    from tfcompress.techniques.channel_pruning import ChannelPruning
    from tfcompress.techniques.compact_filters import CompactFilters
    from tfcompress.techniques.distillation import Distillation
    from tfcompress.techniques.equalization import Equalization
    from tfcompress.techniques.importances import Taylor
    from tfcompress.techniques.low_rank import LowRank
    from tfcompress.techniques.low_rank_sparse import LowRankSparse
    from tfcompress.techniques.magnitude_pruning import MagnitudePruning
    from tfcompress.techniques.quantization_aware import QuantizationAware
    from tfcompress.techniques.range_setting import RangeSetting
    from tfcompress.techniques.sensitivity import sensitivity
    from tfcompress.techniques.technique import strip
    from tfcompress.techniques.together import Together
    from tfcompress.techniques.weight_clustering import WeightClustering
    from tfcompress.tflite.metadata import Metadata, read_metadata, strip_metadata, write_metadata
    from tfcompress.transforms.patterns import Blocks, MofN
    from tfcompress.transforms.schedules import ConstantSparsity, PolynomialDecay
    from tfcompress.transforms.sensitivity_table import SensitivityTable
    from tfcompress.transforms.summaries import Summaries

_HOMES = {
    "AdaptiveRounding": "tfcompress.techniques.adaptive_rounding",
    "AttentionTransfer": "tfcompress.teaching.attention_transfer",
    "BiasCorrection": "tfcompress.techniques.bias_correction",
    "Blocks": "tfcompress.transforms.patterns",
    "Card": "tfcompress.card",
    "ChannelPruning": "tfcompress.techniques.channel_pruning",
    "CompactFilters": "tfcompress.techniques.compact_filters",
    "ConstantSparsity": "tfcompress.transforms.schedules",
    "Custom": "tfcompress.teaching.custom",
    "Decoder": "tfcompress.teaching.sequences",
    "DecoupledKD": "tfcompress.teaching.decoupled",
    "Demo": "tfcompress.demo.contract",
    "Distillation": "tfcompress.techniques.distillation",
    "Equalization": "tfcompress.techniques.equalization",
    "Hints": "tfcompress.teaching.hints",
    "Linear": "tfcompress.teaching.objective",
    "LogitRegression": "tfcompress.teaching.logit_regression",
    "LogitsCache": "tfcompress.teaching.logits_cache",
    "LowRank": "tfcompress.techniques.low_rank",
    "LowRankSparse": "tfcompress.techniques.low_rank_sparse",
    "MagnitudePruning": "tfcompress.techniques.magnitude_pruning",
    "Metadata": "tfcompress.tflite.metadata",
    "MofN": "tfcompress.transforms.patterns",
    "PolynomialDecay": "tfcompress.transforms.schedules",
    "ProbabilisticTransfer": "tfcompress.teaching.similarity",
    "Profile": "tfcompress.models.profile",
    "QuantizationAware": "tfcompress.techniques.quantization_aware",
    "RangeSetting": "tfcompress.techniques.range_setting",
    "Recipe": "tfcompress.recipe",
    "RelationalAngle": "tfcompress.teaching.relational",
    "RelationalDistance": "tfcompress.teaching.relational",
    "Result": "tfcompress.compression",
    "SearchResult": "tfcompress.searching.results",
    "SearchSpace": "tfcompress.searching.space",
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
    "check_representative": "tfcompress.conversion.doctor",
    "compress": "tfcompress.compression",
    "convert": "tfcompress.conversion.converter",
    "diagnose": "tfcompress.diagnosis.diagnosis",
    "export_demo": "tfcompress.demo.export",
    "fold": "tfcompress.models.folding",
    "generate_targets": "tfcompress.teaching.sequences",
    "inspect": "tfcompress.runtime.inspection",
    "load": "tfcompress.models.loading",
    "measure": "tfcompress.benchmark.measurement",
    "pack": "tfcompress.packing.packing",
    "predict": "tfcompress.runtime.session",
    "profile": "tfcompress.models.profile",
    "quantize": "tfcompress.conversion.quantize",
    "read_metadata": "tfcompress.tflite.metadata",
    "repair": "tfcompress.diagnosis.repairing",
    "report": "tfcompress.reporting.report",
    "search": "tfcompress.searching.search",
    "sensitivity": "tfcompress.techniques.sensitivity",
    "sentence_bleu": "tfcompress.teaching.bleu",
    "strip": "tfcompress.techniques.technique",
    "strip_metadata": "tfcompress.tflite.metadata",
    "student": "tfcompress.models.student",
    "unpack": "tfcompress.packing.unpacking",
    "write_metadata": "tfcompress.tflite.metadata",
}

_ROOMS = ("layers",)
"""Rooms that are public as modules."""

__all__ = [
    "AdaptiveRounding",
    "AttentionTransfer",
    "BiasCorrection",
    "Blocks",
    "Card",
    "ChannelPruning",
    "CompactFilters",
    "ConstantSparsity",
    "Custom",
    "Decoder",
    "DecoupledKD",
    "Demo",
    "Distillation",
    "Equalization",
    "Hints",
    "Linear",
    "LogitRegression",
    "LogitsCache",
    "LowRank",
    "LowRankSparse",
    "MagnitudePruning",
    "Metadata",
    "MofN",
    "PolynomialDecay",
    "ProbabilisticTransfer",
    "Profile",
    "QuantizationAware",
    "RangeSetting",
    "Recipe",
    "RelationalAngle",
    "RelationalDistance",
    "Result",
    "SearchResult",
    "SearchSpace",
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
    "check_representative",
    "compress",
    "convert",
    "diagnose",
    "export_demo",
    "fold",
    "generate_targets",
    "inspect",
    "layers",
    "load",
    "measure",
    "pack",
    "predict",
    "profile",
    "quantize",
    "read_metadata",
    "repair",
    "report",
    "search",
    "sensitivity",
    "sentence_bleu",
    "strip",
    "strip_metadata",
    "student",
    "unpack",
    "write_metadata",
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
