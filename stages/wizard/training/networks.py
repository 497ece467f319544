"""The parts of the checkpoint at its own small scale, and writing them as one folder."""

import copy
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from diffusers import (
    AsymmetricAutoencoderKL,
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionInpaintPipeline,
    UNet2DConditionModel,
)
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from wizard.records import Unusable

TEXT_WIDTH, TEXT_LENGTH = 64, 24
HEAD_WIDTH = 64


def autoencoder(channels: Sequence[int], size: int) -> AutoencoderKL:
    """An untrained autoencoder: each level after the first halves the resolution.

    Convolutional throughout (no attention), so that it also works at other sizes than `size`.
    """
    levels = len(channels)
    return AutoencoderKL(
        block_out_channels=list(channels),
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=16,
        mid_block_add_attention=False,
        sample_size=size,
    )


def conditioned(plain: AutoencoderKL) -> AsymmetricAutoencoderKL:
    """The same autoencoder with a decoder that also sees the picture around the hole.

    Zhu et al. 2023 (arXiv 2306.04632). Its class always has attention in the middle, which starts
    switched off, so that without condition the answers are those of `plain`. The condition's
    encoder is untrained. Widths must be (c, 2c, 4c).
    """
    settings = plain.config
    made = AsymmetricAutoencoderKL(
        down_block_types=settings.down_block_types,
        down_block_out_channels=settings.block_out_channels,
        layers_per_down_block=settings.layers_per_block,
        up_block_types=settings.up_block_types,
        up_block_out_channels=settings.block_out_channels,
        layers_per_up_block=settings.layers_per_block,
        latent_channels=settings.latent_channels,
        norm_num_groups=settings.norm_num_groups,
        sample_size=settings.sample_size,
        scaling_factor=settings.scaling_factor,
    )
    missing = made.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert all("attentions" in name or "condition_encoder" in name for name in missing), missing
    for half in (made.encoder, made.decoder):
        for parameter in half.mid_block.attentions[0].to_out.parameters():
            nn.init.zeros_(parameter)
    return made


def denoiser(channels: Sequence[int], latent_size: int) -> UNet2DConditionModel:
    """An untrained inpainting UNet: 4 noisy channels, 1 of mask, 4 of the masked image.

    The first level is convolutional, the others attend to themselves and to the caption.
    """
    attending = len(channels) - 1
    return UNet2DConditionModel(
        sample_size=latent_size,
        in_channels=9,
        out_channels=4,
        block_out_channels=list(channels),
        down_block_types=["DownBlock2D"] + ["CrossAttnDownBlock2D"] * attending,
        up_block_types=["CrossAttnUpBlock2D"] * attending + ["UpBlock2D"],
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        # diffusers reads this as the number of heads of each level, whatever its name says.
        attention_head_dim=[max(width // HEAD_WIDTH, 1) for width in channels],
        norm_num_groups=16,
    )


def scheduler() -> DDIMScheduler:
    """Stable Diffusion's schedule, rescaled to end in pure noise, and sampled from that end.

    Without this the first step sees the mean colour of the answer in training and not in use
    (Lin et al., WACV 2024, "Common diffusion noise schedules and sample steps are flawed").
    """
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )


def text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """An untrained CLIP text model of two narrow layers."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=TEXT_LENGTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def tokenizer(captions: Sequence[str], folder: Path) -> CLIPTokenizer:
    """A CLIP tokenizer whose merges make one token of every word in `captions`.

    Any other text falls apart into single letters, and any byte has a token. The two standard
    files are written to `folder`.
    """
    letters = _byte_letters()
    words = Counter(word for text in captions for word in text.replace(",", " ,").split())
    merges: list[tuple[str, str]] = []
    for word in sorted(words):
        pieces = [*word[:-1], word[-1] + "</w>"]
        while len(pieces) > 1:
            if (pieces[0], pieces[1]) not in merges:
                merges.append((pieces[0], pieces[1]))
            pieces[:2] = [pieces[0] + pieces[1]]
    entries = letters + [letter + "</w>" for letter in letters]
    entries += list(dict.fromkeys(a + b for a, b in merges))
    entries += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {entry: number for number, entry in enumerate(dict.fromkeys(entries))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    made = CLIPTokenizer.from_pretrained(folder, model_max_length=TEXT_LENGTH)
    made.save_pretrained(folder)
    return made


def _byte_letters() -> list[str]:
    """One printable character for each byte, as GPT-2's byte-level BPE assigns them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + n) for n in range(len(hidden))]


def read(folder: Path) -> dict:
    """The parts of a checkpoint that `write` made: vae, unet, text_encoder, tokenizer.

    Raises Unusable when the folder holds none.
    """
    if not (folder / "model_index.json").is_file():
        raise Unusable(
            f"{folder}: holds no checkpoint; give the folder of a model, which "
            "`train.py export` writes"
        )
    pipe = StableDiffusionInpaintPipeline.from_pretrained(
        folder, safety_checker=None, use_safetensors=True, local_files_only=True
    )
    return {name: getattr(pipe, name) for name in ("vae", "unet", "text_encoder", "tokenizer")}


def write(folder: Path, parts: dict[str, nn.Module | CLIPTokenizer | DDIMScheduler]) -> None:
    """Save the parts (vae, unet, text_encoder, tokenizer, scheduler) as a diffusers checkpoint.

    Safetensors that `from_pretrained` of the plain inpainting pipelines loads; the networks given
    stay as they are. The autoencoder and the UNet are saved in half precision. The text encoder
    is not: transformers loads it in the precision of its file, diffusers the others in single,
    and the pipeline wants one for all.
    """
    halves = {name: copy.deepcopy(parts[name]).cpu().half() for name in ("vae", "unet")}
    pipe = StableDiffusionInpaintPipeline(
        **parts | halves,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.save_pretrained(folder, safe_serialization=True)
    # The tokenizer's two classic files, for versions of transformers before tokenizer.json.
    parts["tokenizer"].backend_tokenizer.model.save(str(folder / "tokenizer"))
