"""Measures by pretrained networks, off by default: their weights are large and not ours.

``OF_A_RESULT`` names those that every result has: ``lpips`` LPIPS (AlexNet) to the original,
``identity`` likeness of the face to the original's, ``clip`` CLIP score of the prompt. ``OF_ALL``
names those of all results together against all photographs: Fréchet distance ``fid``, kernel
distance ``kid`` and discriminative scores ``ids`` on Inception features, as papers report them,
and the two distances on DINOv2 features, ``fd`` and ``kd``.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np

from wizard import images
from wizard.console import progress
from wizard.metrics.distances import discrimination, frechet, kernel
from wizard.metrics.networks import Setup

# The file with score(originals, results, setup).
OF_A_RESULT = {"lpips": "perceptual", "identity": "identity", "clip": "clip"}
# The file with features(pictures, setup).
OF_ALL = {"fid": "inception", "kid": "inception", "ids": "inception", "fd": "dino", "kd": "dino"}


def score(
    names: list[str], originals: list[Path], results: dict[str, list[Path]], setup: Setup
) -> Iterator[tuple[str, list[float | None]]]:
    """Columns ``[<run>_]learned_<name>`` for scores.csv, a value a result, None where it has none.

    ``originals`` are the photographs, result by result; ``results`` lists each run's pictures in
    the same order. Names of ``OF_ALL`` are passed over. Raises ValueError with one line when
    weights cannot be had.
    """
    everything = [path for paths in results.values() for path in paths]
    for name in names:
        if name in OF_A_RESULT:
            metric = import_module(f"wizard.metrics.{OF_A_RESULT[name]}")
            befores = map(images.load, originals * len(results))
            values = metric.score(befores, _pictures(everything, name), setup)
            for number, run in enumerate(results):
                start = number * len(originals)
                yield _column(run, name), values[start : start + len(originals)]


def compare(
    names: list[str],
    originals: list[Path],
    results: dict[str, list[Path]],
    setup: Setup,
    seed: int,
) -> Iterator[tuple[str, float]]:
    """Figures ``[<run>_]learned_<name>`` of each run's results as a whole.

    Arguments and errors are ``score``'s; names of ``OF_A_RESULT`` are passed over. ``ids`` gives
    ``p_ids`` and ``u_ids``. ``learned_count`` results are compared with ``learned_photographs``.
    Raises ValueError for a single photograph too.
    """
    asked = [name for name in names if name in OF_ALL]
    if not asked:
        return
    # A photograph with several holes is one photograph of the real set.
    photographs, of_result = np.unique([str(path) for path in originals], return_inverse=True)
    if len(photographs) < 2:
        raise ValueError(
            f"evaluate.learned: {', '.join(asked)} compare sets of pictures, and there is one "
            "photograph only; take more photographs or remove them"
        )
    yield "learned_count", len(originals)
    yield "learned_photographs", len(photographs)
    everything = [*photographs, *(path for paths in results.values() for path in paths)]
    for network in dict.fromkeys(OF_ALL[name] for name in asked):
        extract = import_module(f"wizard.metrics.{network}").features
        real, *made = np.split(
            extract(_pictures(everything, network), setup),
            [len(photographs) + number * len(originals) for number in range(len(results))],
        )
        for run, features in zip(results, made, strict=True):
            for name in asked:
                if OF_ALL[name] == network:
                    values = _compare(name, real, real[of_result], features, seed)
                    for key, value in values.items():
                        yield _column(run, key), round(value, 5) + 0.0


def _compare(
    name: str, real: np.ndarray, paired: np.ndarray, made: np.ndarray, seed: int
) -> dict[str, float]:
    """Features are ``real`` N×D of the photographs, the others M×D, a row a result."""
    if name == "ids":
        return dict(zip(("p_ids", "u_ids"), discrimination(paired, made), strict=True))
    if name in ("kid", "kd"):
        return {name: kernel(real, made, seed)}
    return {name: frechet(real, made)}


def _column(run: str, name: str) -> str:
    return f"learned_{name}" if run == "model" else f"{run}_learned_{name}"


def _pictures(paths: list[Path], name: str) -> Iterator[np.ndarray]:
    return progress(map(images.load, paths), len(paths), f"evaluate {name}")
