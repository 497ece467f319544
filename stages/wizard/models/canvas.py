"""Photographs of any size, filled window by window."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image

from wizard import records
from wizard.models import classical
from wizard.models.windows import Window, plan

BOX, LANCZOS = Image.Resampling.BOX, Image.Resampling.LANCZOS

Prompt = tuple[str, str]
Filled = np.ndarray | records.Unusable
# images, masks, seeds and prompts of windows that have one size
Fill = Callable[[list[np.ndarray], list[np.ndarray], list[int], list[Prompt]], list[Filled]]


def fill(
    canvases: Sequence["Canvas"],
    seeds: Sequence[int],
    prompts: Sequence[Prompt],
    function: Fill,
    batch_size: int,
    hidden: bool = True,
) -> list[Filled]:
    """What ``function`` makes of each photograph, at its size; Unusable where it failed.

    Windows of all photographs share batches: first the first round of all, then the second.
    ``hidden`` is False for a round trip, which is shown what lies under the hole.
    """
    failed: dict[int, records.Unusable] = {}
    for turn in range(max(len(canvas.rounds) for canvas in canvases)):
        for batch in _batches(canvases, turn, batch_size):
            batch = [(n, window, number) for n, window, number in batch if n not in failed]
            rows = [
                (*canvases[n].cut(window, hidden), _noise(seeds[n], number), prompts[n])
                for n, window, number in batch
            ]
            filled = function(*map(list, zip(*rows, strict=True))) if rows else []
            for (n, window, _), one in zip(batch, filled, strict=True):
                if isinstance(one, records.Unusable):
                    failed[n] = one
                else:
                    canvases[n].put(window, one)
    return [failed.get(n, canvas.output) for n, canvas in enumerate(canvases)]


def _batches(
    canvases: Sequence["Canvas"], turn: int, batch_size: int
) -> Iterator[list[tuple[int, Window, int]]]:
    """The windows of one round, those of equal size together.

    Each comes with the number of its photograph and its own number within that.
    """
    of_shape = defaultdict(list)
    for n, canvas in enumerate(canvases):
        before = sum(map(len, canvas.rounds[:turn]))
        due = canvas.rounds[turn] if turn < len(canvas.rounds) else []
        for number, window in enumerate(due, before):
            of_shape[canvas.shape(window)].append((n, window, number))
    for windows in of_shape.values():
        for start in range(0, len(windows), batch_size):
            yield windows[start : start + batch_size]


def _noise(seed: int, number: int) -> int:
    """The seed of a window: the first one has that of its photograph."""
    return records.seed(seed, "window", str(number)) if number else seed


class Canvas:
    """A photograph while its windows are filled one after the other.

    ``image`` is uint8 H×W×3, ``mask`` bool H×W, True = hole. ``side`` is the side in pixels of the
    squares that go to the model. A photograph that fits into such a square goes as it is, and so
    does any where ``side`` is None. ``context`` is that of :func:`wizard.models.windows.plan`.

    ``rounds`` are the windows in their order: each sees what the rounds before its own left.
    ``output`` is the photograph with what was made of all windows so far, around the holes too.
    """

    def __init__(self, image: np.ndarray, mask: np.ndarray, side: int | None, context: float):
        if side is not None and max(mask.shape) <= side:
            side = None
        self.rounds = plan(mask, side, context)
        self.output = image
        self._image, self._mask, self._side = image, mask, side
        self._open = mask.copy()

    def shape(self, window: Window) -> tuple[int, ...]:
        """Height and width at which a window is filled."""
        return window.hole.shape if self._side is None else (self._side, self._side)

    def cut(self, window: Window, hidden: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """A window's image and mask at the model's side; without ``hidden`` the true image."""
        image, hole = self._image[window.area], self._open[window.area]
        filled = self._mask[window.area] & ~hole
        if hidden and filled.any():
            image = np.where(filled[..., None], self.output[window.area], image)
        return to_side(image, hole, self._side, hidden)

    def put(self, window: Window, output: np.ndarray) -> None:
        """Take the model's output for a window, at the model's side."""
        height, width = window.hole.shape
        if output.shape[:2] != (height, width):
            output = np.asarray(Image.fromarray(output).resize((width, height), LANCZOS))
        if self._side is None:
            self.output = output
            return
        if self.output is self._image:
            self.output = self._image.copy()
        new = ~self._mask[window.area] | self._open[window.area]
        self.output[window.area][new] = output[new]
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
