"""What a step did in detail: said by whoever does it, collected for the card by whoever asked for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_collected: ContextVar[list[str] | None] = ContextVar("notes", default=None)


def note(text: str) -> None:
    """Puts a sentence among the notes that are being collected; where nobody collects, it is lost.

    For what went another way than one might expect there are warnings, which everybody sees.
    """
    notes = _collected.get()
    if notes is not None:
        notes.append(text)


@contextmanager
def collecting(notes: list[str]) -> Iterator[None]:
    """Appends to `notes` what is noted inside the block.

    Example:
        >>> notes = []
        >>> with collecting(notes):
        ...     note("conv2 has rank 3.")
        >>> notes
        ['conv2 has rank 3.']
    """
    token = _collected.set(notes)
    try:
        yield
    finally:
        _collected.reset(token)
