"""What happens around every backend alike, so that backends are compared fairly.

The order, for a batch: windows are cut around the holes of photographs that are larger than what
the backend works on, the hole is replaced (so that nothing under it can reach the backend), image
and mask are padded to the backend's stride, the mask is grown to its grid, the backend fills, the
padding is cut off, windows are put back, and the original outside the original mask.
"""

from collections.abc import Callable, Sequence

import numpy as np

from wizard import models
from wizard.images import to_grid
from wizard.models import canvas
from wizard.models.classical import METHODS
from wizard.records import Unusable

CONTEXT = 1.5


class Filler:
    """Fills holes in batches with one backend.

    ``prefill`` names the method of :mod:`wizard.models.classical` that replaces the hole first:
    a diffusion pipeline with ``strength`` below 1 starts from the image it is given and would
    otherwise be handed the answer. Where the backend reads no holes, the quickest method serves.

    Every call to the backend holds exactly ``batch_size`` images, the last one repeated to fill
    up: an image's result then depends on the batch size but not on its neighbours, so that a
    resumed run and an uninterrupted one give the same bytes. When memory runs out the batch size
    is halved for good.

    ``side`` is that of the square windows in which larger photographs are filled, None for the
    backend's own; ``context`` is their side over that of the hole's box.
    """

    def __init__(
        self,
        backend,
        prefill: str,
        batch_size: int,
        side: int | None = None,
        context: float = CONTEXT,
    ):
        self.backend = backend
        self._side, self._context = side or backend.side, context
        self.batch_size = batch_size
        self._prefill = METHODS[prefill if backend.reads_holes else "mean"]

    def about(self) -> dict:
        """The backend's ``identity``, and whether it has a ``round_trip``."""
        has_round_trip = self.backend.round_trip is not None
        return {"identity": self.backend.identity, "round_trip": has_round_trip}

    def fill(
        self,
        images: Sequence[np.ndarray],
        masks: Sequence[np.ndarray],
        seeds: Sequence[int],
        prompts: Sequence[tuple[str, str]],
    ) -> list[np.ndarray | Unusable]:
        """What the backend makes of each image, whole; the engine pastes it into the hole.

        ``images`` are uint8 H×W×3 of any sizes, ``masks`` bool H×W of the same sizes, True = hole.
        ``prompts`` are pairs of prompt and negative prompt. The answer has the order and sizes of
        the images; an Unusable with the reason stands for an image that could not be filled.
        Raises Unusable when an image and its mask differ in size.
        """
        return canvas.fill(
            self._canvases(images, masks), seeds, prompts, self._fill, self.batch_size
        )

    def round_trip(
        self,
        images: Sequence[np.ndarray],
        masks: Sequence[np.ndarray],
        seeds: Sequence[int],
        prompts: Sequence[tuple[str, str]],
    ) -> list[np.ndarray | Unusable]:
        """Like :meth:`fill`, but the original after the backend's own autoencoder.

        The one place where a backend sees what is under the hole: it tells what the
        autoencoder and the scaling alone lose, and is never a result.
        """
        canvases = self._canvases(images, masks)
        return canvas.fill(
            canvases, seeds, prompts, self._round_trip, self.batch_size, hidden=False
        )

    def _canvases(
        self, images: Sequence[np.ndarray], masks: Sequence[np.ndarray]
    ) -> list[canvas.Canvas]:
        for image, mask in zip(images, masks, strict=True):
            if image.shape[:2] != mask.shape:
                raise Unusable(f"image is {image.shape[:2]}, mask {mask.shape}; run mask again")
        pairs = zip(images, masks, strict=True)
        return [canvas.Canvas(image, mask, self._side, self._context) for image, mask in pairs]

    def _fill(self, images, masks, seeds, prompts) -> list[np.ndarray | Unusable]:
        """The backend's fillings of images of one size."""
        hidden = [self._hide(image, mask) for image, mask in zip(images, masks, strict=True)]
        padded = [self._pad(image) for image in hidden]
        grown = [to_grid(self._pad(mask), self.backend.grid) for mask in masks]
        output = self._in_batches(self.backend.fill, padded, grown, seeds, prompts)
        return [_checked(one, image) for one, image in zip(output, hidden, strict=True)]

    def _round_trip(self, images, masks, seeds, prompts) -> list[np.ndarray | Unusable]:
        padded = [self._pad(image) for image in images]
        grown = [to_grid(self._pad(mask), self.backend.grid) for mask in masks]
        output = self._in_batches(self.backend.round_trip, padded, grown)
        return [_checked(one, image) for one, image in zip(output, images, strict=True)]

    def _hide(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        # The prefill itself must not see the hole either: some methods read their target.
        hidden = METHODS["mean"](image, mask)
        return hidden if self._prefill is METHODS["mean"] else self._prefill(hidden, mask)

    def _pad(self, array: np.ndarray) -> np.ndarray:
        padding = [(0, -side % self.backend.stride) for side in array.shape[:2]]
        return np.pad(array, [*padding, (0, 0)][: array.ndim], mode="reflect")

    def _in_batches(self, function: Callable, *columns: Sequence) -> list:
        """``function`` over equally long columns, always ``batch_size`` rows per call."""
        rows = list(zip(*columns, strict=True))
        done: list = []
        while len(done) < len(rows):
            batch = rows[len(done) : len(done) + self.batch_size]
            full = batch + [batch[-1]] * (self.batch_size - len(batch))
            try:
                done += function(*zip(*full, strict=True))[: len(batch)]
            except MemoryError as error:
                if self.batch_size == 1:
                    done.append(Unusable(f"out of memory at batch size 1: {error}"))
                self.batch_size = max(1, self.batch_size // 2)
        return done


def load(
    name: str,
    prefill: str,
    batch_size: int,
    side: int | None = None,
    context: float = CONTEXT,
    **settings,
) -> Filler:
    """A filler around the backend of that name; settings are those of the backend's file."""
    return Filler(models.load(name, **settings), prefill, batch_size, side, context)


def _checked(output: np.ndarray | Unusable, image: np.ndarray) -> np.ndarray | Unusable:
    """The output without its padding, or the reason why there is none.

    ``image`` is what the backend was given: what lies under a hole has no say.
    """
    if isinstance(output, Unusable):
        return output
    if image.any() and not output.any():
        return Unusable("the model returned an all-black image; try runtime.dtype float32")
    return output[: image.shape[0], : image.shape[1]]
