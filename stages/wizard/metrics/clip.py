"""CLIP score: how well the prompt describes the picture, from 0 upwards, higher is better.

100·max(cosine, 0) of the embeddings of picture and prompt (Hessel et al. 2021, "CLIPScore",
without their factor of 2.5). The whole picture is squeezed to a square, where CLIP itself would
crop the middle. Weights are safetensors, and no code comes with them.
"""

from collections.abc import Iterable
from functools import partial
from itertools import islice

import numpy as np
import torch
from transformers import CLIPModel, CLIPTokenizer

from wizard.metrics import networks

NORMAL = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


def score(
    prompts: Iterable[str], results: Iterable[np.ndarray], setup: networks.Setup
) -> list[float]:
    """The CLIP score of each uint8 H×W×3 result for its own prompt.

    Raises Unusable when the weights cannot be had.
    """
    network = networks.pretrained(CLIPModel, setup.clip, use_safetensors=True)
    network.eval().to(setup.place)
    tokenize = partial(
        networks.pretrained(CLIPTokenizer, setup.clip),
        return_tensors="pt",
        padding=True,
        truncation=True,
        max_length=network.config.text_config.max_position_embeddings,
    )
    prompts = iter(prompts)
    resize = partial(networks.to_side, side=network.config.vision_config.image_size)
    values = []
    with torch.inference_mode():
        for pixels in networks.batches(results, setup.batch, NORMAL, resize):
            tokens = tokenize(list(islice(prompts, len(pixels)))).to(setup.place)
            both = network(**tokens, pixel_values=pixels.to(setup.place))
            cosines = (both.image_embeds * both.text_embeds).sum(dim=1)
            values += (100 * cosines.clamp(min=0)).tolist()
    return values
