"""The command `tfcompress`: finds the verbs, and turns a user's error into one line in this one place."""

import signal
import sys
import warnings
from importlib import import_module
from types import FrameType

import click

from tfcompress.errors import TfCompressError, TfCompressWarning
from tfcompress.memory import keep_freed_memory
from tfcompress.version import __version__

_VERBS = {
    "compress": "Apply a recipe to a Keras model.",
    "convert": "Turn a Keras model into a proven .tflite file.",
    "describe": "Put labels, normalization and more into a .tflite, or take them out.",
    "diagnose": "Say which layers of a .tflite cost accuracy, why, and mend it.",
    "devices": "Show where a file can be measured, and set up the emulated mobile CPUs.",
    "export-demo": "Write the folder that a demo app shows, on a phone or in a browser.",
    "inspect": "Show what is inside a .tflite file.",
    "measure": "Measure the latency of a .tflite file on a device.",
    "pack": "Pack a .tflite file into a .tfz, smaller than any zip.",
    "profile": "Count a model's parameters, MACs and bytes, layer by layer.",
    "quantize": "Give each layer the bits that cost least within a budget.",
    "report": "Say what a run gained, on one page, from its cards.",
    "search": "Find the best recipes under a budget.",
    "unpack": "Turn a .tfz back into the .tflite it was made from.",
}


class _LazyGroup(click.Group):
    """A group that imports a verb's file when the verb is used: `--help` needs no TensorFlow."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(_VERBS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _VERBS:
            return None
        command: click.Command = import_module(f"tfcompress.cli.{name.replace('-', '_')}").command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_VERBS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tfcompress")
def group() -> None:
    """Compress a trained Keras model for phones and prove what it gained on the file that ships.

    \b
    Example:
      tfcompress profile model.keras
      tfcompress convert model.keras --representative samples.npz -o model.tflite
      tfcompress measure model.tflite --device cortex-a55
    """


def main() -> None:
    """Runs the command; exits with 0, with 1 after a user's error, with 2 after a wrong call."""
    _clean_up_when_ended()
    keep_freed_memory()
    with warnings.catch_warnings():
        _show_own_warnings()
        try:
            group.main(standalone_mode=True, prog_name="tfcompress")
        except TfCompressError as error:
            _say(str(error))
            sys.exit(1)


def _clean_up_when_ended() -> None:
    """Makes the signals that ask a program to end raise, so that processes and folders go as they do on Ctrl-C."""
    for name in ("SIGTERM", "SIGHUP"):  # the second one not on every system
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # `nohup` has SIGHUP ignored
            signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one would interrupt the cleaning up
    sys.exit(128 + number)


def _show_own_warnings() -> None:
    """A warning of ours is one line; those of libraries speak of their own code, so `python -W` must ask for them."""
    if sys.warnoptions:
        return
    warnings.simplefilter("ignore")
    warnings.simplefilter("default", TfCompressWarning)
    warnings.showwarning = lambda message, *_, **__: _say(f"warning: {message}")


def _say(text: str) -> None:
    click.echo(f"tfcompress: {' '.join(text.split())}", err=True)
