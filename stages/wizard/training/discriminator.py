"""The two judges of texture: a PatchGAN discriminator and fixed random features."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PatchDiscriminator(nn.Module):
    """Convolutional judge whose logits each see a patch (Isola et al. 2017, PatchGAN).

    Input float B×`inputs`×H×W in [-1, 1]; output B×1×H/8×W/8 logits. Group instead of batch
    normalization, so that a batch of four behaves like one of forty.
    """

    def __init__(self, channels: int, inputs: int = 3):
        super().__init__()
        widths = [channels, 2 * channels, 4 * channels]
        layers: list[nn.Module] = [nn.Conv2d(inputs, widths[0], 4, 2, 1), nn.LeakyReLU(0.2)]
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [
                nn.Conv2d(before, after, 4, 2, 1, bias=False),
                nn.GroupNorm(8, after),
                nn.LeakyReLU(0.2),
            ]
        layers += [nn.Conv2d(widths[-1], 1, 3, 1, 1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)

    def activations(self, image: Tensor) -> list[Tensor]:
        """What each nonlinearity gives, from fine to coarse, and the logits last."""
        found = []
        for layer in self.layers:
            image = layer(image)
            if isinstance(layer, nn.LeakyReLU):
                found.append(image)
        return [*found, image]


class HoleDiscriminator(nn.Module):
    """Two PatchGANs, of the picture and of its half (Wang et al. 2018, pix2pixHD).

    The small one sees whether eyes match, the other whether hair is sharp. Both are told where
    the hole is (Sargsyan et al. 2023, MI-GAN), so that they judge nothing else.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.scales = nn.ModuleList([PatchDiscriminator(channels, inputs=4) for _ in range(2)])

    def forward(self, image: Tensor, hole: Tensor) -> list[list[Tensor]]:
        """Activations at both scales, the logits last.

        image: float B×3×H×W in [-1, 1]; hole: float B×1×H×W, 1 = hole.
        """
        told = torch.cat([image, hole * 2 - 1], 1)
        return [
            scale.activations(told if level == 0 else F.avg_pool2d(told, 2))
            for level, scale in enumerate(self.scales)
        ]


class RandomFeatures(nn.Module):
    """Perceptual distance in a convolutional network that was never trained.

    What such a network keeps is the joint statistics of neighbouring pixels, which L1 looks at
    one by one (Liu et al., CVPR 2021, arXiv 2103.10571). It stands in for LPIPS where no trained
    weights can be had and is not comparable with it. The weights follow from `seed`.
    """

    def __init__(self, seed: int, widths: tuple[int, ...] = (32, 64, 128)):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.stages = nn.ModuleList()
        before = 3
        for width in widths:
            conv = nn.Conv2d(before, width, 3, padding=1, bias=False)
            nn.init.kaiming_normal_(conv.weight, a=0.2, generator=generator)
            self.stages.append(conv)
            before = width
        self.requires_grad_(False)

    def forward(self, result: Tensor, target: Tensor) -> Tensor:
        """Mean absolute feature difference over all depths; both float B×3×H×W in [-1, 1]."""
        distance = result.new_zeros(())
        pair = torch.cat([result, target])
        for depth, stage in enumerate(self.stages):
            if depth:
                pair = F.avg_pool2d(pair, 2)
            pair = F.leaky_relu(stage(pair), 0.2)
            ours, theirs = pair.chunk(2)
            distance = distance + (ours - theirs).abs().mean()
        return distance / len(self.stages)
