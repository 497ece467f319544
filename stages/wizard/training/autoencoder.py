"""Training of the autoencoder and, with its encoder frozen, refinement of its decoder."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor

from wizard.records import seed
from wizard.training import checkpoint, losses
from wizard.training.discriminator import PatchDiscriminator, RandomFeatures


def learning_rate(step: int, steps: int, peak: float, warmup: int = 50) -> float:
    """Linear warm-up, then a cosine down to a hundredth of the peak."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))
    return peak * min((step + 1) / warmup, 1.0) * max(cosine, 0.01)


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


def round_trip(vae: AutoencoderKL, images: np.ndarray, batch: int = 16) -> np.ndarray:
    """Images (uint8 N×H×W×3) after encoding, taking the likeliest latent, and decoding."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), batch):
            pixels = to_tensor(images[start : start + batch]).to(vae.device)
            decoded = vae.decode(vae.encode(pixels).latent_dist.mode()).sample
            parts.append(((decoded + 1) * 127.5).round().clamp(0, 255).byte().cpu())
    return torch.cat(parts).permute(0, 2, 3, 1).numpy()


def train(
    vae: AutoencoderKL,
    images: np.ndarray,
    settings,
    base_seed: int,
    path: Path,
    device: str,
    report: Callable[[dict], None],
) -> Iterator[int]:
    """Train encoder and decoder on L1, gradient L1 and KL; yields after every step.

    `settings` is the block `train.autoencoder`. Goes on from the checkpoint at `path` if there
    is one. Every step draws from a generator of its own, so that a run which was killed sees the
    same batches as one which was not.
    """
    vae.to(device)
    optimizer = torch.optim.AdamW(vae.parameters(), settings.rate, betas=(0.9, 0.99))
    first = _resume(path, {"vae": vae, "optimizer": optimizer})
    clock = checkpoint.Clock()
    for step in range(first, settings.steps):
        rng = np.random.default_rng(seed(base_seed, "autoencoder", str(step)))
        target = crops(images, settings.batch, settings.crop, rng).to(device)
        noise = torch.Generator().manual_seed(seed(base_seed, "posterior", str(step)))
        set_rate(optimizer, learning_rate(step, settings.steps, settings.rate))
        with torch.autocast(device, torch.bfloat16):
            posterior = vae.encode(target).latent_dist
            result = vae.decode(posterior.sample(generator=noise)).sample
        result, mean, logvar = result.float(), posterior.mean.float(), posterior.logvar.float()
        terms = {
            "l1": F.l1_loss(result, target),
            "gradient": losses.gradient_l1(result, target),
            "kl": losses.kl(mean, logvar),
        }
        loss = terms["l1"] + settings.gradient * terms["gradient"] + settings.kl * terms["kl"]
        _descend(optimizer, loss, vae)
        report({"step": step, **{name: term.item() for name, term in terms.items()}})
        if clock.due() or step + 1 == settings.steps:
            _keep(path, step + 1, {"vae": vae, "optimizer": optimizer})
        yield step


def refine(
    vae: AutoencoderKL,
    images: np.ndarray,
    settings,
    base_seed: int,
    path: Path,
    device: str,
    report: Callable[[dict], None],
) -> Iterator[int]:
    """Train the decoder alone for texture, on latents of the frozen encoder; yields every step.

    `settings` is the block `train.refine`; a weight of 0 switches its term off. The adversarial
    term enters after `adversarial_start` steps, when the discriminator has learnt something, and
    is balanced by the adaptive weight (Esser et al. 2021).
    """
    vae.to(device)
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
    decoder = [parameter for parameter in vae.parameters() if parameter.requires_grad]
    judge = PatchDiscriminator(settings.discriminator_channels).to(device)
    features = RandomFeatures(seed(base_seed, "features", "")).to(device)
    optimizer = torch.optim.AdamW(decoder, settings.rate, betas=(0.5, 0.9))
    opponent = torch.optim.AdamW(judge.parameters(), settings.rate, betas=(0.5, 0.9))
    parts = {"vae": vae, "judge": judge, "optimizer": optimizer, "opponent": opponent}
    first = _resume(path, parts)
    clock = checkpoint.Clock()
    for step in range(first, settings.steps):
        rng = np.random.default_rng(seed(base_seed, "refine", str(step)))
        target = crops(images, settings.batch, settings.crop, rng).to(device)
        rate = learning_rate(step, settings.steps, settings.rate)
        set_rate(optimizer, rate)
        with torch.autocast(device, torch.bfloat16):
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
        _descend(optimizer, loss, vae)
        if settings.adversarial:
            set_rate(opponent, rate)
            with torch.autocast(device, torch.bfloat16):
                terms["discriminator"] = losses.hinge_discriminator(
                    judge(target).float(), judge(result.detach()).float()
                )
            _descend(opponent, terms["discriminator"], judge)
        report({"step": step, **{name: term.item() for name, term in terms.items()}})
        if clock.due() or step + 1 == settings.steps:
            _keep(path, step + 1, parts)
        yield step


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Change the learning rate of every parameter."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor, network: torch.nn.Module) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()


def _resume(path: Path, parts: dict) -> int:
    state = checkpoint.read(path)
    if state is None:
        return 0
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state["step"]


def _keep(path: Path, step: int, parts: dict) -> None:
    state = {name: part.state_dict() for name, part in parts.items()}
    checkpoint.save(path, {"step": step, **state})
