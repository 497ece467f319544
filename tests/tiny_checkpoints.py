"""Checkpoints of every family with random weights, as small as diffusers' own classes allow.

Real classes throughout, so that loading, prompts, packing and decoding go the way that the full
checkpoints go; only what they fill looks like nothing.
"""

from collections.abc import Callable
from pathlib import Path

import diffusers
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

FACE_TINY = Path(__file__).parents[1] / "data" / "models" / "face-tiny"
WIDTH = 32  # of every embedding


def save(family: str, folder: Path) -> Path:
    """A checkpoint of a family of :data:`FAMILIES`, written as save_pretrained writes it."""
    torch.manual_seed(0)
    FAMILIES[family]().save_pretrained(folder)
    return folder


def clip_tokenizer() -> transformers.CLIPTokenizer:
    return transformers.CLIPTokenizer.from_pretrained(FACE_TINY / "tokenizer")


def clip(kind: type = transformers.CLIPTextModelWithProjection) -> transformers.PreTrainedModel:
    config = transformers.CLIPTextConfig(
        vocab_size=len(clip_tokenizer()),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=WIDTH,
    )
    return kind(config)


def words_of_bytes(specials: list[str]) -> Tokenizer:
    """A byte-level tokenizer without merges: every text has its tokens."""
    alphabet = specials + sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({text: number for number, text in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def t5_tokenizer() -> transformers.T5TokenizerFast:
    return transformers.T5TokenizerFast(
        vocab=[("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0)]
        + [(letter, -2.0) for letter in "abcdefghijklmnopqrstuvwxyz"],
        extra_ids=0,
    )


def t5() -> transformers.T5EncoderModel:
    config = transformers.T5Config(
        vocab_size=64, d_model=WIDTH, d_kv=8, d_ff=WIDTH, num_layers=1, num_heads=2
    )
    return transformers.T5EncoderModel(config)


CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def qwen_tokenizer() -> transformers.PreTrainedTokenizerFast:
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    return transformers.Qwen2TokenizerFast(
        tokenizer_object=words_of_bytes(specials),
        additional_special_tokens=specials[1:],
        chat_template=CHAT,
    )


def qwen3(layers: int) -> transformers.Qwen3ForCausalLM:
    config = transformers.Qwen3Config(
        vocab_size=512,
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
    )
    return transformers.Qwen3ForCausalLM(config)


def qwen_vl() -> transformers.Qwen2_5_VLForConditionalGeneration:
    text = {
        "vocab_size": 512,
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "rope_scaling": {"type": "default", "rope_type": "default", "mrope_section": [2, 3, 3]},
    }
    vision = {"depth": 1, "hidden_size": 16, "num_heads": 2, "out_hidden_size": WIDTH}
    config = transformers.Qwen2_5_VLConfig(
        text_config=text, vision_config=vision | {"intermediate_size": 16}
    )
    return transformers.Qwen2_5_VLForConditionalGeneration(config)


def autoencoder(channels: int = 4, **changes) -> diffusers.AutoencoderKL:
    settings = {
        "block_out_channels": (8, 16),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "norm_num_groups": 4,
        "latent_channels": channels,
    }
    return diffusers.AutoencoderKL(**(settings | changes))


def flow_autoencoder(channels: int = 4) -> diffusers.AutoencoderKL:
    """As the transformers use it: without the 1×1 convolutions, and shifted."""
    return autoencoder(
        channels,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.06,
        scaling_factor=1.5,
    )


def unet(**changes) -> diffusers.UNet2DConditionModel:
    settings = {
        "sample_size": 64,
        "in_channels": 9,
        "out_channels": 4,
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 8,
        "norm_num_groups": 8,
    }
    return diffusers.UNet2DConditionModel(**(settings | changes))


def stable_diffusion(**changes) -> diffusers.StableDiffusionInpaintPipeline:
    parts = {
        "vae": autoencoder(),
        "text_encoder": clip(transformers.CLIPTextModel),
        "tokenizer": clip_tokenizer(),
        "unet": unet(),
        "scheduler": diffusers.PNDMScheduler(skip_prk_steps=True, steps_offset=1),
        "safety_checker": None,
        "feature_extractor": None,
    }
    return diffusers.StableDiffusionInpaintPipeline(
        **(parts | changes), requires_safety_checker=False
    )


def stable_diffusion_2() -> diffusers.StableDiffusionInpaintPipeline:
    """Heads of one width at every level, linear projections, a v-prediction scheduler."""
    return stable_diffusion(
        unet=unet(use_linear_projection=True, attention_head_dim=(4, 8)),
        scheduler=diffusers.DDIMScheduler(prediction_type="v_prediction"),
    )


def stable_diffusion_xl() -> diffusers.StableDiffusionXLInpaintPipeline:
    return diffusers.StableDiffusionXLInpaintPipeline(
        vae=autoencoder(),
        text_encoder=clip(transformers.CLIPTextModel),
        text_encoder_2=clip(),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=unet(
            cross_attention_dim=2 * WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=8 * 6 + WIDTH,
        ),
        scheduler=diffusers.EulerDiscreteScheduler(),
        add_watermarker=False,
    )


def stable_diffusion_3() -> diffusers.StableDiffusion3InpaintPipeline:
    return diffusers.StableDiffusion3InpaintPipeline(
        transformer=diffusers.SD3Transformer2DModel(
            sample_size=32,
            patch_size=2,
            in_channels=16,
            out_channels=16,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=4,
            joint_attention_dim=2 * WIDTH,
            caption_projection_dim=32,
            pooled_projection_dim=2 * WIDTH,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=flow_autoencoder(16),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        text_encoder_2=clip(),
        tokenizer_2=clip_tokenizer(),
        text_encoder_3=None,
        tokenizer_3=None,
    )


def flux_parts(in_channels: int) -> dict:
    return {
        "transformer": diffusers.FluxTransformer2DModel(
            in_channels=in_channels,
            out_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=WIDTH,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=True,
        ),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": flow_autoencoder(),
        "text_encoder": clip(transformers.CLIPTextModel),
        "tokenizer": clip_tokenizer(),
        "text_encoder_2": t5(),
        "tokenizer_2": t5_tokenizer(),
    }


def flux() -> diffusers.FluxPipeline:
    """The checkpoint of text to image, which the inpainting pipeline takes as well."""
    return diffusers.FluxPipeline(**flux_parts(in_channels=16))


def flux_fill() -> diffusers.FluxFillPipeline:
    """Latents, masked latents and the mask's pixels, packed two by two."""
    return diffusers.FluxFillPipeline(**flux_parts(in_channels=16 + 16 + 4 * 2 * 2))


def flux_2_klein() -> diffusers.Flux2KleinPipeline:
    return diffusers.Flux2KleinPipeline(
        transformer=diffusers.Flux2Transformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=3 * WIDTH,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=diffusers.AutoencoderKLFlux2(
            block_out_channels=(8, 16),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=4,
            latent_channels=4,
        ),
        text_encoder=qwen3(layers=27),
        tokenizer=qwen_tokenizer(),
    )


def chroma() -> diffusers.ChromaPipeline:
    return diffusers.ChromaPipeline(
        transformer=diffusers.ChromaTransformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            axes_dims_rope=(4, 4, 8),
            approximator_hidden_dim=32,
            approximator_layers=1,
            approximator_num_channels=16,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=flow_autoencoder(),
        text_encoder=t5(),
        tokenizer=t5_tokenizer(),
    )


def qwen_image() -> diffusers.QwenImagePipeline:
    return diffusers.QwenImagePipeline(
        transformer=diffusers.QwenImageTransformer2DModel(
            in_channels=16,
            out_channels=4,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            axes_dims_rope=(8, 4, 4),
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=diffusers.AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=4,
            dim_mult=[1, 2],
            num_res_blocks=1,
            temperal_downsample=[False],
            latents_mean=[0.1] * 4,
            latents_std=[1.5] * 4,
        ),
        text_encoder=qwen_vl(),
        tokenizer=qwen_tokenizer(),
    )


def z_image() -> diffusers.ZImagePipeline:
    return diffusers.ZImagePipeline(
        transformer=diffusers.ZImageTransformer2DModel(
            in_channels=4,
            dim=32,
            n_layers=1,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=WIDTH,
            axes_dims=[8, 4, 4],
            axes_lens=[1024, 64, 64],
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=flow_autoencoder(),
        text_encoder=qwen3(layers=2),
        tokenizer=qwen_tokenizer(),
    )


def kandinsky_2_2() -> diffusers.KandinskyV22InpaintCombinedPipeline:
    """Decoder and prior in one folder, as the combined pipeline saves them."""
    vision = transformers.CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=16,
        projection_dim=WIDTH,
    )
    prior = diffusers.PriorTransformer(
        num_attention_heads=2,
        attention_head_dim=16,
        embedding_dim=WIDTH,
        num_embeddings=clip_tokenizer().model_max_length,
        num_layers=1,
    )
    torch.nn.init.ones_(prior.clip_std)  # at first zero, which hides every prompt
    return diffusers.KandinskyV22InpaintCombinedPipeline(
        unet=unet(
            out_channels=8,
            block_out_channels=(32, 64),
            down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
            up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            resnet_time_scale_shift="scale_shift",
            addition_embed_type="image",
            addition_embed_type_num_heads=2,
            encoder_hid_dim=WIDTH,
            encoder_hid_dim_type="image_proj",
            class_embed_type=None,
        ),
        scheduler=diffusers.DDPMScheduler(
            variance_type="learned_range", clip_sample=False, beta_schedule="linear"
        ),
        movq=diffusers.VQModel(
            block_out_channels=(32, 32),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D", "AttnUpDecoderBlock2D"),
            norm_type="spatial",
            latent_channels=4,
            vq_embed_dim=4,
            num_vq_embeddings=12,
        ),
        prior_prior=prior,
        prior_image_encoder=transformers.CLIPVisionModelWithProjection(vision),
        prior_text_encoder=clip(),
        prior_tokenizer=clip_tokenizer(),
        prior_scheduler=diffusers.UnCLIPScheduler(
            variance_type="fixed_small_log", prediction_type="sample", clip_sample_range=5.0
        ),
        prior_image_processor=transformers.CLIPImageProcessor(
            crop_size={"height": 32, "width": 32}, size={"shortest_edge": 32}
        ),
    )


FAMILIES: dict[str, Callable[[], diffusers.DiffusionPipeline]] = {
    "stable-diffusion": stable_diffusion,
    "stable-diffusion-2": stable_diffusion_2,
    "stable-diffusion-xl": stable_diffusion_xl,
    "stable-diffusion-3": stable_diffusion_3,
    "kandinsky-2-2": kandinsky_2_2,
    "flux": flux,
    "flux-fill": flux_fill,
    "flux-2-klein": flux_2_klein,
    "qwen-image": qwen_image,
    "z-image": z_image,
    "chroma": chroma,
}
