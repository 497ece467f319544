"""Show the results: figures, binned scores for `dvc plots`, and the review page.

    python stages/plot.py          (or: dvc repro plot)

Reads the manifests under data/ with their files, what people said (data/ratings.csv,
data/ratings/*.csv, data/picks.csv), metrics/scores.csv, by_hole.json, quality.json,
ranking.json and ratings.json; writes

    metrics/figures/*.png, pdf/*.pdf ranking, distributions, by hole size, gain, examples, people
    metrics/cost.png, cost.pdf       quality against the time that each method takes
    metrics/histograms/*.csv         SSIM and PSNR in bins, for `dvc plots show` and `diff`
    metrics/review/index.html        the page to look at results and to rate them; open it from disk

A figure that would show nothing, as one by hole size where all holes are alike, is left out.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from wizard import images, names, opinions, params, records
from wizard.console import BadSetting, bare, progress, stage
from wizard.report import histograms, pictures, review, scores

DATA, METRICS = Path("data"), Path("metrics")
LABELS = {"title": "Title", "author": "By", "licence": "Licence", "source_name": "File"}


class Album:
    """The files that belong to some holes, found by the rows of the manifests.

    ``truth`` says whether the original is what the hole should show. Raises BadSetting when the
    manifests do not have one of the holes.
    """

    def __init__(self, holes: set[str], truth: bool):
        self.truth = truth
        self.holes = {row["id"]: row for row in manifest("masks") if row["id"] in holes}
        of = {row["image"] for row in self.holes.values()}
        photographs = records.usable(manifest("images"))
        self.photographs = {row["id"]: row for row in photographs if row["id"] in of}
        for hole in sorted(holes):
            if self.holes.get(hole, {}).get("image") not in self.photographs:
                raise BadSetting(
                    f"metrics/scores.csv: {hole} is not in data/masks.jsonl, or its photograph not "
                    "in data/images.jsonl; run evaluate again"
                )
        self.made: dict[tuple[str, str], dict[int, dict]] = {}
        for row in manifest("inpainted"):
            if row["id"] in holes:
                self.made.setdefault((row["id"], row["run"]), {})[row["sample"]] = row

    def photograph(self, hole: str) -> dict:
        return self.photographs[self.holes[hole]["image"]]

    def error(self, hole: str, labels: Mapping[str, str]) -> str | None:
        """Why there is no mask, or no result of some method, named by its label."""
        if "error" in self.holes[hole]:
            return self.holes[hole]["error"]
        # A method that is in no row of scores.csv has no label.
        lost = (row for row in self._of(hole) if "error" in row)
        return next((f"{labels.get(row['run'], row['run'])}: {row['error']}" for row in lost), None)

    def _of(self, hole: str) -> list[dict]:
        """What was made of a hole, by all methods."""
        return [row for (one, _), rows in self.made.items() if one == hole for row in rows.values()]

    def views(self, hole: str, methods: list[str]) -> dict[str, list[np.ndarray | None]]:
        """What there is to see of one hole, no larger than the page needs it: name → its pictures,
        one per sample, None for one that failed, cannot be read or has another size.
        """
        original = self._open(self.photograph(hole))
        if self.holes[hole]["status"] != records.OK:
            return {"original": [original]}
        grown = records.grown_by(self._of(hole))
        mask = images.load_mask(DATA / self.holes[hole]["file"], grown)
        mask = pictures.reduced(mask, review.SIDE)
        striped = pictures.masked(original, mask)
        views: dict[str, list[np.ndarray | None]] = {"original": [original], "masked": [striped]}
        for method in methods:
            rows = self.made.get((hole, method), {})
            samples = range(max(rows, default=-1) + 1)
            made = [self._result(rows.get(sample), original.shape) for sample in samples]
            if any(one is not None for one in made):
                views[method] = made
        if self.truth and names.MODEL in views:
            views["error"] = [
                None if one is None else pictures.error_map(original, one)
                for one in views[names.MODEL]
            ]
        return views

    def _result(self, row: dict | None, shape: tuple[int, ...]) -> np.ndarray | None:
        if row is None or row["status"] != records.OK:
            return None
        try:
            result = self._open(row)
        except records.Unusable:  # evaluate has told it, within runtime.max_failures
            return None
        return result if result.shape == shape else None

    def _open(self, row: dict) -> np.ndarray:
        return pictures.reduced(images.load(DATA / row["file"]), review.SIDE)


def main(params_path: Path) -> None:
    everything = params.load(params_path)
    settings = everything.plot
    rows = scores.read(METRICS / "scores.csv")
    good = [row for row in rows if row["status"] == records.OK]
    chosen = review.choose(rows, settings.review_images, settings.seed)
    shown = examples(good)
    album = Album({hole for _, hole in chosen} | shown.keys(), "ssim" in scores.columns(good))
    called = names.called(everything.inpaint.model_dump())
    labels = {name: called.get(name, names.label(name)) for name in scores.methods(rows)}
    draw_figures(good, shown, album, labels, settings.dpi)
    methods, holes = everything.inpaint.method_settings(), DATA / "masks.jsonl"
    costs = records.read_costs(METRICS / "speed.json", methods, records.file_sha256(holes))
    draw_cost(read_json("ranking")["all"], costs, labels, settings.dpi)

    folder = records.Folder(METRICS / "histograms")
    own = [row for row in good if row["method"] == names.MODEL]
    for name, width in histograms.WIDTHS.items():
        values = [row[name] for row in own if row.get(name) is not None]
        folder.publish(f"{name}.csv", histograms.histogram(values, width))
    folder.sweep()

    page = review.page(
        progress(exhibits(chosen, rows, album, labels), len(chosen), "review", unit="hole"),
        len(chosen),
        labels,
        scores.columns(good),
        scores.headline(good),
        read_json("ranking")["all"]["metrics"],
        shown_settings(everything),
        read_json("quality"),
        opinions.picks(DATA / "picks.csv"),
        settings.seed,
    )
    folder = records.Folder(METRICS / "review")
    folder.publish("index.html", page)
    folder.sweep()


def shown_settings(everything: params.Params) -> dict:
    """The settings that led to the results, without the secrets that a URL may hold."""
    settings = everything.model_dump(include={"fetch", "mask", "inpaint", "evaluate", "plot"})
    settings["fetch"]["source"] = bare(settings["fetch"]["source"])
    return settings


def draw_figures(
    good: list[dict], shown: dict[str, str], album: Album, labels: dict[str, str], dpi: int
) -> None:
    """Publish every figure that has something to show, as PNG and, apart from these, as PDF:
    `dvc plots` complains of a file that it cannot draw.
    """
    from wizard.report import figures  # Matplotlib, too slow for --help

    answers = opinions.read(opinions.find(DATA))
    bins, ranked = read_json("by_hole"), read_json("ranking")["all"]
    compared = [method for method in labels if method not in names.AUXILIARY]
    sheet = [
        {"title": title}
        | {name: own[0] for name, own in album.views(hole, compared).items() if own[0] is not None}
        for hole, title in shown.items()
    ]
    drawn = {
        "ranking": figures.ranking(ranked, labels),
        "distributions": figures.distributions(good, bins["all"], labels),
        "hole_fraction": figures.hole_fraction(good, labels),
        "by_hole": figures.by_hole(bins, labels),
        "gains": figures.gains(good, bins, labels),
        "comparison": figures.comparison(sheet, labels),
        "ratings": figures.ratings(answers, good, labels),
        "people": figures.people(read_json("ratings"), labels),
    }
    for folder, kind in ((METRICS / "figures", "png"), (METRICS / "pdf", "pdf")):
        published = records.Folder(folder)
        for name, figure in drawn.items():
            if figure is not None:
                published.publish(f"{name}.{kind}", figures.encode(figure, kind, dpi))
        published.sweep()


def draw_cost(ranked: dict, costs: dict[str, dict], labels: dict[str, str], dpi: int) -> None:
    """Quality against the seconds that the last run measured; these differ from run to run, so
    that the figure is in no file that git or DVC keeps.
    """
    from wizard.report import figures

    seconds = {method: cost.get("seconds_per_image") for method, cost in costs.items()}
    figure = figures.cost(ranked, seconds, labels)
    for kind in ("png", "pdf"):
        path = METRICS / f"cost.{kind}"
        if figure is None:
            path.unlink(missing_ok=True)
        else:
            records.write_atomic(path, figures.encode(figure, kind, dpi))


def examples(good: list[dict]) -> dict[str, str]:
    """Holes for the sheet of examples, each with its title: the worst, the median and the best
    result by the headline metric, or the first three where they are few.
    """
    name = scores.headline(good)
    metric = names.metric(name)
    ranked = scores.badness(good, name)
    middle, last = len(ranked) // 2, len(ranked) - 1
    places = {0: "Worst", middle: "Median", last: "Best"}
    if len(ranked) <= review.FEW:
        places = dict.fromkeys(range(min(3, len(ranked))), "")
    titles = {}
    for place, word in sorted(places.items()):
        own = [row for row in good if row["id"] == ranked[place] and row["method"] == names.MODEL]
        value = scores.value(own, name)
        titles[ranked[place]] = f"{word}\n{metric.label} {value:.{metric.digits}f}".strip()
    return titles


def exhibits(
    chosen: list[tuple[str, str]], rows: list[dict], album: Album, labels: Mapping[str, str]
) -> Iterator[dict]:
    """What the review page shows of each hole, loaded in its turn."""
    of_hole: dict[str, list[dict]] = {hole: [] for _, hole in chosen}
    for row in rows:
        if row["id"] in of_hole:
            of_hole[row["id"]].append(row)
    for reason, hole in chosen:
        photo, own = album.photograph(hole), of_hole[hole]
        lost = reason == "failed"
        unscored = "it could not be scored; see the evaluate stage" if lost else None
        yield {
            "id": hole,
            "reason": reason,
            "status": records.FAILED if lost else records.OK,
            "error": album.error(hole, labels) or unscored,
            "hole_fraction": own[0].get("hole_fraction"),
            "prompt": photo.get("prompt") or "",
            "facts": {label: photo[key] for key, label in LABELS.items() if photo.get(key)},
            "views": album.views(hole, list(labels)),
            "scores": {method: by_sample(own, method) for method in labels},
        }


def by_sample(rows: list[dict], method: str) -> list[dict[str, float | None]]:
    """The values of one method's results of one hole, one dictionary per sample."""
    own = {row["sample"]: row for row in rows if row["method"] == method}
    left_out = {*scores.KEYS, "hole_fraction"}
    return [
        {name: value for name, value in own.get(sample, {}).items() if name not in left_out}
        for sample in range(max(own, default=-1) + 1)
    ]


def manifest(name: str) -> records.Rows:
    return records.read(DATA / f"{name}.jsonl")


def read_json(name: str) -> dict:
    return records.read_json(METRICS / f"{name}.json")


if __name__ == "__main__":
    stage(main, __doc__)
