"""The families of checkpoints that diffusers can inpaint with, and how each wants to be called."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Family:
    """What sets one of diffusers' inpainting pipelines apart from the others.

    ``pipeline``: the class that fills; it takes the components of every checkpoint of the family,
    whether saved for inpainting or for text to image.
    ``embeds``: what its ``encode_prompt`` returns, in order, by the names under which the call
    takes it ("" where it takes none); empty when the call has to be given the texts.
    ``guidance``: the call's name for ``inpaint.guidance_scale``, which switches classifier-free
    guidance off at ``unguided`` and below.
    ``no_negative``: what stands for an empty negative prompt.
    ``lacks``: settings that the call takes but that would have no effect.
    ``mask_cell``: side of a cell of the mask in latent pixels.
    ``batched``: False when the pipeline mixes up the images of a batch: they go one by one.
    ``signed``: the call wants pixels of −1 to 1, not of 0 to 1.
    ``frames``: the autoencoder works on video, so a photograph is one frame.
    ``decode``: arguments with which the pipeline decodes.
    ``assumed``: what the pipeline reads from the network's configuration, which may not have it.
    ``needs``: a component, and the command that makes a checkpoint which has it.
    """

    pipeline: str
    embeds: tuple[str, ...] = ()
    guidance: str = "guidance_scale"
    unguided: float = 1.0
    max_strength: float = 1.0
    no_negative: str | None = ""
    lacks: frozenset[str] = frozenset()
    mask_cell: int = 1
    batched: bool = True
    signed: bool = False
    frames: bool = False
    decode: Mapping[str, object] = field(default_factory=dict)
    assumed: Mapping[str, object] = field(default_factory=dict)
    needs: tuple[str, str] | None = None


PROMPT, NEGATIVE = "prompt_embeds", "negative_prompt_embeds"
POOLED, NEGATIVE_POOLED = "pooled_prompt_embeds", "negative_pooled_prompt_embeds"
ATTENTION, NEGATIVE_ATTENTION = "prompt_attention_mask", "negative_prompt_attention_mask"

# By the name of the family's pipelines, without what they are for: StableDiffusionPipeline,
# StableDiffusionInpaintPipeline and StableDiffusionImg2ImgPipeline are one family.
FAMILIES = {
    "StableDiffusion": Family("StableDiffusionInpaintPipeline", embeds=(PROMPT, NEGATIVE)),
    "StableDiffusionXL": Family(
        "StableDiffusionXLInpaintPipeline",
        embeds=(PROMPT, NEGATIVE, POOLED, NEGATIVE_POOLED),
        # At strength 1 the pipeline starts from noise alone, which its checkpoints never saw.
        max_strength=0.9999,
        # Trained with zeros, not with the embedding of an empty text.
        no_negative=None,
    ),
    "StableDiffusion3": Family(
        "StableDiffusion3InpaintPipeline", embeds=(PROMPT, NEGATIVE, POOLED, NEGATIVE_POOLED)
    ),
    # Guidance is built into the weights of FLUX; a negative prompt has nothing to act on.
    "Flux": Family(
        "FluxInpaintPipeline", embeds=(PROMPT, POOLED, ""), lacks=frozenset({"negative_prompt"})
    ),
    "FluxFill": Family("FluxFillPipeline", embeds=(PROMPT, POOLED, "")),
    "Flux2Klein": Family("Flux2KleinInpaintPipeline", mask_cell=2),
    "Chroma": Family(
        "ChromaInpaintPipeline",
        embeds=(PROMPT, "", ATTENTION, NEGATIVE, "", NEGATIVE_ATTENTION),
        assumed={"guidance_embeds": False},
    ),
    # The length of its embeddings is that of the longest text of a batch.
    "QwenImage": Family("QwenImageInpaintPipeline", guidance="true_cfg_scale", frames=True),
    "ZImage": Family("ZImageInpaintPipeline", embeds=(PROMPT, NEGATIVE), unguided=0.0),
    "KandinskyV22": Family(
        "KandinskyV22InpaintCombinedPipeline",
        no_negative=None,
        batched=False,
        signed=True,
        decode={"force_not_quantize": True},
        needs=(
            "prior_prior",
            'python -c "from diffusers import AutoPipelineForInpainting as P; '
            "P.from_pretrained('kandinsky-community/kandinsky-2-2-decoder-inpaint')"
            ".save_pretrained('kandinsky-2-2')\"",
        ),
    ),
}


def of(class_name: str) -> Family | None:
    """The family of a checkpoint by the ``_class_name`` of its model_index.json, if any."""
    stem = re.sub(r"(Img2Img|Inpaint)?(Combined)?Pipeline$", "", class_name)
    return FAMILIES.get(stem)
