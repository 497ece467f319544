"""Training of denoiser and decoder together, through one step from pure noise to the pixels.

At zero terminal SNR the v-prediction at pure noise is the negated answer, so a single step gives
a whole picture, and losses of pixels reach the denoiser (as in one-step distillations: Parmar et
al. 2024, pix2pix-turbo). The decoder sees the known surroundings (Zhu et al. 2023), so that what
it draws meets them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AsymmetricAutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from wizard.records import seed
from wizard.training import checkpoint, loop, losses
from wizard.training.autoencoder import encode, to_tensor
from wizard.training.denoiser import hole_pool
from wizard.training.discriminator import HoleDiscriminator, RandomFeatures


@dataclass(frozen=True)
class Batch:
    """One step's samples: `batch_size` at pure noise first, then `multi_step` at lower noise.

    pixels: float N×3×S×S in [-1, 1]; clean: float N×4×s×s, their scaled latents; hole: float
    N×1×s×s on the latent grid, 1 = hole; level: int N timesteps; noise: float N×4×s×s; said: int
    N, rows of the captions' tokens.
    """

    pixels: Tensor
    clean: Tensor
    hole: Tensor
    level: Tensor
    noise: Tensor
    said: Tensor


def train(
    vae: AsymmetricAutoencoderKL,
    unet: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    scheduler: DDIMScheduler,
    images: np.ndarray,
    captions: Sequence[str],
    holes: tuple[int, float, float],
    settings,
    base_seed: int,
    path: Path,
    device: str,
) -> Iterator[dict]:
    """Train UNet, text encoder and decoder; the encoder stays. Yields the terms of every step.

    The discriminator enters after `adversarial_start` steps, when pictures are as good as L1 makes
    them: before, it wins at once and its gradient, as strong as that of L1, only blurs the aim.
    Its weight is a share of L1's gradient (the adaptive weight of Esser et al. 2021).

    images: uint8 N×S×S×3 with a caption each; `holes` is (how many are drawn, lowest and highest
    share of the image); `settings` is the block `finish`. Resumes from the checkpoint at `path`,
    which holds the averaged weights too.
    """
    nets = trained_parts(vae, unet, text_encoder).to(device).train()
    frozen = nn.ModuleList([vae.encoder, vae.quant_conv]).to(device).requires_grad_(False).eval()
    # The fused kernel is slower than plain matrix products for so few tokens on a CPU.
    for part in (*unet.modules(), *vae.modules()):
        if isinstance(part, Attention):
            part.set_processor(AttnProcessor())
    judge = HoleDiscriminator(settings.discriminator_channels).to(device)
    features = RandomFeatures(seed(base_seed, "features", "")).to(device)
    decoder = [*nets["decoder"].parameters(), *nets["post_quant_conv"].parameters()]
    groups = [
        {"params": [*nets["unet"].parameters(), *nets["text"].parameters()]},
        {"params": decoder, "factor": settings.decoder_factor},
    ]
    optimizer = torch.optim.AdamW(groups, settings.learning_rate, betas=(0.9, 0.99), fused=True)
    opponent = torch.optim.AdamW(
        judge.parameters(), settings.learning_rate, betas=(0.5, 0.9), fused=True
    )
    average = EMAModel(
        nets.parameters(), decay=settings.ema_decay, use_ema_warmup=True, power=3 / 4, foreach=True
    )
    if state := checkpoint.read(path):  # the encoder of its model: that of another would not fit
        with checkpoint.fitting(path):
            frozen.load_state_dict(state["frozen"])
        vae.register_to_config(scaling_factor=state["scale"])
    clean = both_ways(vae, images, device)
    size, grid = images.shape[1], 2 ** (len(vae.config.block_out_channels) - 1)
    count, *ratio = holes
    pool = hole_pool(count, size, grid, ratio, base_seed)
    texts = ["", *sorted(set(captions))]
    tokens = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    text_of = np.array([texts.index(caption) for caption in captions])
    timesteps = scheduler.config.num_train_timesteps

    def one_step(step: int, rate: float) -> dict[str, Tensor]:
        rng = np.random.default_rng(seed(base_seed, "finish", str(step)))
        noise_of = torch.Generator().manual_seed(seed(base_seed, "finish noise", str(step)))
        batch = draw(rng, noise_of, images, clean, text_of, pool, settings, timesteps, device)
        judging = settings.adversarial and step >= settings.adversarial_start
        with loop.autocast(device):
            velocity, target = predict(nets, vae, scheduler, tokens.to(device), batch, noise_of)
            whole = rng.random() < settings.whole
            made, real, hole = pictures(nets, vae, velocity, batch, settings, rng, whole)
            pasted, share = hole * made + (1 - hole) * real, hole.mean()
            terms = {
                "l1": losses.hole_weighted_l1(made, real, hole, settings.known),
                "gradient": losses.gradient_l1(pasted, real) / share,
                "perceptual": features(pasted, real).float() / share,
                "latent": losses.hole_weighted_mse(velocity, target, batch.hole, settings.known),
            }
            loss = terms["l1"] + sum(getattr(settings, name) * terms[name] for name in BESIDE_L1)
            if judging:
                judged, expected = judge(pasted, hole), judge(real, hole)
                terms["feature_matching"] = losses.feature_matching(judged, expected) / share
                terms["adversarial"] = _mean(losses.hinge_generator, judged)
                terms["balance"] = losses.adaptive_weight(
                    terms["l1"], terms["adversarial"], vae.decoder.conv_out.weight
                )
                loss = loss + settings.feature_matching * terms["feature_matching"]
                loss = loss + settings.adversarial * terms["balance"] * terms["adversarial"]
        loop.descend(optimizer, loss, nets, rate)
        average.step(nets.parameters())
        if judging:
            with loop.autocast(device):
                judged, expected = judge(pasted.detach(), hole), judge(real, hole)
                terms["discriminator"] = _mean(losses.hinge_discriminator, expected, judged)
            loop.descend(opponent, terms["discriminator"], judge, rate)
        return terms

    parts = {"nets": nets, "judge": judge, "optimizer": optimizer, "opponent": opponent}
    parts |= {"frozen": frozen, "average": average, "scale": vae.config.scaling_factor}
    schedule = partial(loop.plateau, cooldown=settings.cooldown)
    return loop.repeat(one_step, parts, settings, path, schedule)


# Terms of the loss whose weights are settings of the same name.
BESIDE_L1 = ("gradient", "perceptual", "latent")


def trained_parts(
    vae: AsymmetricAutoencoderKL, unet: UNet2DConditionModel, text_encoder: CLIPTextModel
) -> nn.ModuleDict:
    """What this phase changes of a checkpoint, as one module."""
    parts = {"unet": unet, "text": text_encoder}
    return nn.ModuleDict(parts | {"decoder": vae.decoder, "post_quant_conv": vae.post_quant_conv})


def restore(
    state: dict,
    vae: AsymmetricAutoencoderKL,
    unet: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
) -> None:
    """Put a checkpoint's averaged weights into networks for use."""
    average = EMAModel([])
    average.load_state_dict(state["average"])
    average.copy_to(trained_parts(vae, unet, text_encoder).parameters())
    nn.ModuleList([vae.encoder, vae.quant_conv]).load_state_dict(state["frozen"])
    vae.register_to_config(scaling_factor=state["scale"])


def both_ways(vae: AsymmetricAutoencoderKL, images: np.ndarray, device: str) -> Tensor:
    """Scaled latents of images (uint8 N×S×S×3), as they are and mirrored: float 2×N×4×s×s.

    Encoding them anew for every batch would take a fifth of each step.
    """
    sides = (images, images[:, :, ::-1])
    return vae.config.scaling_factor * torch.stack([encode(vae, side, device) for side in sides])


def draw(
    rng: np.random.Generator,
    noise_of: torch.Generator,
    images: np.ndarray,
    clean: Tensor,
    text_of: np.ndarray,
    pool: Tensor,
    settings,
    timesteps: int,
    device: str,
) -> Batch:
    """Random photographs, half of them mirrored, with random holes, levels, noise and captions.

    `clean` is what :func:`both_ways` makes of `images`.
    """
    count = settings.batch_size + settings.multi_step
    index = rng.integers(len(images), size=count)
    mirrored = rng.random(count) < 0.5
    chosen = [images[i, :, ::-1] if m else images[i] for i, m in zip(index, mirrored, strict=True)]
    hole = pool[rng.integers(len(pool), size=count)].float()
    level = np.full(count, timesteps - 1)
    level[settings.batch_size :] = rng.integers(timesteps, size=settings.multi_step)
    latent = clean[mirrored.astype(int), index]
    noise = torch.randn(latent.shape, generator=noise_of)
    said = np.where(rng.random(count) < settings.caption_dropout, 0, text_of[index])
    drawn = (to_tensor(np.stack(chosen)), latent, hole, torch.from_numpy(level), noise)
    return Batch(*(one.to(device) for one in (*drawn, torch.from_numpy(said))))


def predict(
    nets: nn.ModuleDict,
    vae: AsymmetricAutoencoderKL,
    scheduler: DDIMScheduler,
    tokens: Tensor,
    batch: Batch,
    noise_of: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """The velocity that the UNet tells, and the true one: float N×4×s×s each."""
    visible = 1 - F.interpolate(batch.hole, size=batch.pixels.shape[-2:], mode="nearest")
    scale = vae.config.scaling_factor
    with torch.no_grad():
        # As the pipeline does it: the hole mid-grey, the latent drawn.
        seen = vae.encode(batch.pixels * visible).latent_dist.sample(generator=noise_of) * scale
    noisy = scheduler.add_noise(batch.clean, batch.noise, batch.level)
    target = scheduler.get_velocity(batch.clean, batch.noise, batch.level)
    embedded = nets["text"](tokens).last_hidden_state[batch.said]
    velocity = nets["unet"](torch.cat([noisy, batch.hole, seen], 1), batch.level, embedded).sample
    return velocity.float(), target.float()


def pictures(
    nets: nn.ModuleDict,
    vae: AsymmetricAutoencoderKL,
    velocity: Tensor,
    batch: Batch,
    settings,
    rng: np.random.Generator,
    whole: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Windows of the results at pure noise, of their originals and of their holes.

    float B×3×W×W in [-1, 1] twice and B×1×W×W of 0 and 1. The decoder costs most of a step, and a
    window about the hole holds most of what it must learn. Not all: its attention and its norms
    see a whole photograph in use. `whole` gives fewer photographs, as a whole, at the same cost.
    """
    side = batch.hole.shape[-1]
    grid = batch.pixels.shape[-1] // side
    cells, rows = min(settings.window // grid, side), settings.batch_size
    if whole:
        cells, rows = side, max(1, rows * cells**2 // side**2)
    latents, reals, holes = [], [], []
    for row in range(rows):
        top, left = window(batch.hole[row, 0].cpu().numpy(), cells, rng)
        cut = (..., slice(top, top + cells), slice(left, left + cells))
        seen = tuple(slice(s.start * grid, s.stop * grid) for s in cut[1:])
        latents.append(-velocity[row][cut])
        reals.append(batch.pixels[row][(..., *seen)])
        holes.append(batch.hole[row][cut])
    real = torch.stack(reals)
    hole = F.interpolate(torch.stack(holes), size=real.shape[-2:], mode="nearest")
    latent = nets["post_quant_conv"](torch.stack(latents) / vae.config.scaling_factor)
    return nets["decoder"](latent, real, hole).float(), real, hole


def window(hole: np.ndarray, cells: int, rng: np.random.Generator) -> tuple[int, int]:
    """Top and left of a window of `cells`² that holds a random cell of the hole (0/1 s×s)."""
    rows, columns = np.nonzero(hole)
    chosen = rng.integers(len(rows))
    top, left = (
        int(np.clip(place[chosen] - rng.integers(cells), 0, len(hole) - cells))
        for place in (rows, columns)
    )
    return top, left


def _mean(loss, *scales: list[list[Tensor]]) -> Tensor:
    """A loss of logits, averaged over the discriminator's scales."""
    return torch.stack(
        [loss(*(one[-1].float() for one in scale)) for scale in zip(*scales, strict=True)]
    ).mean()
