"""Photographs of any size filled window by window, with windows of several in one batch."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Protocol, TypeVar

import numpy as np
from PIL import Image

from wizard import records
from wizard.models import classical
from wizard.models.windows import Window, plan

BOX, LANCZOS = Image.Resampling.BOX, Image.Resampling.LANCZOS
# Photographs whose windows wait for each other are held until all of theirs are filled.
PIXELS_HELD = 50_000_000


class Job(Protocol):
    """What :func:`fill` needs of a photograph: uint8 H×W×3, bool H×W, a seed for its noise."""

    @property
    def image(self) -> np.ndarray: ...
    @property
    def mask(self) -> np.ndarray: ...
    @property
    def seed(self) -> int: ...


J = TypeVar("J", bound=Job)
Call = Callable[[Iterable[tuple]], Iterator[tuple[list | ValueError, float]]]


def fill(
    jobs: Iterable[J],
    call: Call,
    batch_size: int,
    side: int | None,
    context: float,
    hidden: bool = True,
) -> Iterator[tuple[J, np.ndarray | ValueError, float]]:
    """Each job with what was painted for it and the seconds that took, as soon as it is done.

    What was painted has the photograph's size; a ValueError says why there is nothing. ``call``
    takes (images, masks, seeds) of up to ``batch_size`` windows at a time, whatever photographs
    they belong to, and answers as :class:`wizard.runners.local.Worker` does. ``side`` and
    ``context`` are those of :func:`wizard.models.windows.plan`. ``hidden`` is False for the round
    trip, which is shown the truth. Jobs are taken as they are needed: besides those whose only
    window is with the model, no more than ``PIXELS_HELD`` pixels and one photograph are held.
    """
    spread = _Spread(jobs, batch_size, side, context, hidden)
    while spread.held or not spread.all_taken:
        for answer, seconds in call(spread.calls()):
            yield from spread.take(answer, seconds)
        spread.held = [one for one in spread.held if not one.done]


class _Spread:
    """Jobs spread over batches of windows: one pass over :meth:`calls` is one round of each."""

    def __init__(
        self, jobs: Iterable, batch_size: int, side: int | None, context: float, hidden: bool
    ):
        self.held: list[_Progress] = []
        self.all_taken = False
        self._jobs, self._batch_size = iter(jobs), batch_size
        self._side, self._context, self._hidden = side, context, hidden
        self._sent: deque[list[tuple[_Progress, Window]]] = deque()

    def calls(self) -> Iterator[tuple]:
        """Batches of the windows that may be filled now."""
        ready = self._ready()
        while batch := list(islice(ready, self._batch_size)):
            self._sent.append([(one, window) for one, window, _ in batch])
            cuts = [(*one.canvas.cut(window, self._hidden), seed) for one, window, seed in batch]
            yield tuple(zip(*cuts, strict=True))

    def take(self, answer: list | ValueError, seconds: float) -> Iterator[tuple]:
        """Put in the answer to the oldest call; the jobs that are done by it."""
        batch = self._sent.popleft()
        painted = [answer] * len(batch) if isinstance(answer, ValueError) else answer
        for (one, window), square in zip(batch, painted, strict=True):
            one.put(window, square, seconds / len(batch))
            if one.done:
                yield one.job, one.error or one.canvas.painted, one.seconds

    def _ready(self) -> Iterator[tuple["_Progress", Window, int]]:
        for one in list(self.held):
            yield from one.next_round()
        while sum(one.job.mask.size for one in self.held) < PIXELS_HELD:
            job = next(self._jobs, None)
            if job is None:
                self.all_taken = True
                return
            one = _Progress(job, self._side, self._context)
            if len(one.canvas.rounds) > 1:
                self.held.append(one)
            yield from one.next_round()


class _Progress:
    """A job on its way through its windows."""

    def __init__(self, job: Job, side: int | None, context: float):
        self.job, self.seconds = job, 0.0
        self.error: ValueError | None = None
        self.canvas = Canvas(job.image, job.mask, side, context)
        self._rounds = deque(self.canvas.rounds)
        self._begun = self._waiting = 0

    @property
    def done(self) -> bool:
        return not self._waiting and not self._rounds

    def next_round(self) -> Iterator[tuple["_Progress", Window, int]]:
        """Itself with each window that may be filled now, and with the seed of its noise."""
        turn = self._rounds.popleft()
        self._waiting = len(turn)
        for window in turn:
            number, self._begun = self._begun, self._begun + 1
            own = records.seed(self.job.seed, "window", str(number))
            yield self, window, own if number else self.job.seed

    def put(self, window: Window, painted: np.ndarray | ValueError, seconds: float) -> None:
        self.seconds += seconds
        self._waiting -= 1
        if isinstance(painted, ValueError):
            self.error = painted
            self._rounds.clear()
        else:
            self.canvas.put(window, painted)


class Canvas:
    """A photograph while its windows are filled one after the other.

    ``image`` is uint8 H×W×3, ``mask`` bool H×W, True = hole. ``side`` is the side in pixels of the
    squares that go to the model, None for a method that takes any size and gets the photograph as
    it is.

    ``rounds`` are the windows in their order: each sees what the rounds before its own left.
    ``painted`` is the photograph with all that was painted so far, around the holes too.
    """

    def __init__(self, image: np.ndarray, mask: np.ndarray, side: int | None, context: float):
        self.rounds = plan(mask, side, context)
        self.painted = image
        self._image, self._mask, self._side = image, mask, side
        self._open = mask.copy()

    def cut(self, window: Window, hidden: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """A window's image and mask at the model's side; without ``hidden`` the true image."""
        image, hole = self._image[window.area], self._open[window.area]
        filled = self._mask[window.area] & ~hole
        if hidden and filled.any():
            image = np.where(filled[..., None], self.painted[window.area], image)
        return to_side(image, hole, self._side, hidden)

    def put(self, window: Window, painted: np.ndarray) -> None:
        """Take what the model painted for a window, at the model's side."""
        height, width = window.hole.shape
        if painted.shape[:2] != (height, width):
            painted = np.asarray(Image.fromarray(painted).resize((width, height), LANCZOS))
        if window.hole.shape == self._mask.shape:
            self.painted = painted
            return
        if self.painted is self._image:
            self.painted = self._image.copy()
        new = ~self._mask[window.area] | self._open[window.area]
        self.painted[window.area][new] = painted[new]
        self._open[window.area] &= ~window.hole


def to_side(
    image: np.ndarray, hole: np.ndarray, side: int | None, hidden: bool
) -> tuple[np.ndarray, np.ndarray]:
    """An image and its mask scaled to ``side`` × ``side``; what the hole hides stays inside it.

    Shrinking makes of each area its mean, and hole where the hole touches it: a filter that
    reaches further would carry hidden pixels out. Any filter that enlarges reaches further, so
    the hole is replaced before, unless it is not ``hidden``.
    """
    if side is None or hole.shape == (side, side):
        return image, hole
    shrinks = max(hole.shape) > side
    if hidden and not shrinks:
        image = classical.telea(classical.mean(image, hole), hole)
    scaled = Image.fromarray(image).resize((side, side), BOX if shrinks else LANCZOS)
    # Of a mask, the box filter makes shares when it shrinks, and the nearest pixel when it grows.
    touched = Image.fromarray(hole.astype(np.float32)).resize((side, side), BOX)
    return np.asarray(scaled), np.asarray(touched) > 0
