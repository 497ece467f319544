"""Which method is best, by each metric: means, distances to the first, wins and ranks.

Methods are compared hole by hole. A hole counts by the mean of its samples, and only holes that
every method filled count for ranks, distances and wins, so that no method gains by failing where
it is hard; one that a metric has no value of is not ranked by it. Intervals are 95% and come from
resampled photographs (see ``intervals``).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from wizard.metrics.intervals import LEVEL, MIN_IMAGES, ends, resampled_means
from wizard.metrics.summary import in_bins
from wizard.names import AUXILIARY, METRICS, in_order

# Beyond what git keeps: ranking.json is not in git, and small distances are what it is about.
MORE_DIGITS = 1


def rank(
    rows: list[dict],
    whole: dict[tuple[str, str], float],
    width: float,
    resamples: int,
    seed: int,
) -> dict[str, dict]:
    """The content of ranking.json.

    ``rows`` are those of scores.csv that were scored, ``whole`` figures over all results of a
    method (FID and the like) by method and name, ``width`` the width of the bins of hole size.

    Keys are ``all`` and, where there are at least two, the bins of hole size; then ``holes`` and
    ``images`` (counts) and ``metrics``: metric → method → figures. These are ``mean`` of all the
    method's holes (``count`` of them) with ``low`` and ``high``; ``rank`` (1 the best) with
    ``rank_low`` and ``rank_high``; ``behind``, by how much it is worse than the first in the
    metric's unit, with its paired interval ``behind_low`` and ``behind_high``: above 0, the two
    differ; and ``wins``, the share of photographs on which it is the best (a tie is divided).
    Where a number is the best value, ``rank``, ``behind`` and ``wins`` are about the distance to
    it. Intervals need six photographs. What cannot be had is absent.
    """
    ranked = [row for row in rows if row["method"] not in AUXILIARY]
    bins = in_bins(ranked, width)
    members = {"all": ranked} | (bins if len(bins) > 1 else {})
    ranking = {name: _rank_bin(own, resamples, seed) for name, own in members.items()}
    ranking["all"]["metrics"] |= _rank_whole(whole)
    return ranking


def _rank_bin(rows: list[dict], resamples: int, seed: int) -> dict:
    image_of = {row["id"]: row["image"] for row in rows}
    images = np.array(list(image_of.values()))
    ranking: dict[str, Any] = {
        "holes": len(images),
        "images": len(set(image_of.values())),
        "metrics": {},
    }
    methods = in_order(row["method"] for row in rows)
    measured = [name for name in METRICS if any(row.get(name) is not None for row in rows)]
    contests = [
        _Contest.of(rows, list(image_of), methods, name)
        for name in measured
        if METRICS[name].best is not None
    ]
    if contests:
        columns = np.hstack([contest.columns() for contest in contests])
        drawn, photographs = resampled_means(columns, images, resamples, seed)
        end = 0
        for contest in contests:
            own = slice(end, end := end + 3 * len(contest.methods))
            figures = contest.figures(images, drawn[:, own], photographs[own])
            ranking["metrics"][contest.name] = dict(zip(contest.methods, figures, strict=True))
    return ranking


def _rank_whole(whole: dict[tuple[str, str], float]) -> dict[str, dict]:
    """Figures over all results of a method have a rank and no interval."""
    ranking: dict[str, dict] = {}
    for (method, name), value in whole.items():
        if name in METRICS and method not in AUXILIARY:
            ranking.setdefault(name, {})[method] = {"mean": METRICS[name].rounded(value)}
    for name, figures in ranking.items():
        ranks = rankdata([METRICS[name].loss(one["mean"]) for one in figures.values()], "min")
        for one, place in zip(figures.values(), ranks, strict=True):
            one["rank"] = int(place)
    return ranking


@dataclass(frozen=True)
class _Contest:
    """The numbers of the methods that have any by one metric: float holes×methods, NaN where there
    is none.

    ``losses`` are what to minimise, of the holes alone in which each of these has a value.
    """

    name: str
    methods: list[str]
    values: np.ndarray
    losses: np.ndarray

    @classmethod
    def of(cls, rows: list[dict], holes: list[str], methods: list[str], name: str) -> "_Contest":
        """A hole has the mean of its samples."""
        how = METRICS[name]
        measured = {row["method"] for row in rows if row.get(name) is not None}
        methods = [method for method in methods if method in measured]
        place = {hole: number for number, hole in enumerate(holes)}
        values, losses, count = np.zeros((3, len(holes), len(methods)))
        for row in rows:
            if row.get(name) is not None:
                at = place[row["id"]], methods.index(row["method"])
                values[at] += row[name]
                losses[at] += how.loss(row[name])
                count[at] += 1
        count[count == 0] = np.nan
        values, losses = values / count, losses / count
        losses[np.isnan(losses).any(axis=1)] = np.nan
        return cls(name, methods, values, losses)

    @property
    def common(self) -> bool:
        """Whether there is a hole in which every method has a value."""
        return not np.isnan(self.losses).all()

    @property
    def first(self) -> int:
        """The method with the least mean loss."""
        return int(np.nanmean(self.losses, axis=0).argmin()) if self.common else 0

    def columns(self) -> np.ndarray:
        """What is averaged over resamples: values, losses, distances to the first."""
        behind = self.losses - self.losses[:, [self.first]]
        return np.hstack([self.values, self.losses, behind])

    def figures(self, images: np.ndarray, drawn: np.ndarray, photographs: np.ndarray) -> list[dict]:
        """What ranking.json says of each method; the last two are of :meth:`columns`."""
        count = len(self.values[0])
        low, high = ends(drawn, photographs)
        figures = []
        for method, column in enumerate(self.values.T):
            mean = np.nanmean(column)
            figures.append(self._rounded(mean=mean, low=low[method], high=high[method]))
            figures[-1]["count"] = int((~np.isnan(column)).sum())
        if not self.common:
            return figures
        means = np.nanmean(self.losses, axis=0)
        ranks, wins = rankdata(means, "min"), self._wins(images)
        lowest, highest = np.full((2, count), np.nan)
        if photographs[count] >= MIN_IMAGES:
            drawn_ranks = rankdata(drawn[:, count : 2 * count], "min", axis=1)
            tails = (1 - LEVEL) / 2, (1 + LEVEL) / 2
            # A resample may have no hole in which every method has a value.
            lowest, highest = np.nanquantile(drawn_ranks, tails, axis=0, method="inverted_cdf")
        for method, one in enumerate(figures):
            one["rank"] = int(ranks[method])
            if not np.isnan(lowest[method]):
                one |= {"rank_low": int(lowest[method]), "rank_high": int(highest[method])}
            at = 2 * count + method
            one |= self._rounded(behind=means[method] - means[self.first])
            if method != self.first:
                one |= self._rounded(behind_low=low[at], behind_high=high[at])
            one["wins"] = round(float(wins[method]), 4)
        return figures

    def _wins(self, images: np.ndarray) -> np.ndarray:
        """The share of photographs on which each method has the least mean loss."""
        known = ~np.isnan(self.losses).any(axis=1)
        names, photograph = np.unique(images[known], return_inverse=True)
        sums = np.zeros((len(names), self.losses.shape[1]))
        np.add.at(sums, photograph, self.losses[known])
        best = sums == sums.min(axis=1, keepdims=True)
        return (best / best.sum(axis=1, keepdims=True)).mean(axis=0)

    def _rounded(self, **numbers: float) -> dict[str, float]:
        digits = METRICS[self.name].digits + MORE_DIGITS
        return {
            key: round(float(value), digits) + 0.0
            for key, value in numbers.items()
            if not np.isnan(value)
        }
