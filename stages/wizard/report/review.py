"""The review page: one HTML file that opens from disk, asks no network and runs no stranger's text.

What varies goes into the page as one JSON island, which the script shows as text only; its own
Content-Security-Policy admits no script, style or address but those below, by their hash.
"""

import base64
import hashlib
import io
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from wizard import records
from wizard.report import scores

HERE = Path(__file__).parent
# Base64 adds a third; together with the rest the page stays below 15 MB.
PICTURE_BYTES = 10_500_000
# Longest side and WebP quality, best first: all views of a result take the same.
LADDER = ((512, 95), (384, 90), (320, 85), (256, 80), (192, 75), (128, 65), (96, 50), (64, 30))


def choose(rows: Sequence[dict], count: int, seed: int) -> list[tuple[str, dict]]:
    """At most ``count`` results to look at, each with why: worst, median, best, random, failed.

    All of them when they are few enough. Otherwise a quarter each of the worst, the median and the
    best by the headline metric, failed ones for up to an eighth, and the rest drawn by ``seed``.
    """
    failed = [row for row in rows if row["status"] != records.OK]
    ranked = scores.badness(rows, scores.headline(rows))
    if len(rows) > count:
        failed = failed[: count // 8]
    room = count - len(failed)
    if len(ranked) <= room:
        third = len(ranked) / 3
        names = ["worst", "median", "best"]
        chosen = [(names[int(place / third)], row) for place, row in enumerate(ranked)]
    else:
        chosen = _quarters(ranked, room, seed)
    return chosen + [("failed", row) for row in failed]


def _quarters(ranked: Sequence[dict], room: int, seed: int) -> list[tuple[str, dict]]:
    quarter = max(1, room // 4)
    start = (len(ranked) - quarter) // 2
    spans = {
        "worst": range(quarter),
        "median": range(start, start + quarter),
        "best": range(len(ranked) - quarter, len(ranked)),
    }
    reasons = {}
    for reason, span in spans.items():
        for place in span:
            reasons.setdefault(place, reason)
    others = [place for place in range(len(ranked)) if place not in reasons]
    others.sort(key=lambda place: records.seed(seed, "review", name_of(ranked[place])))
    reasons |= dict.fromkeys(others, "random")
    return [(reason, ranked[place]) for place, reason in list(reasons.items())[:room]]


def name_of(row: dict) -> str:
    """The name of one result: its id, and its sample where a hole has several."""
    return f"{row['id']}_sample{row['sample']:02d}" if row.get("sample") else row["id"]


def page(
    results: Iterable[dict],
    count: int,
    metrics: Sequence[str],
    headline: str,
    settings: dict[str, dict],
    quality: dict,
    seed: int,
) -> bytes:
    """The page as UTF-8 bytes; the same arguments give the same bytes.

    Each of the ``count`` results has ``row`` (of scores.csv), ``reason`` (of :func:`choose`),
    ``facts`` (what is told of the photograph: label → text) and ``views`` (name → uint8 H×W×3),
    empty for a failed one. ``metrics`` are the columns to sort and filter by, ``headline`` the one
    sorted by first. ``settings`` and ``quality`` are shown as they are. ``seed`` decides the order
    of rating and on which side the model's fill lies.
    """
    shown = [_result(result, PICTURE_BYTES // max(1, count), seed) for result in results]
    turns = sorted(shown, key=lambda one: records.seed(seed, "rate", one["name"]))
    for turn, one in enumerate(turns):
        one["turn"] = turn
    data = {
        "results": shown,
        "metrics": [_described(name) for name in metrics],
        "headline": headline,
        "settings": _flat(settings),
        "quality": _flat(quality),
        # Ratings are kept for these pictures: other results start anew.
        "key": records.fingerprint(results=[[one["name"], one["views"]] for one in shown])[:16],
    }
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined
    )
    style, script = (
        (HERE / name).read_text(encoding="utf-8") for name in ("review.css", "review.js")
    )
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
    metric = scores.metric(column)
    best = None if metric.best is None or math.isinf(metric.best) else metric.best
    told = {"name": column, "label": metric.label, "unit": metric.unit, "digits": metric.digits}
    return told | {"direction": metric.direction, "best": best}


def _result(result: dict, budget: int, seed: int) -> dict:
    row = result["row"]
    name = name_of(row)
    return {
        "name": name,
        "id": row["id"],
        "sample": row.get("sample", 0),
        "status": row["status"],
        "reason": result["reason"],
        "facts": result["facts"],
        "scores": {key: value for key, value in row.items() if key not in scores.KEYS},
        "views": embed(result["views"], budget),
        # Blinding: whether the model's fill is the one called A.
        "model_first": records.seed(seed, "side", name) % 2 == 0,
    }


def embed(views: dict[str, np.ndarray], budget: int) -> dict[str, str]:
    """Pictures (uint8 H×W×3) as WebP data URLs of at most ``budget`` bytes together.

    All take the same size and quality, the best of LADDER that fits, so that a comparison
    between them is fair; they are never enlarged.
    """
    for side, quality in LADDER:
        encoded = {name: _webp(view, side, quality) for name, view in views.items()}
        if sum(map(len, encoded.values())) <= budget:
            break
    return {
        name: "data:image/webp;base64," + base64.b64encode(data).decode()
        for name, data in encoded.items()
    }


def _webp(view: np.ndarray, side: int, quality: int) -> bytes:
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
