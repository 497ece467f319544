"""Measures by pretrained networks, off by default: their weights are large and not ours.

``fd`` Fréchet distance, ``kd`` kernel distance, ``ids`` paired and unpaired discriminative
score, all on DINOv2 features: they are no FID, KID or P-IDS of a paper, whose Inception network
can be had as a pickle only. ``clip`` is the CLIP score of the prompt.
"""

from pathlib import Path

import numpy as np

from wizard import images
from wizard.metrics import distances

NAMES = ("fd", "kd", "ids", "clip")


def measure(
    names: list[str],
    originals: list[Path],
    results: dict[str, list[Path]],
    prompt: str,
    networks_by: dict[str, str],
    device: str,
    batch: int,
    seed: int,
) -> dict[str, float]:
    """The measures in ``names`` of each run's results, and ``count``, how many results a run has.

    ``originals`` are the photographs, result by result; ``results`` lists each run's pictures in
    the same order. ``networks_by`` gives folder or Hub id of the networks ``dino`` and ``clip``.
    Keys are ``fd``, ``kd``, ``p_ids``, ``u_ids``, ``clip`` (mean of 100·max(cosine, 0), Hessel et
    al. 2021, "CLIPScore", without their factor of 2.5), behind ``<run>_`` but for the model's own.
    Raises ValueError with one line when weights cannot be had.
    """
    from wizard.metrics import networks

    def features(paths: list[Path]) -> np.ndarray:
        pictures = map(images.load, paths)
        return networks.dino_features(pictures, networks_by["dino"], device, batch)

    figures = {"count": len(originals)}
    on_features = [name for name in names if name != "clip"]
    if on_features:
        # A photograph with several holes is one photograph of the real set.
        photographs, of_result = np.unique([str(path) for path in originals], return_inverse=True)
        real = features(list(photographs))
    for run, paths in results.items():
        prefix = "" if run == "model" else f"{run}_"
        values = {}
        if on_features:
            values |= compare(on_features, real, real[of_result], features(paths), seed)
        if "clip" in names:
            cosines = networks.clip_similarity(
                map(images.load, paths), prompt, networks_by["clip"], device, batch
            )
            values["clip"] = 100 * cosines.clip(min=0).mean()
        figures |= {prefix + name: round(float(value), 5) for name, value in values.items()}
    return figures


def compare(
    names: list[str], real: np.ndarray, originals: np.ndarray, made: np.ndarray, seed: int
) -> dict[str, float]:
    """Set measures on features: ``real`` N×D of the photographs, the others M×D, a row a result."""
    values = {}
    if "fd" in names:
        values["fd"] = distances.frechet(real, made)
    if "kd" in names:
        values["kd"] = distances.kernel(real, made, seed)
    if "ids" in names:
        values["p_ids"], values["u_ids"] = distances.discrimination(originals, made)
    return values
