"""How strong each method is, from choices between two of them at a time.

Bradley and Terry 1952, "Rank analysis of incomplete block designs", with "no difference" as
Davidson 1970, "On extending the Bradley-Terry model to accommodate ties": of methods i and j, i is
chosen with a probability in proportion to exp(s_i), j to exp(s_j), neither to
ν·exp((s_i + s_j) / 2). The scores s have a mean of 0: a method that is one above another is chosen
2.7 times as often.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import special

from wizard.metrics.intervals import LEVEL, MIN_IMAGES

# A method that never lost would have an infinite score: scores are taken from a normal
# distribution that is this wide, beyond any that people could tell.
PRIOR_DEVIATION = 5.0
FIRST, SECOND, TIE = 0, 1, 2


@dataclass(frozen=True)
class Choice:
    """One answer: which of two methods is better on a photograph: FIRST, SECOND or TIE."""

    first: str
    second: str
    answer: int
    photograph: str
    rater: str


def scores(
    choices: list[Choice], methods: list[str], resamples: int, seed: int
) -> dict[str, dict[str, float]]:
    """``score`` of each method, with its 95% interval ``low``, ``high`` from six photographs on.

    The variance behind the interval is that between photographs, plus, with several raters, that
    between raters less that between single answers, which both contain (Cameron, Gelbach and
    Miller 2011, "Robust inference with multiway clustering"), but never less than that between
    photographs; each comes from a bootstrap that draws whole photographs, raters or answers.
    """
    pairs = list(combinations(range(len(methods)), 2))
    place = {(methods[i], methods[j]): number for number, (i, j) in enumerate(pairs)}
    features = np.zeros((len(pairs), 3, len(methods) + 1))
    for number, (i, j) in enumerate(pairs):
        features[number, FIRST, i] = features[number, SECOND, j] = 1
        features[number, TIE, [i, j, -1]] = 0.5, 0.5, 1
    cells = np.empty((len(choices), 2), int)
    for number, one in enumerate(choices):
        turned = (one.first, one.second) not in place
        pair = (one.second, one.first) if turned else (one.first, one.second)
        answer = {FIRST: SECOND, SECOND: FIRST}.get(one.answer, TIE) if turned else one.answer
        cells[number] = place[pair], answer
    counts = _count(cells, np.zeros(len(choices), int), len(pairs))
    estimate = _fit(counts, features, np.zeros((1, len(methods) + 1)), rounds=30)
    figures = {
        method: {"score": value} for method, value in zip(methods, estimate[0], strict=False)
    }
    photographs, raters = zip(*((one.photograph, one.rater) for one in choices), strict=True)
    if len(set(photographs)) < MIN_IMAGES:
        return figures

    def variance(groups: Sequence) -> np.ndarray:
        _, group = np.unique(np.array(groups), axis=0, return_inverse=True)
        by_group = _count(cells, group.ravel(), len(pairs))
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(len(by_group), np.full(len(by_group), 1 / len(by_group)), resamples)
        resampled = np.tensordot(drawn.astype(float), by_group, 1)
        fits = _fit(resampled, features, estimate, rounds=4)[:, :-1]
        return fits.var(axis=0) * len(by_group) / (len(by_group) - 1)

    total = variance(photographs)
    if len(set(raters)) > 1:
        both = variance([*zip(photographs, raters, strict=True)])
        total = np.maximum(total, total + variance(raters) - both)
    reach = special.ndtri((1 + LEVEL) / 2) * np.sqrt(total)
    for figure, distance in zip(figures.values(), reach, strict=True):
        figure |= {"low": figure["score"] - distance, "high": figure["score"] + distance}
    return figures


def _count(cells: np.ndarray, group: np.ndarray, pairs: int) -> np.ndarray:
    """How often each answer was given for each pair, groups×pairs×3."""
    counts = np.zeros((group.max(initial=0) + 1, pairs, 3))
    np.add.at(counts, (group, cells[:, 0], cells[:, 1]), 1)
    return counts


def _fit(counts: np.ndarray, features: np.ndarray, start: np.ndarray, rounds: int) -> np.ndarray:
    """The posterior mode of scores and log ν, for many counts at once: counts×(methods + 1).

    Newton's method on a concave function; ``features`` is pairs×answers×(methods + 1).
    """
    values = np.broadcast_to(start, (len(counts), start.shape[1])).copy()
    asked = counts.sum(axis=2)
    precision = np.eye(start.shape[1]) / PRIOR_DEVIATION**2
    for _ in range(rounds):
        share = special.softmax(np.einsum("paf,nf->npa", features, values), axis=2)
        expected = np.einsum("npa,paf->npf", share, features)
        slope = np.einsum("npa,paf->nf", counts, features)
        slope -= np.einsum("np,npf->nf", asked, expected) + values @ precision
        curve = np.einsum("np,npa,paf,pag->nfg", asked, share, features, features, optimize=True)
        curve -= np.einsum("np,npf,npg->nfg", asked, expected, expected, optimize=True)
        step = np.linalg.solve(curve + precision, slope[..., None])[..., 0]
        values += np.clip(step, -2, 2)
    return values
