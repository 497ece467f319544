"""Training of the autoencoder and, with its encoder frozen, refinement of its decoder."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor

from wizard.records import seed
from wizard.training import loop, losses
from wizard.training.discriminator import PatchDiscriminator, RandomFeatures


def crops(images: np.ndarray, count: int, size: int, rng: np.random.Generator) -> Tensor:
    """`count` random squares of random images, half of them mirrored.

    images: uint8 N×S×S×3. Returns float count×3×size×size in [-1, 1].
    """
    squares = []
    for index in rng.integers(len(images), size=count):
        top, left = rng.integers(images.shape[1] - size + 1, size=2)
        square = images[index, top : top + size, left : left + size]
        squares.append(square[:, ::-1] if rng.random() < 0.5 else square)
    return to_tensor(np.stack(squares))


def to_tensor(images: np.ndarray) -> Tensor:
    """uint8 N×H×W×3 to float N×3×H×W in [-1, 1]."""
    return torch.from_numpy(images.copy()).permute(0, 3, 1, 2).float() / 127.5 - 1


def encode(vae: AutoencoderKL, images: np.ndarray, device: str, batch: int = 8) -> Tensor:
    """Posterior modes of images (uint8 N×S×S×3), not scaled: float N×4×s×s on the CPU."""
    with torch.inference_mode(), loop.autocast(device):
        parts = [
            vae.encode(to_tensor(images[start : start + batch]).to(device)).latent_dist.mode()
            for start in range(0, len(images), batch)
        ]
    return torch.cat(parts).float().cpu()


def round_trip(vae: AutoencoderKL, images: np.ndarray, batch: int = 16) -> np.ndarray:
    """Images (uint8 N×H×W×3) after encoding, taking the posterior mode, and decoding."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), batch):
            pixels = to_tensor(images[start : start + batch]).to(vae.device)
            decoded = vae.decode(vae.encode(pixels).latent_dist.mode()).sample
            parts.append(((decoded + 1) * 127.5).round().clamp(0, 255).byte().cpu())
    return torch.cat(parts).permute(0, 2, 3, 1).numpy()


def train(
    vae: AutoencoderKL, images: np.ndarray, settings, base_seed: int, path: Path, device: str
) -> Iterator[dict]:
    """Train encoder and decoder on L1, gradient L1 and KL; yields the terms of every step.

    `settings` is the block `autoencoder`. Resumes from the checkpoint at `path` if there is one.
    Every step draws from a generator of its own, so that a run which was killed sees the same
    batches as one which was not.
    """
    vae.to(device)
    optimizer = torch.optim.AdamW(vae.parameters(), settings.learning_rate, betas=(0.9, 0.99))

    def one_step(step: int, rate: float) -> dict[str, Tensor]:
        rng = np.random.default_rng(seed(base_seed, "autoencoder", str(step)))
        target = crops(images, settings.batch_size, settings.crop, rng).to(device)
        noise = torch.Generator().manual_seed(seed(base_seed, "posterior", str(step)))
        with loop.autocast(device):
            posterior = vae.encode(target).latent_dist
            result = vae.decode(posterior.sample(generator=noise)).sample
        result, mean, logvar = result.float(), posterior.mean.float(), posterior.logvar.float()
        terms = {
            "l1": F.l1_loss(result, target),
            "gradient": losses.gradient_l1(result, target),
            "kl": losses.kl(mean, logvar),
        }
        loss = terms["l1"] + settings.gradient * terms["gradient"] + settings.kl * terms["kl"]
        loop.descend(optimizer, loss, vae, rate)
        return terms

    return loop.repeat(one_step, {"vae": vae, "optimizer": optimizer}, settings, path)


def refine(
    vae: AutoencoderKL, images: np.ndarray, settings, base_seed: int, path: Path, device: str
) -> Iterator[dict]:
    """Train the decoder alone for texture, on latents of the frozen encoder.

    `settings` is the block `refine`; a weight of 0 switches its term off. The adversarial term
    enters after `adversarial_start` steps, when the discriminator has learnt something, and is
    balanced by the adaptive weight (Esser et al. 2021). Yields the terms of every step.
    """
    vae.to(device)
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
    decoder = [parameter for parameter in vae.parameters() if parameter.requires_grad]
    judge = PatchDiscriminator(settings.discriminator_channels).to(device)
    features = RandomFeatures(seed(base_seed, "features", "")).to(device)
    optimizer = torch.optim.AdamW(decoder, settings.learning_rate, betas=(0.5, 0.9))
    opponent = torch.optim.AdamW(judge.parameters(), settings.learning_rate, betas=(0.5, 0.9))

    def one_step(step: int, rate: float) -> dict[str, Tensor]:
        rng = np.random.default_rng(seed(base_seed, "refine", str(step)))
        target = crops(images, settings.batch_size, settings.crop, rng).to(device)
        with loop.autocast(device):
            with torch.no_grad():
                latents = vae.encode(target).latent_dist.mode()
            result = vae.decode(latents).sample.float()
            terms = {
                "l1": F.l1_loss(result, target),
                "gradient": losses.gradient_l1(result, target),
                "perceptual": features(result, target).float(),
            }
            loss = (
                terms["l1"]
                + settings.gradient * terms["gradient"]
                + settings.perceptual * terms["perceptual"]
            )
            if settings.adversarial and step >= settings.adversarial_start:
                terms["adversarial"] = losses.hinge_generator(judge(result).float())
                terms["balance"] = losses.adaptive_weight(
                    loss, terms["adversarial"], vae.decoder.conv_out.weight
                )
                loss = loss + settings.adversarial * terms["balance"] * terms["adversarial"]
        loop.descend(optimizer, loss, vae, rate)
        if settings.adversarial:
            with loop.autocast(device):
                terms["discriminator"] = losses.hinge_discriminator(
                    judge(target).float(), judge(result.detach()).float()
                )
            loop.descend(opponent, terms["discriminator"], judge, rate)
        return terms

    parts = {"vae": vae, "judge": judge, "optimizer": optimizer, "opponent": opponent}
    return loop.repeat(one_step, parts, settings, path)
