"""What people said, in figures: scores of 1–5, choices, and which metric says the same."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal

import numpy as np
from scipy.stats import spearmanr

from wizard.metrics import strength
from wizard.metrics.intervals import binomial, bootstrap_means
from wizard.metrics.summary import of_one_sample
from wizard.names import BASELINE, METRICS, MODEL, in_order
from wizard.opinions import CRITERIA, PREFERENCE, TIE

DIGITS = 3


def summarise(answers: list[dict], rows: list[dict], resamples: int, seed: int) -> dict[str, Any]:
    """The figures of ratings.json.

    ``answers`` are those of ``opinions.read``, ``rows`` those of scores.csv that were scored; only
    answers about these count. What cannot be had is absent.

    - ``ratings``, ``raters``: counts; ``unknown``: answers about anything else
    - for each criterion and method ``mean`` (1–5), ``count`` and, from six photographs on, the 95%
      interval ``low``, ``high`` (photographs resampled); ``agreement`` is Krippendorff's alpha for
      ordinal data (Krippendorff 2011, "Computing Krippendorff's alpha-reliability"; 1 full
      agreement, 0 chance), absent where no two people rated the same or all gave one value
    - ``preference``: of the choices between model and baseline that were no tie, the share for
      the ``model``, with its interval over photographs
    - ``choices``: ``count``, ``ties``, ``agreement`` (alpha for nominal data), and for each method
      its Bradley–Terry ``score`` with interval (see ``strength``)
    - ``predicts``: for each metric ``agrees``, the share of decided choices in which it prefers
      the method that the rater chose, with its interval over photographs, and ``correlation``,
      Spearman's between the methods' scores and how good the metric finds them on average, where
      three or more methods were compared
    """
    scored = {(row["id"], row["sample"], row["method"]): row for row in rows}
    subjects = partial(_subjects, scored=scored, single=of_one_sample(rows))
    known = [row for row in answers if subjects(row)]
    given = list({_asked(row): row for row in known}.values())
    summary: dict[str, Any] = {
        "ratings": len(given),
        "raters": len({row["rater"] for row in given}),
        "unknown": len(answers) - len(known),
    }
    image_of = {row["id"]: row["image"] for row in rows}
    for criterion in CRITERIA:
        about = [row for row in given if row["criterion"] == criterion]
        figures: dict[str, Any] = {}
        for method in in_order(row["run"] for row in about):
            own = [row for row in about if row["run"] == method]
            values = [row["value"] for row in own]
            figures[method] = {"count": len(own)}
            figures[method] |= _mean(values, [image_of[row["id"]] for row in own], resamples, seed)
        figures |= _agreement(about, "ordinal")
        if figures:
            summary[criterion] = figures
    choices = [row for row in given if row["criterion"] == PREFERENCE]
    if choices:
        summary |= _preference(choices, image_of, resamples, seed)
        summary["choices"] = _choices(choices, image_of, resamples, seed)
        scores = summary["choices"]["methods"]
        predicts = _predicts(choices, subjects, scores, resamples, seed)
        summary |= {"predicts": predicts} if predicts else {}
    return summary


def _subjects(row: dict, scored: dict, single: set[str]) -> list[dict]:
    """The rows of the results that an answer is about, empty where one is not there. In a choice, a
    method with a ``single`` sample stands beside every sample of another.
    """
    methods = (row["run"], row["against"]) if row["criterion"] == PREFERENCE else (row["run"],)
    if not any((row["id"], row["sample"], method) in scored for method in methods):
        return []
    keys = [(row["id"], 0 if one in single else row["sample"], one) for one in methods]
    return [scored[key] for key in keys] if all(key in scored for key in keys) else []


def _asked(row: dict) -> tuple:
    """What a rater was asked: where it was answered twice, the later answer counts."""
    pair = frozenset((row["run"], row["against"]))
    return row["rater"], row["id"], row["sample"], pair, row["criterion"]


def _mean(
    values: list[float], images: list[str], resamples: int, seed: int, name: str = "mean"
) -> dict[str, float]:
    column = np.array(values, float)[:, None]
    (low,), (high,) = bootstrap_means(column, np.array(images), resamples, seed)
    return _rounded({name: column.mean(), "low": low, "high": high})


def _rounded(numbers: dict[str, float]) -> dict[str, float]:
    return {
        key: round(float(value), DIGITS) + 0.0
        for key, value in numbers.items()
        if not np.isnan(value)
    }


def _share(hits: list[bool], images: list[str], name: str, resamples: int, seed: int) -> dict:
    """A share with its interval over photographs.

    Where all photographs have the same share, resampling sees no doubt: the interval is then
    Wilson's for as many answers as there are photographs.
    """
    figures = {"count": len(hits)} | _mean([*map(float, hits)], images, resamples, seed, name)
    if "low" in figures and figures["low"] == figures["high"]:
        photographs = len(set(images))
        low, high = binomial(round(figures[name] * photographs), photographs)
        figures |= _rounded({"low": low, "high": high})
    return figures


def _preference(
    choices: list[dict], image_of: dict[str, str], resamples: int, seed: int
) -> dict[str, dict]:
    decided = [
        row
        for row in choices
        if {row["run"], row["against"]} == {MODEL, BASELINE} and row["value"] != TIE
    ]
    if not decided:
        return {}
    hits = [row["value"] == MODEL for row in decided]
    images = [image_of[row["id"]] for row in decided]
    return {PREFERENCE: _share(hits, images, MODEL, resamples, seed)}


def _choices(choices: list[dict], image_of: dict[str, str], resamples: int, seed: int) -> dict:
    answers = {TIE: strength.TIE}
    asked = [
        strength.Choice(
            first=row["run"],
            second=row["against"],
            answer=answers.get(row["value"], int(row["value"] == row["against"])),
            photograph=image_of[row["id"]],
            rater=row["rater"],
        )
        for row in choices
    ]
    methods = in_order(method for row in choices for method in (row["run"], row["against"]))
    scores = strength.scores(asked, methods, resamples, seed)
    summary = {"count": len(choices), "ties": sum(row["value"] == TIE for row in choices)}
    return (
        summary
        | _agreement(choices, "nominal")
        | {"methods": {method: _rounded(one) for method, one in scores.items()}}
    )


def _predicts(
    choices: list[dict],
    subjects: Callable[[dict], list[dict]],
    strengths: dict[str, dict],
    resamples: int,
    seed: int,
) -> dict[str, dict]:
    predicts = {}
    for name, how in METRICS.items():
        hits, images = [], []
        losses: dict[str, list[float]] = {}
        for row in choices:
            pair = subjects(row)
            if how.best is None or any(one.get(name) is None for one in pair):
                continue
            first, second = (how.loss(one[name]) for one in pair)
            for method, loss in ((row["run"], first), (row["against"], second)):
                losses.setdefault(method, []).append(loss)
            if row["value"] != TIE and first != second:
                hits.append((first < second) == (row["value"] == row["run"]))
                images.append(pair[0]["image"])
        if hits:
            predicts[name] = _share(hits, images, "agrees", resamples, seed)
            predicts[name] |= _correlation(losses, strengths)
    return predicts


def _correlation(losses: dict[str, list[float]], strengths: dict[str, dict]) -> dict[str, float]:
    """Spearman's correlation over methods; above 0 the metric orders them as people do."""
    if len(losses) < 3:
        return {}
    goodness = [-np.mean(losses[method]) for method in losses]
    scores = [strengths[method]["score"] for method in losses]
    if len(set(goodness)) == 1 or len(set(scores)) == 1:
        return {}
    return _rounded({"correlation": spearmanr(goodness, scores).statistic})


def _agreement(rows: Iterable[dict], level: Literal["ordinal", "nominal"]) -> dict[str, float]:
    """Krippendorff's alpha over what was asked; empty when it is undefined.

    What was asked is a result of a method, or a pair of them, whichever stood first. An answer is a
    score, or the method chosen: the number that stands for it means nothing.
    """
    rows = list(rows)
    numbers = {value: number for number, value in enumerate(sorted({row["value"] for row in rows}))}
    given: dict[tuple, dict[str, int]] = {}
    for row in rows:
        pair = frozenset((row["run"], row["against"]))
        number = row["value"] if level == "ordinal" else numbers[row["value"]]
        given.setdefault((row["id"], row["sample"], pair), {})[row["rater"]] = number
    shared = [answers for answers in given.values() if len(answers) >= 2]
    raters = sorted({rater for answers in shared for rater in answers})
    table = np.array([[answers.get(rater, np.nan) for answers in shared] for rater in raters])
    if len(np.unique(table[~np.isnan(table)])) < 2:
        return {}

    import krippendorff

    return _rounded({"agreement": krippendorff.alpha(table, level_of_measurement=level)})
