"""LPIPS (AlexNet): how different two pictures look, 0 for the same, lower is better.

Zhang et al. 2018, "The unreasonable effectiveness of deep features as a perceptual metric", with
version 0.1 of their weights: squared differences of AlexNet's activations, each pixel's scaled
to unit length, weighted by channel as fits the choices that people made, averaged over the picture
and summed over five layers. Not to be set beside LPIPS on VGG or SqueezeNet.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from wizard.metrics import checkpoints, networks

ALEXNET = checkpoints.Checkpoint(
    "alexnet-owt-7be5be79.pth",
    "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
)
CHANNEL_WEIGHTS = checkpoints.Checkpoint(
    "LPIPS_v0.1_alex-df73285e.pth",
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/alex.pth",
    "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
)


# Of smaller pictures nothing is left for the last layers.
SMALLEST = 32


class Lpips(nn.Module):
    """The distance of two batches float32 B×3×H×W, normalised as for ImageNet: float32 B."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
        )
        convolutions = [layer for layer in self.features if isinstance(layer, nn.Conv2d)]
        self.channel_weights = nn.ParameterList(
            torch.empty(layer.out_channels, 1, 1) for layer in convolutions
        )

    def load(self, alexnet: dict, channel_weights: dict) -> None:
        """Take weights under the names that torchvision and the paper's authors publish them by."""
        self.features.load_state_dict(
            {
                name.removeprefix("features."): tensor
                for name, tensor in alexnet.items()
                if name.startswith("features.")
            }
        )
        for number, weights in enumerate(self.channel_weights):
            weights.data = channel_weights[f"lin{number}.model.1.weight"][0]

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(len(first), device=first.device)
        weights = iter(self.channel_weights)
        for layer in self.features:
            first, second = layer(first), layer(second)
            if isinstance(layer, nn.ReLU):
                difference = (_unit(first) - _unit(second)).square() * next(weights)
                total += difference.sum(dim=1).mean(dim=(1, 2))
        return total


def _unit(activations: torch.Tensor) -> torch.Tensor:
    return activations / (activations.norm(dim=1, keepdim=True) + 1e-10)


def score(
    originals: Iterable[np.ndarray], results: Iterable[np.ndarray], setup: networks.Setup
) -> list[float | None]:
    """LPIPS of each pair of uint8 H×W×3 pictures of one size, None below SMALLEST pixels a side.

    Raises Unusable when the weights cannot be had.
    """
    network = Lpips().eval()
    network.load(checkpoints.tensors(ALEXNET), checkpoints.tensors(CHANNEL_WEIGHTS))
    network.to(setup.place)
    pairs = zip(
        networks.batches(originals, setup.batch, networks.IMAGENET),
        networks.batches(results, setup.batch, networks.IMAGENET),
        strict=True,
    )
    values: list[float | None] = []
    with torch.inference_mode():
        for pair in pairs:
            if min(pair[0].shape[2:]) < SMALLEST:
                values += [None] * len(pair[0])
            else:
                values += network(*(pixels.to(setup.place) for pixels in pair)).tolist()
    return values
