"""Private training checkpoints: written whole or not at all, read without unpickling objects."""

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from wizard.records import Unusable, write_atomic


def save(path: Path, state: dict) -> None:
    """Write a dictionary of tensors and plain values; a kill leaves the old file or the new."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomic(path, buffer.getvalue())


def read(path: Path) -> dict | None:
    """The last checkpoint, or None before the first. No code in the file can run."""
    if not path.is_file():
        return None
    return torch.load(path, map_location="cpu", weights_only=True)


def step(path: Path) -> int:
    """How many training steps the last checkpoint has behind it; 0 before the first."""
    state = read(path)
    return 0 if state is None else state["step"]


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """A block that puts a checkpoint into networks; when they are others, Unusable says so."""
    try:
        yield
    except (RuntimeError, KeyError, ValueError):
        raise Unusable(f"{path}: made with other settings; restore them or move it away") from None


EVERY_SECONDS = 180


class Clock:
    """Says when a checkpoint is due: every three minutes, counted from the last one."""

    def __init__(self):
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether the time is over; asking starts the next period if it is."""
        if time.monotonic() - self._last < EVERY_SECONDS:
            return False
        self._last = time.monotonic()
        return True
