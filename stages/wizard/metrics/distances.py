"""How far two sets of images are apart, measured on feature vectors of a pretrained network."""

import numpy as np
from scipy.optimize import minimize

SUBSETS, SUBSET_SIZE = 100, 1000


def frechet(real: np.ndarray, made: np.ndarray) -> float:
    """Fréchet distance of two Gaussians fitted to the features, from 0, the best, upwards.

    |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2·(Σ₁Σ₂)^½), as in Heusel et al. 2017, "GANs trained by a two
    time-scale update rule". ``real`` and ``made`` are float N×D and M×D, two rows or more. The
    estimate is biased upwards, strongly so when N or M is not far above D.
    """
    difference = real.mean(axis=0) - made.mean(axis=0)
    # With Σ = RᵀR, (Σ₁Σ₂)^½ has the trace of the singular values of R₁R₂ᵀ: no matrix is rooted,
    # and with fewer images than dimensions R has only one row per image.
    root_real, root_made = (
        np.linalg.qr(one - one.mean(axis=0), mode="r") / np.sqrt(len(one) - 1)
        for one in (real, made)
    )
    spread = (root_real**2).sum() + (root_made**2).sum()
    shared = np.linalg.svd(root_real @ root_made.T, compute_uv=False).sum()
    return float(max(0.0, difference @ difference + spread - 2 * shared))


def kernel(real: np.ndarray, made: np.ndarray, paired: np.ndarray, seed: int) -> float:
    """Kernel distance: unbiased squared MMD with the kernel (x·y / D + 1)³, 0 on average for two
    draws of one law.

    As in Bińkowski et al. 2018, "Demystifying MMD GANs": the mean over 100 random subsets of
    at most 1,000 images, or one estimate of all images when both sets are smaller. Being unbiased
    it can fall below 0, and it can be read for small sets, where the Fréchet distance cannot.

    ``real`` and ``made`` are float N×D and M×D, ``paired`` is int M: the row of ``real`` that each
    was made from, or any other number. A result shares most pixels with its photograph, so only
    images of different photographs are independent and compared, as Gretton et al. 2012, "A kernel
    two-sample test", do for paired samples. Results of two photographs or more are needed.
    """
    numbers = np.arange(len(real))
    if max(len(real), len(made)) <= SUBSET_SIZE:
        return _unbiased_mmd(real, made, numbers, paired)
    rng = np.random.default_rng(seed)
    estimates = []
    for _ in range(SUBSETS):
        of_real, of_made = (
            rng.choice(len(one), min(len(one), SUBSET_SIZE), replace=False) for one in (real, made)
        )
        drawn = real[of_real], made[of_made], numbers[of_real], paired[of_made]
        estimates.append(_unbiased_mmd(*drawn))
    return float(np.mean(estimates))


def _unbiased_mmd(x: np.ndarray, y: np.ndarray, x_of: np.ndarray, y_of: np.ndarray) -> float:
    def similarity(one: np.ndarray, other: np.ndarray, of: np.ndarray, other_of: np.ndarray):
        base = one @ other.T / one.shape[1] + 1
        return (base * base * base).mean(where=of[:, None] != other_of)

    within = similarity(x, x, x_of, x_of) + similarity(y, y, y_of, y_of)
    return float(within - 2 * similarity(x, y, x_of, y_of))


def discrimination(real: np.ndarray, made: np.ndarray) -> tuple[float, float]:
    """Paired and unpaired discriminative score, each the higher the better, 0 to about 0.5.

    A linear support vector machine is trained to tell real from made; paired: share of pairs in
    which the made image is taken for more real than its original; unpaired: share of images that
    it gets wrong. From Zhao et al. 2021, "Large scale image completion via co-modulated
    generative adversarial networks" (P-IDS, U-IDS). ``real`` and ``made`` are float N×D, row by
    row a pair. With N not far above D everything is separable and both are near 0.
    """
    margin_real, margin_made = _support_vector_margins(real, made)
    paired = (margin_made > margin_real).mean()
    unpaired = ((margin_real <= 0).mean() + (margin_made > 0).mean()) / 2
    return float(paired), float(unpaired)


def _support_vector_margins(real: np.ndarray, made: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signed distances from the plane of a linear SVM (squared hinge loss, C = 1), real above 0.

    The problem is convex and smooth, so that one descent from zero finds the one solution.
    """
    features = np.concatenate([real, made])
    labels = np.repeat([1.0, -1.0], [len(real), len(made)])

    def loss(plane: np.ndarray) -> tuple[float, np.ndarray]:
        slack = np.maximum(0, 1 - labels * (features @ plane[:-1] + plane[-1]))
        slope = -2 * labels * slack
        value = plane[:-1] @ plane[:-1] / 2 + slack @ slack
        return value, np.append(plane[:-1] + slope @ features, slope.sum())

    start = np.zeros(features.shape[1] + 1)
    plane = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000}).x
    return real @ plane[:-1] + plane[-1], made @ plane[:-1] + plane[-1]
