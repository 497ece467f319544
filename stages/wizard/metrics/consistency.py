"""Does a result agree with itself? Self-consistency by inpainting once more.

Chen et al. 2024, "Assessing Image Inpainting via Re-Inpainting Self-Consistency Evaluation"
(arXiv 2405.16263): parts of a result's known area are hidden and re-inpainted, several times,
with the inpainted hole as context. The better that fits its surroundings, the more of them
comes back. No original of the hole is needed. Theirs is a mean of LPIPS over the image; ours is
one of SSIM over what was re-inpainted, which needs no pretrained network.
"""

from collections.abc import Sequence

import numpy as np

from wizard.metrics.pixel import ssim_map


def score(
    result: np.ndarray, again: Sequence[np.ndarray], hidden: Sequence[np.ndarray]
) -> float | None:
    """Mean SSIM of the patches, over all passes, with what the result has there; 1 is best.

    ``result`` and each of ``again``, the result re-inpainted, are uint8 H×W×3, each of
    ``hidden`` bool H×W, True = re-inpainted. None when nothing was hidden.
    """
    values = [
        ssim_map(result, other)[mask].mean()
        for other, mask in zip(again, hidden, strict=True)
        if mask.any()
    ]
    return float(np.mean(values)) if values else None
