"""The Inception network of FID: Szegedy et al. 2016, "Rethinking the Inception architecture for
computer vision", as TensorFlow published it on 2015-12-05 and with which every FID since has
been measured.

It differs from later Inceptions: 1,008 classes (not needed here), averages that leave out the
padding, a maximum in place of an average in the last block. Pictures are resized as clean-fid does
(Parmar et al. 2022, "On aliased resizing and surprising subtleties in GAN evaluation"): bicubic
with antialiasing, not rounded to whole levels. The weights are torch-fidelity's conversion. Other
forms of this network are pickles or TorchScript, which run code when they are opened.
"""

from collections.abc import Iterable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from wizard.metrics import checkpoints, networks

WEIGHTS = checkpoints.Checkpoint(
    "weights-inception-2015-12-05-6726825d.pth",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)
SIDE = 299
# The network's scale of levels: (x − 128) / 128.
LEVELS = ((128 / 255,) * 3, (128 / 255,) * 3)

average = partial(F.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False)
maximum = partial(F.max_pool2d, kernel_size=3, stride=1, padding=1)
shrink = partial(F.max_pool2d, kernel_size=3, stride=2)
ACROSS, DOWN = (1, 7), (7, 1)
# Side by side, not one after the other.
SPLIT = {"a": (1, 3), "b": (3, 1)}


def convolution(inputs: int, outputs: int, kernel, stride: int = 1, pad: bool = True) -> nn.Module:
    """Convolution, batch normalisation and ReLU; padded to keep the size unless told not to."""
    sides = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    padding = tuple(side // 2 for side in sides) if pad else 0
    layers = nn.Sequential()
    layers.add_module("conv", nn.Conv2d(inputs, outputs, sides, stride, padding, bias=False))
    layers.add_module("bn", nn.BatchNorm2d(outputs, eps=0.001))
    layers.add_module("relu", nn.ReLU())
    return layers


class Mixed(nn.Module):
    """Chains of convolutions side by side, and a pooling; their channels are joined.

    ``chains`` maps a name to steps of (channels, kernel); a kernel of ``SPLIT`` is two at once.
    A block that shrinks the picture does so in the last step of each chain.
    """

    def __init__(self, inputs: int, pool, chains: dict[str, list[tuple]]):
        super().__init__()
        self.pool, self.channels = pool, 0
        self.chains: dict[str, list[list[str]]] = {}
        for name, steps in chains.items():
            width, self.chains[name] = inputs, []
            for number, (channels, kernel) in enumerate(steps, 1):
                step = name if len(steps) == 1 else f"{name}_{number}"
                shrinks = pool is shrink and number == len(steps)
                stride = 2 if shrinks else 1
                parts = kernel if kernel is SPLIT else {"": kernel}
                for suffix, part in parts.items():
                    one = convolution(width, channels, part, stride, pad=not shrinks)
                    self.add_module(step + suffix, one)
                self.chains[name].append([step + suffix for suffix in parts])
                width = channels * len(parts)
            self.channels += width
        if "branch_pool" not in chains:
            self.channels += inputs
            self.chains["branch_pool"] = []

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        joined = []
        for name, steps in self.chains.items():
            one = self.pool(pixels) if name == "branch_pool" else pixels
            for parts in steps:
                one = torch.cat([getattr(self, part)(one) for part in parts], dim=1)
            joined.append(one)
        return torch.cat(joined, dim=1)


def early(pooled: int) -> tuple:
    return average, {
        "branch1x1": [(64, 1)],
        "branch5x5": [(48, 1), (64, 5)],
        "branch3x3dbl": [(64, 1), (96, 3), (96, 3)],
        "branch_pool": [(pooled, 1)],
    }


def middle(width: int) -> tuple:
    return average, {
        "branch1x1": [(192, 1)],
        "branch7x7": [(width, 1), (width, ACROSS), (192, DOWN)],
        "branch7x7dbl": [
            (width, 1),
            (width, DOWN),
            (width, ACROSS),
            (width, DOWN),
            (192, ACROSS),
        ],
        "branch_pool": [(192, 1)],
    }


def late(pool) -> tuple:
    return pool, {
        "branch1x1": [(320, 1)],
        "branch3x3": [(384, 1), (384, SPLIT)],
        "branch3x3dbl": [(448, 1), (384, 3), (384, SPLIT)],
        "branch_pool": [(192, 1)],
    }


BLOCKS = {
    "Mixed_5b": early(32),
    "Mixed_5c": early(64),
    "Mixed_5d": early(64),
    "Mixed_6a": (
        shrink,
        {"branch3x3": [(384, 3)], "branch3x3dbl": [(64, 1), (96, 3), (96, 3)]},
    ),
    "Mixed_6b": middle(128),
    "Mixed_6c": middle(160),
    "Mixed_6d": middle(160),
    "Mixed_6e": middle(192),
    "Mixed_7a": (
        shrink,
        {
            "branch3x3": [(192, 1), (320, 3)],
            "branch7x7x3": [(192, 1), (192, ACROSS), (192, DOWN), (192, 3)],
        },
    ),
    "Mixed_7b": late(average),
    "Mixed_7c": late(maximum),
}


class Inception(nn.Sequential):
    """float32 B×3×299×299, −1 to about 1, to features float32 B×2048. Names are the weights'."""

    def __init__(self):
        super().__init__()
        self.add_module("Conv2d_1a_3x3", convolution(3, 32, 3, stride=2, pad=False))
        self.add_module("Conv2d_2a_3x3", convolution(32, 32, 3, pad=False))
        self.add_module("Conv2d_2b_3x3", convolution(32, 64, 3))
        self.add_module("pool_1", nn.MaxPool2d(3, stride=2))
        self.add_module("Conv2d_3b_1x1", convolution(64, 80, 1))
        self.add_module("Conv2d_4a_3x3", convolution(80, 192, 3, pad=False))
        self.add_module("pool_2", nn.MaxPool2d(3, stride=2))
        channels = 192
        for name, (pool, chains) in BLOCKS.items():
            self.add_module(name, block := Mixed(channels, pool, chains))
            channels = block.channels
        self.add_module("mean", nn.AdaptiveAvgPool2d(1))
        self.add_module("flat", nn.Flatten())


def features(pictures: Iterable[np.ndarray], setup: networks.Setup) -> np.ndarray:
    """Inception features of uint8 H×W×3 pictures: float64 N×2048.

    Raises Unusable when the weights cannot be had.
    """
    network = Inception().eval()
    weights = checkpoints.tensors(WEIGHTS)
    network.load_state_dict({name: weights[name] for name in weights if name[:3] != "fc."})
    network.to(setup.place)
    with torch.inference_mode():
        parts = [
            network(pixels.to(setup.place)).cpu().double()
            for pixels in networks.batches(pictures, setup.batch, LEVELS, clean)
        ]
    return torch.cat(parts).numpy()


def clean(picture: np.ndarray) -> np.ndarray:
    """A uint8 H×W×3 picture at 299×299, float32, 0–255, resized as clean-fid does."""
    planes = (Image.fromarray(picture[..., k].astype(np.float32)) for k in range(3))
    resized = (plane.resize((SIDE, SIDE), Image.Resampling.BICUBIC) for plane in planes)
    return np.stack([np.asarray(plane) for plane in resized], axis=2).clip(0, 255)
