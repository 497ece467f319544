"""The review page: one HTML file that opens from disk, asks no network and runs no stranger's text.

What varies goes into the page as one JSON island, which the script shows as text only; its own
Content-Security-Policy admits no script, style or address but those below, by their hash.
"""

import base64
import hashlib
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from wizard import names, records
from wizard.report import scores

HERE = Path(__file__).parent
SCRIPTS = ("review.js", "viewer.js", "rate.js")
# Base64 adds a third; together with the rest the page stays below 15 MB.
PICTURE_BYTES = 10_500_000
# Longest side and WebP quality, best first: all views of a hole take the same.
LADDER = (
    *((1024, 92), (768, 92), (512, 95), (384, 90), (320, 85)),
    *((256, 80), (192, 75), (128, 65), (96, 50), (64, 30)),
)
SIDE = LADDER[0][0]
# So few are seen at a glance: why one was chosen need not be said.
FEW = 12


def choose(rows: Sequence[dict], count: int, seed: int) -> list[tuple[str, str]]:
    """At most ``count`` holes to look at, as pairs of why and id.

    Why is worst, median, best, random, failed, or empty where there are few. All holes when they
    are few enough. Otherwise a quarter each of the worst, the median and the best by the headline
    metric, failed ones for up to an eighth, and the rest drawn by ``seed``. ``rows`` are those of
    scores.csv; a hole has failed when the model has no result of it.
    """
    good = [row for row in rows if row["status"] == records.OK]
    ranked = scores.badness(good, scores.headline(good))
    holes = dict.fromkeys(row["id"] for row in rows)
    failed = list(holes.keys() - set(ranked))
    failed.sort()
    if len(holes) > count:
        failed = failed[: count // 8]
    room = count - len(failed)
    if len(ranked) > room:
        chosen = _quarters(ranked, room, seed)
    elif len(ranked) > FEW:
        third = len(ranked) / 3
        reasons = ("worst", "median", "best")
        chosen = [(reasons[int(place / third)], hole) for place, hole in enumerate(ranked)]
    else:
        chosen = [("", hole) for hole in ranked]
    return chosen + [("failed", hole) for hole in failed]


def _quarters(ranked: Sequence[str], room: int, seed: int) -> list[tuple[str, str]]:
    quarter = max(1, room // 4)
    start = (len(ranked) - quarter) // 2
    spans = {
        "worst": range(quarter),
        "median": range(start, start + quarter),
        "best": range(len(ranked) - quarter, len(ranked)),
    }
    reasons: dict[int, str] = {}
    for reason, span in spans.items():
        for place in span:
            reasons.setdefault(place, reason)
    others = [place for place in range(len(ranked)) if place not in reasons]
    others.sort(key=lambda place: records.seed(seed, "review", ranked[place]))
    reasons |= dict.fromkeys(others, "random")
    return [(reason, ranked[place]) for place, reason in list(reasons.items())[:room]]


def page(
    results: Iterable[dict],
    count: int,
    labels: Mapping[str, str],
    metrics: Sequence[str],
    headline: str,
    ranking: dict[str, dict],
    settings: dict[str, dict],
    quality: dict,
    picks: Mapping[str, int],
    seed: int,
) -> bytes:
    """The page as UTF-8 bytes; the same arguments give the same bytes.

    Each of the ``count`` results is one hole: ``id``, ``reason`` (of :func:`choose`), ``status``,
    ``error`` (or None), ``hole_fraction`` (or None), ``prompt`` ("" for none), ``facts`` (what is
    told of the photograph: label → text), ``views`` (name → its pictures, uint8 H×W×3, one per
    sample, None for a missing one) and ``scores`` (method → one metric → value per sample).
    ``labels`` name the methods, in the order in which they are shown. ``metrics`` are the columns
    to sort and filter by, ``headline`` the one sorted by first. ``ranking`` has figures by metric
    and method; ``settings`` and ``quality`` are shown as they are. ``picks`` are the samples that
    are kept, of all holes. ``seed`` determines what raters are shown in which order.
    """
    shown = [
        result | {"views": embed(result["views"], PICTURE_BYTES // max(1, count))}
        for result in results
    ]
    data = {
        "results": shown,
        "methods": [{"name": name, "label": label} for name, label in labels.items()],
        "rated": [name for name in labels if name not in names.AUXILIARY],
        "metrics": [_described(name) for name in metrics],
        "headline": headline,
        "ranking": ranking,
        "settings": _flat(settings),
        "quality": _flat(quality),
        "picks": picks,
        "seed": seed,
        # Ratings are kept for these pictures: other results start anew.
        "key": records.fingerprint(results=[[one["id"], one["views"]] for one in shown])[:16],
    }
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined
    )
    style = (HERE / "review.css").read_text(encoding="utf-8")
    script = "".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    html = environment.get_template("review.html").render(
        data=_island(data),
        style=style,
        script=script,
        style_hash=_integrity(style),
        script_hash=_integrity(script),
    )
    return html.encode()


def _described(column: str) -> dict:
    """A column as the script wants it; ``best`` is a number, or null for a mere direction."""
    metric = names.metric(column)
    best = None if metric.best is None or math.isinf(metric.best) else metric.best
    told = {"name": column, "label": metric.label, "unit": metric.unit, "digits": metric.digits}
    return told | {"direction": metric.direction, "best": best}


def embed(
    views: Mapping[str, Sequence[np.ndarray | None]], budget: int
) -> dict[str, list[str | None]]:
    """Pictures (uint8 H×W×3) as WebP data URLs of at most ``budget`` bytes together.

    All take the same size and quality, the best of LADDER that fits, so that a comparison
    between them is fair; they are never enlarged. None stays None.
    """
    for side, quality in LADDER:
        encoded = {name: [_webp(one, side, quality) for one in own] for name, own in views.items()}
        if sum(len(one) for own in encoded.values() for one in own if one) <= budget:
            break
    return {
        name: [None if one is None else _address(one) for one in own]
        for name, own in encoded.items()
    }


def _address(webp: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(webp).decode()


def _webp(view: np.ndarray | None, side: int, quality: int) -> bytes | None:
    if view is None:
        return None
    picture = Image.fromarray(view)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()


def _flat(nested: dict, prefix: str = "") -> list[tuple[str, str]]:
    """``{"a": {"b": 1}}`` as ``[("a.b", "1")]``."""
    pairs = []
    for key, value in nested.items():
        if isinstance(value, dict):
            pairs += _flat(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            pairs.append((prefix + key, text))
    return pairs


def _island(data: dict) -> str:
    """JSON that cannot end the script element it stands in, nor open a comment."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _integrity(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
