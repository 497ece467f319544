"""Show the results: figures, binned scores for `dvc plots`, and the review page.

    python stages/plot.py          (or: dvc repro plot)

Reads the manifests under data/ with their files, what people said (data/ratings.csv and
data/ratings/*.csv), metrics/scores.csv, metrics/by_hole.json and metrics/quality.json; writes

    metrics/figures/*.png            distributions, by hole size, gain, examples, ratings
    metrics/histograms/*.csv         SSIM and PSNR in bins, for `dvc plots show` and `diff`
    metrics/review/index.html        the page to look at results and to rate them; open it from disk
"""

import json
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from wizard import images, opinions, params, records
from wizard.console import progress, stage
from wizard.report import histograms, pictures, review, scores

DATA, METRICS = Path("data"), Path("metrics")
MADE_ONCE = ("baseline", "roundtrip")
LABELS = {"title": "Title", "author": "By", "licence": "Licence", "source_name": "File"}


class Album:
    """The files that belong to some results, found by the rows of the manifests."""

    def __init__(
        self,
        results: list[dict],
        photographs: Iterable[dict],
        holes: Iterable[dict],
        fills: Iterable[dict],
    ):
        of, ids = {row["image"] for row in results}, {row["id"] for row in results}
        self.photographs = {row["id"]: row for row in photographs if row["id"] in of}
        self.holes = {row["id"]: row for row in holes if row["id"] in ids}
        self.fills = {
            (row["id"], row["run"], row["sample"]): row for row in fills if row["id"] in ids
        }

    def fill(self, row: dict, run: str) -> dict | None:
        """The row of inpainted.jsonl for one run; a run made once stands beside every sample."""
        return self.fills.get((row["id"], run, 0 if run in MADE_ONCE else row["sample"]))

    def reason(self, row: dict) -> str | None:
        """Why there is no result: what the mask's row or that of one of the fills says."""
        made = [self.holes[row["id"]], *(self.fill(row, run) for run in scores.RUNS)]
        return next((one["error"] for one in made if one and "error" in one), None)

    def views(self, row: dict) -> dict[str, np.ndarray]:
        """Everything there is to see of one result: original, masked, each run, error map."""
        original = images.load(DATA / self.photographs[row["image"]]["file"])
        mask = images.load_mask(DATA / self.holes[row["id"]]["file"])
        views = {"original": original, "masked": pictures.masked(original, mask)}
        for run in scores.RUNS:
            fill = self.fill(row, run)
            if fill and fill["status"] == records.OK:
                views[run] = images.load(DATA / fill["file"])
        if "ssim" in row:
            return views | {"error": pictures.error_map(original, views["model"])}
        views.pop("roundtrip", None)  # without a truth there is no ceiling, nor an error
        return views


def main(params_path: Path) -> None:
    everything = params.load(params_path)
    settings = everything.plot
    rows = scores.wide(scores.read(METRICS / "scores.csv"))
    good = [row for row in rows if row["status"] == records.OK]
    headline = scores.headline(good)
    chosen = review.choose(rows, settings.review_images, settings.seed)
    shown = examples(good)
    album = Album(
        [row for _, row in chosen] + list(shown.values()),
        *(records.read(DATA / f"{name}.jsonl") for name in ("images", "masks", "inpainted")),
    )
    draw_figures(good, shown, album, settings.dpi)

    folder = records.Folder(METRICS / "histograms")
    for name, width in histograms.WIDTHS.items():
        values = [row[name] for row in good if row.get(name) is not None]
        folder.publish(f"{name}.csv", histograms.histogram(values, width))
    folder.sweep()

    page = review.page(
        progress(exhibits(chosen, album), len(chosen), "review", unit="result"),
        len(chosen),
        scores.columns(good),
        headline,
        everything.model_dump(include={"fetch", "mask", "inpaint", "evaluate", "plot"}),
        read_json("quality"),
        settings.seed,
    )
    folder = records.Folder(METRICS / "review")
    folder.publish("index.html", page)
    folder.sweep()


def draw_figures(good: list[dict], shown: dict[str, dict], album: Album, dpi: int) -> None:
    from wizard.report import figures  # Matplotlib, too slow for --help

    answers = opinions.read(opinions.find(DATA))
    bins = read_json("by_hole")
    drawn = {
        "distributions": figures.distributions(good, bins["all"], dpi),
        "hole_fraction": figures.hole_fraction(good, dpi),
        "by_hole": figures.by_hole(bins, dpi),
        "gains": figures.gains(bins, dpi),
        "comparison": figures.comparison(
            [{"title": title} | album.views(row) for title, row in shown.items()], dpi
        ),
        "ratings": figures.ratings(answers, good, dpi),
    }
    folder = records.Folder(METRICS / "figures")
    for name, png in drawn.items():
        if png:
            folder.publish(f"{name}.png", png)
    folder.sweep()


def examples(good: list[dict]) -> dict[str, dict]:
    """The worst, the median and the best result by the headline metric, as far as they differ."""
    name = scores.headline(good)
    ranked = scores.badness(good, name)
    places = {len(ranked) // 2: "Median", len(ranked) - 1: "Best", 0: "Worst"}
    label = textwrap.fill(scores.metric(name).label, 24)
    return {
        f"{place}\n{label} {ranked[index][name]:.3f}": ranked[index]
        for index, place in sorted(places.items())
    }


def exhibits(chosen: list[tuple[str, dict]], album: Album) -> Iterator[dict]:
    """What the review page shows of each result, loaded in its turn."""
    for reason, row in chosen:
        photo = album.photographs.get(row["image"], {})
        facts = {label: photo[key] for key, label in LABELS.items() if photo.get(key)}
        views = album.views(row) if row["status"] == records.OK else {}
        if not views:
            facts["Failed"] = album.reason(row) or "it could not be scored; see the evaluate stage"
        yield {"row": row, "reason": reason, "facts": facts, "views": views}


def read_json(name: str) -> dict:
    return json.loads((METRICS / f"{name}.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    stage(main, __doc__)
