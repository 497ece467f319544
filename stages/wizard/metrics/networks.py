"""How pictures reach a pretrained network."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

import numpy as np
import torch
from PIL import Image

from wizard import devices
from wizard.records import Unusable

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Setup:
    """What networks are told: folder or Hub id of two of them, device, batch size."""

    dino: str
    clip: str
    device: str
    batch: int

    @property
    def place(self) -> torch.device:
        """The device itself."""
        return torch.device(devices.pick(self.device))


def pretrained(kind: Any, model: str, **options):
    """A network or tokenizer of transformers, from a folder, the Hub, or the Hub's cache.

    Raises records.Unusable with one line when it cannot be had.
    """
    try:
        return kind.from_pretrained(model, **options)
    except OSError:
        raise Unusable(
            f"weights of {model} are not on this machine and the Hub does not give them; where it "
            f"can be reached run `hf download {model}`, or set evaluate.learned to []"
        ) from None


def batches(
    pictures: Iterable[np.ndarray],
    size: int,
    normal: tuple,
    resize: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> Iterator[torch.Tensor]:
    """float32 batches B×3×H×W of uint8 H×W×3 pictures, resized and normalised.

    A picture of another size than the one before begins a new batch. ``normal`` is the mean and
    the deviation of each channel on the scale of 0 to 1.
    """
    mean, deviation = (torch.tensor(values)[:, None, None] for values in normal)
    for _, alike in groupby(map(resize, pictures), key=np.shape):
        while group := list(islice(alike, size)):
            pixels = torch.from_numpy(np.stack(group))
            yield (pixels.permute(0, 3, 1, 2).float() / 255 - mean) / deviation


def to_side(picture: np.ndarray, side: int) -> np.ndarray:
    """A uint8 H×W×3 picture at side×side, bicubic with antialiasing."""
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))
