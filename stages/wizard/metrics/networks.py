"""Pretrained networks that turn images into feature vectors, by transformers.

Weights are taken as safetensors from a local folder, the Hub, or its cache; no code comes with
them. Images are resized to the network's side (bicubic, antialiased) and normalised as it was
trained.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import torch
from PIL import Image
from transformers import CLIPModel, CLIPTokenizer, Dinov2Model

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
DINO_SIDE = 224


def dino_features(pictures: Iterable[np.ndarray], model: str, device: str, batch: int):
    """DINOv2 features of uint8 H×W×3 images: float64 N×D, the class token.

    DINOv2 sees what people see better than Inception does (Stein et al. 2023, "Exposing flaws
    of generative model evaluation metrics and their unfair treatment of diffusion models").
    Raises ValueError when the weights cannot be had.
    """
    network = _load(Dinov2Model, model, device)
    parts = []
    with torch.inference_mode():
        for pixels in _batches(pictures, batch, DINO_SIDE, IMAGENET):
            parts.append(network(pixels.to(network.device)).pooler_output)
    return torch.cat(parts).double().cpu().numpy()


def clip_similarity(
    pictures: Iterable[np.ndarray], prompt: str, model: str, device: str, batch: int
) -> np.ndarray:
    """Cosine of each uint8 H×W×3 image's CLIP embedding with the prompt's: float64 N, −1 to 1.

    Raises ValueError when the weights cannot be had.
    """
    network = _load(CLIPModel, model, device)
    length = network.config.text_config.max_position_embeddings
    tokens = _load(CLIPTokenizer, model)(
        prompt, return_tensors="pt", truncation=True, max_length=length
    )
    side = network.config.vision_config.image_size
    parts = []
    with torch.inference_mode():
        for pixels in _batches(pictures, batch, side, CLIP):
            both = network(**tokens.to(network.device), pixel_values=pixels.to(network.device))
            parts.append(both.image_embeds @ both.text_embeds[0])
    return torch.cat(parts).double().cpu().numpy()


def _load(kind: type, model: str, device: str | None = None):
    try:
        if device is None:
            return kind.from_pretrained(model)
        network = kind.from_pretrained(model, use_safetensors=True).eval()
    except OSError:
        raise ValueError(
            f"weights of {model} are not on this machine and the Hub gives none; where it can be "
            f"reached run `hf download {model}`, or set evaluate.learned to []"
        ) from None
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return network.to(device)


def _batches(
    pictures: Iterable[np.ndarray], size: int, side: int, normal: tuple
) -> Iterator[torch.Tensor]:
    """Normalised float32 batches B×3×side×side."""
    mean, deviation = (torch.tensor(values)[:, None, None] for values in normal)
    pictures = iter(pictures)
    while group := list(islice(pictures, size)):
        resized = [
            np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC))
            for one in group
        ]
        pixels = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).float() / 255
        yield (pixels - mean) / deviation
