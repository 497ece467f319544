"""The published checkpoints' architectures with random weights: what time and memory depend on.

    python architectures.py FOLDER [--tiny 1]

Saves Stable Diffusion 1.5 inpainting as its repository has it: the fp16 variant, the safety checker
and the feature extractor, and beside them a file of the original layout that nobody should read.
Its tokenizer alone is the embedded model's, because vocabulary is data.
"""

import argparse
from pathlib import Path

import diffusers
import torch
import transformers
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker

TOKENIZER = Path(__file__).parents[2] / "data/models/face-tiny/tokenizer"


def stable_diffusion(tiny: bool = False) -> diffusers.StableDiffusionInpaintPipeline:
    """Stable Diffusion 1.5 inpainting: 860 M parameters in the UNet, 84 M in the autoencoder."""
    widths = (32, 64, 64, 64) if tiny else (320, 640, 1280, 1280)
    unet = diffusers.UNet2DConditionModel(
        sample_size=64,
        in_channels=9,
        block_out_channels=widths,
        cross_attention_dim=32 if tiny else 768,
        attention_head_dim=8,
    )
    vision = {"image_size": 224, "patch_size": 14, "projection_dim": 768}
    if tiny:
        vision |= {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}
        vision |= {"num_attention_heads": 2}
    else:
        vision |= {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24}
        vision |= {"num_attention_heads": 16}
    return diffusers.StableDiffusionInpaintPipeline(
        vae=_autoencoder(tiny, scaling_factor=0.18215),
        text_encoder=transformers.CLIPTextModel(_text(32 if tiny else 768, tiny)),
        tokenizer=_tokenizer(),
        unet=unet,
        scheduler=diffusers.PNDMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            skip_prk_steps=True,
            steps_offset=1,
        ),
        safety_checker=StableDiffusionSafetyChecker(
            transformers.CLIPConfig(vision_config=vision, projection_dim=768)
        ),
        feature_extractor=transformers.CLIPImageProcessor(),
    )


def stable_diffusion_xl(tiny: bool = False) -> diffusers.StableDiffusionXLInpaintPipeline:
    """Stable Diffusion XL inpainting 0.1: 2.6 G parameters in the UNet."""
    narrow, wide = (32, 32) if tiny else (768, 1280)
    unet = diffusers.UNet2DConditionModel(
        sample_size=128,
        in_channels=9,
        block_out_channels=(32, 64, 64) if tiny else (320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1, 1) if tiny else (1, 2, 10),
        attention_head_dim=(2, 2, 2) if tiny else (5, 10, 20),
        cross_attention_dim=narrow + wide,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=6 * 256 + wide,
    )
    second = _text(wide, tiny, layers=32, heads=20, hidden_act="gelu", projection_dim=wide)
    return diffusers.StableDiffusionXLInpaintPipeline(
        vae=_autoencoder(tiny, scaling_factor=0.13025, force_upcast=True),
        text_encoder=transformers.CLIPTextModel(_text(narrow, tiny)),
        text_encoder_2=transformers.CLIPTextModelWithProjection(second),
        tokenizer=_tokenizer(),
        tokenizer_2=_tokenizer(),
        unet=unet,
        scheduler=diffusers.EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            steps_offset=1,
            timestep_spacing="leading",
        ),
        add_watermarker=False,
    )


def _autoencoder(tiny: bool, **changes) -> diffusers.AutoencoderKL:
    return diffusers.AutoencoderKL(
        block_out_channels=(32, 32, 32, 32) if tiny else (128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        **changes,
    )


def _text(width: int, tiny: bool, layers: int = 12, heads: int = 12, **changes):
    return transformers.CLIPTextConfig(
        vocab_size=1000 if tiny else 49408,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=1 if tiny else layers,
        num_attention_heads=2 if tiny else heads,
        **changes,
    )


def _tokenizer() -> transformers.CLIPTokenizer:
    return transformers.CLIPTokenizer.from_pretrained(TOKENIZER, model_max_length=77)


def save(pipe: diffusers.DiffusionPipeline, folder: Path, **options) -> None:
    """Write a checkpoint as save_pretrained does, without its progress bars."""
    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
    pipe.save_pretrained(folder, **options)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiny", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float16)
    save(stable_diffusion(bool(options.tiny)), options.folder, variant="fp16")
    (options.folder / "sd-v1-5-inpainting.ckpt").write_bytes(b"a pickle that nothing opens")
