"""What a failed conversion means: what happened in the converter's process, which layers are to blame, what to do."""

import re
from pathlib import Path

import keras

from tfcompress.child import Ending
from tfcompress.conversion.blaming import blamed, operators_without_a_kernel
from tfcompress.conversion.modes import Mode
from tfcompress.errors import ConversionError, TfCompressError
from tfcompress.models.surgery import layers_of
from tfcompress.tflite.inspection import inspect

_LONGEST = 300


def conversion_error(model: keras.Model, mode: Mode, ending: Ending, time_limit: float) -> ConversionError:
    """The error that a child's end without a file amounts to."""
    start = f"'{model.name}' could not be converted to {mode.name}"
    if ending.timed_out:
        return ConversionError(
            f"{start}: the converter was still running after {time_limit:g} s and was stopped. Give a longer time "
            "limit (time_limit=, --time-limit)."
        )
    if ending.failure is not None:
        reason = _reason(model, ending.failure["message"] + "\n" + ending.output)
    elif ending.signal == "SIGKILL":
        reason = "the converter was killed (SIGKILL), most likely because memory ran out"
    else:
        reason = f"TensorFlow's converter crashed ({ending.signal or 'without a message'})"
    return ConversionError(f"{start}: {reason}. {_advice(model, mode, reason)}")


def unusable(file: Path, mode: Mode, error: TfCompressError) -> ConversionError:
    """The error for a file that TensorFlow's converter wrote without complaint, and that LiteRT does not run.

    Args:
        file: What the converter wrote.
        mode: In which mode.
        error: What was said of it.
    """
    where, found = "", re.search(r"Node number (\d+) \((\w+)\)", str(error))
    if found:
        operator = next((item for item in inspect(file).operators if item.index == int(found[1])), None)
        where = f", at {found[2]}" + (f" ({operator.output_name})" if operator and operator.name == found[2] else "")
    reason = str(error).partition(": ")[2].partition("Node number")[0].strip().rstrip(".")
    return ConversionError(
        f"Mode {mode.name}: TensorFlow's converter wrote a file that cannot be used{where}: {reason}. Choose another "
        "mode: int8, dynamic, float16 or float32."
    )


def rolled_layers(model: keras.Model) -> list[str]:
    """The names of recurrent layers that are loops, not unrolled."""
    names = []
    for layer in layers_of(model):
        inner = [layer, getattr(layer, "forward_layer", None)]
        if any(isinstance(item, keras.layers.RNN) and not item.unroll for item in inner):
            names.append(layer.name)
    return names


def _advice(model: keras.Model, mode: Mode, reason: str) -> str:
    rolled = rolled_layers(model)
    if rolled:
        return (
            "TensorFlow's converter often fails on recurrent layers that are loops: build "
            f"{', '.join(map(repr, rolled))} with unroll=True and the same weights."
        )
    if "no LiteRT operator" in reason:
        return "Replace the layers that make them, or take them out of the model and compute them in the program."
    return "Mode float32 shows whether quantization is the cause." if mode.optimize else "Simplify the model around it."


def _reason(model: keras.Model, message: str) -> str:
    """The part of the converter's output that says what was wrong."""
    if operators := operators_without_a_kernel(message):
        return f"there is no LiteRT operator for {blamed(operators, model, message)}"
    found = re.search(r"error: (.*)", message)
    text = found[1] if found else next(iter(message.strip().splitlines()), "it gave no reason")
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."
