"""Loss terms of the autoencoder and of the diffusion model, each a scalar tensor."""

import torch
import torch.nn.functional as F
from torch import Tensor


def gradient_l1(result: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of the horizontal and vertical finite differences.

    Both arguments are float B×C×H×W. L1 alone is content with blurred edges; this is not.
    """
    error = result - target
    across = (error[..., :, 1:] - error[..., :, :-1]).abs().mean()
    down = (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return across + down


def hole_weighted_l1(result: Tensor, target: Tensor, hole: Tensor, known: float) -> Tensor:
    """Absolute error averaged with weight 1 in the hole and `known` outside it.

    result, target: float B×C×H×W; hole: float B×1×H×W of 0 and 1.
    """
    weight = (hole + known * (1.0 - hole)).expand_as(result)
    return (weight * (result - target).abs()).sum() / weight.sum()


def feature_matching(made: list[list[Tensor]], real: list[list[Tensor]]) -> Tensor:
    """Mean absolute distance of a discriminator's features, logits left out (pix2pixHD).

    One list per scale; `real` gets no gradient.
    """
    distances = [
        (ours - theirs.detach()).abs().mean()
        for scale, others in zip(made, real, strict=True)
        for ours, theirs in zip(scale[:-1], others[:-1], strict=True)
    ]
    return torch.stack(distances).mean()


def kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """Divergence of N(mean, exp(logvar)) from N(0, 1), in nats per latent element."""
    return 0.5 * (mean.square() + logvar.exp() - 1.0 - logvar).mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of the discriminator's logits (Lim & Ye 2017, Geometric GAN)."""
    return 0.5 * (F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean())


def hinge_generator(fake: Tensor) -> Tensor:
    """The generator's side of the hinge game: raise the logits of what it made."""
    return -fake.mean()


def adaptive_weight(
    reconstruction: Tensor, adversarial: Tensor, last_layer: Tensor, limit: float = 1e4
) -> Tensor:
    """Balance of the two losses by the length of their gradients at the decoder's last layer.

    ‖∇ reconstruction‖ / (‖∇ adversarial‖ + 1e-6), clipped to [0, limit] (Esser et al. 2021,
    "Taming transformers", eq. 7). The result carries no gradient.
    """
    (ours,) = torch.autograd.grad(reconstruction, last_layer, retain_graph=True)
    (theirs,) = torch.autograd.grad(adversarial, last_layer, retain_graph=True)
    return (ours.norm() / (theirs.norm() + 1e-6)).clamp(0.0, limit).detach()


def hole_weighted_mse(result: Tensor, target: Tensor, hole: Tensor, known: float) -> Tensor:
    """Squared error averaged with weight 1 in the hole and `known` outside it.

    result, target: float B×C×H×W; hole: float B×1×H×W of 0 and 1. The sum is divided by the
    weights of the whole batch, so every hole element counts the same whatever the hole's size.
    """
    weight = (hole + known * (1.0 - hole)).expand_as(result)
    return (weight * (result - target).square()).sum() / weight.sum()
