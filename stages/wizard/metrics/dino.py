"""Features of DINOv2, which sees what people see better than Inception does.

Stein et al. 2023, "Exposing flaws of generative model evaluation metrics and their unfair
treatment of diffusion models". Weights are safetensors, and no code comes with them.
"""

from collections.abc import Iterable
from functools import partial

import numpy as np
import torch
from transformers import Dinov2Model

from wizard.metrics import networks

SIDE = 224


def features(pictures: Iterable[np.ndarray], setup: networks.Setup) -> np.ndarray:
    """DINOv2 features of uint8 H×W×3 pictures: float64 N×D, the class token.

    Raises Unusable when the weights cannot be had.
    """
    network = networks.pretrained(Dinov2Model, setup.dino, use_safetensors=True)
    network.eval().to(setup.place)
    resize = partial(networks.to_side, side=SIDE)
    with torch.inference_mode():
        parts = [
            network(pixels.to(setup.place)).pooler_output.cpu().double()
            for pixels in networks.batches(pictures, setup.batch, networks.IMAGENET, resize)
        ]
    return torch.cat(parts).numpy()
