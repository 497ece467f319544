"""The scores table (``metrics/scores.csv``) and what its columns are called."""

import csv
from dataclasses import dataclass
from pathlib import Path

# Results beside the model's own, as prefixes of columns.
RUNS = {
    "model": "Model",
    "baseline": "Baseline",
    "roundtrip": "Autoencoder round trip",
    "raw": "Model before paste-back",
}
KEYS = {"id", "image", "mask", "sample", "status", "error"}


@dataclass(frozen=True)
class Metric:
    """How a metric is shown: name, unit ("" for none), and which direction is better.

    ``better`` is "higher", "lower", "one" (the nearer to 1) or "" when neither is.
    """

    label: str
    unit: str = ""
    better: str = ""

    @property
    def title(self) -> str:
        return f"{self.label} ({self.unit})" if self.unit else self.label


METRICS = {
    "ssim": Metric("SSIM", "", "higher"),
    "psnr": Metric("PSNR", "dB", "higher"),
    "hole_ssim": Metric("SSIM in the hole", "", "higher"),
    "hole_psnr": Metric("PSNR in the hole", "dB", "higher"),
    "hole_mae": Metric("Mean absolute error in the hole", "levels", "lower"),
    "ring_psnr": Metric("PSNR in the ring inside the edge", "dB", "higher"),
    "edge_seam": Metric("Seam against the original", "levels", "lower"),
    "edge_step": Metric("Seam against the surroundings", "levels", "lower"),
    "hole_colour": Metric("Colour difference in the hole", "CIEDE2000", "lower"),
    "hole_colour_shift": Metric("Shift of the mean colour", "CIEDE2000", "lower"),
    "edge_colour": Metric("Colour difference across the edge", "CIEDE2000", "lower"),
    "hole_sharpness": Metric("Sharpness against the original", "", "one"),
    "hole_sharpness_around": Metric("Sharpness against the surroundings", "", "one"),
    "self_consistency": Metric("Self-consistency", "", "higher"),
    "learned_lpips": Metric("LPIPS", "", "lower"),
    "learned_identity": Metric("Likeness of the face", "", "higher"),
    "learned_clip": Metric("CLIP score of the prompt", "", "higher"),
    "hole_diversity": Metric("Diversity of the fills", "levels"),
    "hole_fraction": Metric("Hole fraction"),
}


def metric(column: str) -> Metric:
    """How a column is shown; an unknown one gets its own name, an unknown run prefix none."""
    for run, label in RUNS.items():
        if column.startswith(f"{run}_"):
            own = metric(column.removeprefix(f"{run}_"))
            return Metric(f"{label}: {own.label}", own.unit, own.better)
    return METRICS.get(column) or Metric(column.replace("_", " ").capitalize())


def read(path: Path | str) -> list[dict]:
    """Rows of scores.csv: keys and status as text, ``mask`` and ``sample`` as int, every other
    column as float, None where the cell is empty.

    Raises OSError when the file is missing and ValueError naming the line and column of a cell
    that is not a number.
    """
    with open(path, encoding="utf-8", newline="") as file:
        return [
            _typed(row, f"{path}:{number}") for number, row in enumerate(csv.DictReader(file), 2)
        ]


def _typed(row: dict[str, str], where: str) -> dict:
    typed = {}
    for column, cell in row.items():
        try:
            if column in ("mask", "sample"):
                typed[column] = int(cell)
            elif column in KEYS:
                typed[column] = cell
            else:
                typed[column] = float(cell) if cell else None
        except (TypeError, ValueError):
            raise ValueError(
                f"{where}: column {column}: {cell!r} is no number; run evaluate again"
            ) from None
    return typed


def columns(rows: list[dict]) -> list[str]:
    """The metrics of a table that have a value in at least one row, in file order."""
    names = dict.fromkeys(name for row in rows for name in row if name not in KEYS)
    return [name for name in names if any(row.get(name) is not None for row in rows)]


def headline(rows: list[dict]) -> str:
    """The metric that results are ranked by: SSIM where it was measured, else the first there is.

    Raises ValueError when the table holds no metric at all.
    """
    names = [name for name in columns(rows) if name != "hole_fraction"]
    if not names:
        raise ValueError("scores.csv holds no metric of any result; see the failures in evaluate")
    return "ssim" if "ssim" in names else names[0]


def badness(rows: list[dict], column: str) -> list[dict]:
    """Rows that have a value in the column, worst first; ties in order of id and sample."""
    better = metric(column).better
    key = {
        "lower": lambda value: -value,
        "one": lambda value: -abs(value - 1),
    }.get(better, lambda value: value)
    scored = [row for row in rows if row.get(column) is not None]
    return sorted(scored, key=lambda row: (key(row[column]), row["id"], row.get("sample", 0)))
