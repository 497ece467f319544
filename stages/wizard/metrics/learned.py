"""Measures by pretrained networks, off by default: their weights are large and not ours.

The room's tables name them. ``OF_A_RESULT`` has those that every result has: ``lpips`` LPIPS
(AlexNet) to the original, ``identity`` likeness of the face to the original's, ``clip`` CLIP score
of the prompt, ``rc_s`` coherence of the hole with its surroundings. ``OF_ALL`` has those of all
results together against all photographs: Fréchet distance ``fid``, kernel distance ``kid`` and
discriminative scores ``ids`` on Inception features, as papers report them, and the two distances on
DINOv2 features, ``fd`` and ``kd``.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

from wizard import images
from wizard.console import progress
from wizard.metrics import OF_A_RESULT, OF_ALL
from wizard.metrics.distances import discrimination, frechet, kernel
from wizard.metrics.networks import Setup
from wizard.names import MODEL
from wizard.records import Unusable

# What a measure of a result may see beside the result.
BESIDE: dict[str, Callable[["Result"], object]] = {
    "original": lambda one: images.load(one.original),
    "prompt": lambda one: one.prompt,
    "mask": lambda one: images.load_mask(one.mask, one.grow),
}


@dataclass(frozen=True)
class Result:
    """One result on disk: which method's it is, its photograph and what that shows, mask, file.

    ``grow`` is by how many pixels the mask is to be grown.
    """

    method: str
    original: Path
    prompt: str
    mask: Path
    file: Path
    grow: int = 0


def score(
    names: Sequence[str], results: list[Result], setup: Setup
) -> Iterator[tuple[str, list[float | None]]]:
    """Columns ``learned_<name>`` for scores.csv: one value per result, None where it has none.

    Names of ``OF_ALL`` are passed over. Raises Unusable with one line when weights cannot be
    had.
    """
    for name in names:
        if name in OF_A_RESULT:
            file, seen = OF_A_RESULT[name]
            metric = import_module(f"wizard.metrics.{file}")
            beside = map(BESIDE[seen], results)
            values = metric.score(beside, _pictures([one.file for one in results], name), setup)
            yield f"learned_{name}", values


def compare(
    names: Sequence[str], results: list[Result], setup: Setup, seed: int
) -> Iterator[tuple[tuple[str, str], float]]:
    """Figures of each method's results as a whole, as pairs of (method, ``learned_<name>``).

    Names of ``OF_A_RESULT`` are passed over, and so are methods with results of a single
    photograph, which are no set. ``ids`` gives ``p_ids`` and ``u_ids``. The model's
    ``learned_count`` results are compared with ``learned_photographs``. Raises Unusable when
    weights cannot be had, and for a single photograph.
    """
    asked = [name for name in names if name in OF_ALL]
    if not asked:
        return
    # A photograph with several holes is one photograph of the real set.
    photographs = sorted({one.original for one in results})
    if len(photographs) < 2:
        raise Unusable(
            f"evaluate.learned: {', '.join(asked)} compare sets of pictures, and there is only "
            f"one photograph; fetch more photographs, or take {', '.join(asked)} out of "
            "evaluate.learned"
        )
    place = {path: number for number, path in enumerate(photographs)}
    paired = np.array([place[one.original] for one in results])
    methods = np.array([one.method for one in results])
    yield (MODEL, "learned_count"), int(np.count_nonzero(methods == MODEL))
    yield (MODEL, "learned_photographs"), len(photographs)
    everything = [*photographs, *(one.file for one in results)]
    for network in dict.fromkeys(OF_ALL[name][0] for name in asked):
        extract = import_module(f"wizard.metrics.{network}").features
        real, made = np.split(extract(_pictures(everything, network), setup), [len(photographs)])
        for method in dict.fromkeys(methods.tolist()):
            own = methods == method
            for name in asked if len(set(paired[own])) > 1 else ():
                if OF_ALL[name][0] == network:
                    values = _compare(name, real, made[own], paired[own], seed)
                    for key, value in values.items():
                        yield (method, f"learned_{key}"), value


def _compare(
    name: str, real: np.ndarray, made: np.ndarray, paired: np.ndarray, seed: int
) -> dict[str, float]:
    """Features are ``real`` N×D of the photographs and ``made`` M×D of the results; ``paired`` is
    each result's row of ``real``.
    """
    how = OF_ALL[name][1]
    if how == "discrimination":
        return dict(zip(("p_ids", "u_ids"), discrimination(real[paired], made), strict=True))
    if how == "kernel":
        return {name: kernel(real, made, paired, seed)}
    return {name: frechet(real, made)}


def _pictures(paths: list[Path], name: str) -> Iterator[np.ndarray]:
    return progress(map(images.load, paths), len(paths), f"evaluate {name}")
