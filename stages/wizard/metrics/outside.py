"""How much a model changed outside the hole before paste-back, by the definition of BrushBench.

Ju et al. 2024, "BrushNet: a plug-and-play image inpainting model with decomposed dual-branch
diffusion", ECCV; github.com/TencentARC/BrushNet, examples/brushnet/evaluate_brushnet.py. The
squared error is summed over the channels and divided by the pixels alone, so that the PSNR reads
10·log10(3) = 4.77 dB lower than with the usual division.
"""

import math

import cv2
import numpy as np

# An error below this is none, and has this PSNR in dB.
SMALLEST, OF_IDENTICAL = 1e-10, 1000.0


def score(original: np.ndarray, result: np.ndarray, mask: np.ndarray) -> dict[str, float | None]:
    """``outside_mse``, on pixels from 0 to 1, and ``outside_psnr`` (dB); None when all is hole.

    Images are uint8 H×W×3, the mask bool H×W, True = hole.
    """
    error = cv2.subtract(original, result, dtype=cv2.CV_16S)[~mask]
    if not len(error):
        return {"outside_psnr": None, "outside_mse": None}
    mse = cv2.norm(error, cv2.NORM_L2SQR) / 255**2 / len(error)
    psnr = OF_IDENTICAL if mse < SMALLEST else -10 * math.log10(mse)
    return {"outside_psnr": psnr, "outside_mse": mse}
