"""The scores table (``metrics/scores.csv``): one row per hole, method and sample."""

import csv
from collections.abc import Iterable
from pathlib import Path

from wizard import names
from wizard.names import MODEL, metric
from wizard.records import Unusable

KEYS = {"id", "image", "mask", "method", "sample", "status", "error"}


def read(path: Path | str) -> list[dict]:
    """Rows of scores.csv: keys and status as text, ``mask`` and ``sample`` as int, every other
    column as float, None where the cell is empty.

    Raises OSError when the file is missing and Unusable when it is not UTF-8 or, naming line and
    column, when a cell is not a number.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return parse(file, str(path))
    except UnicodeDecodeError:
        raise Unusable(f"{path}: not UTF-8; run evaluate again") from None


def parse(lines: Iterable[str], where: str) -> list[dict]:
    """:func:`read` for a table that is no file; ``where`` stands in errors."""
    return [_typed(row, f"{where}:{number}") for number, row in enumerate(csv.DictReader(lines), 2)]


def _typed(row: dict[str, str], where: str) -> dict:
    typed: dict = {}
    for column, cell in row.items():
        try:
            if column in ("mask", "sample"):
                typed[column] = int(cell)
            elif column in KEYS:
                typed[column] = cell
            else:
                typed[column] = float(cell) if cell else None
        except (TypeError, ValueError):
            raise Unusable(
                f"{where}: column {column}: {cell!r} is not a number; run evaluate again"
            ) from None
    return typed


def methods(rows: Iterable[dict]) -> list[str]:
    """Every method of the table, in the order in which they are shown."""
    return names.in_order(row["method"] for row in rows)


def columns(rows: list[dict]) -> list[str]:
    """The metrics of a table that have a value in at least one row, in the order of the table."""
    found = dict.fromkeys(name for row in rows for name in row if name not in KEYS)
    return [name for name in found if any(row.get(name) is not None for row in rows)]


def headline(rows: list[dict]) -> str:
    """The metric that results are ranked by: SSIM where it was measured, else the first there is.

    Raises Unusable when the table holds no metric at all.
    """
    found = [name for name in columns(rows) if metric(name).best is not None]
    if not found:
        raise Unusable("scores.csv holds no metric of any result; see the failures in evaluate")
    return "ssim" if "ssim" in found else found[0]


def value(rows: Iterable[dict], column: str) -> float | None:
    """The mean of a column over the rows that have it; None when none has."""
    known = [row[column] for row in rows if row.get(column) is not None]
    return sum(known) / len(known) if known else None


def badness(rows: list[dict], column: str) -> list[str]:
    """Ids of the holes whose results by the model have a value in the column, worst first.

    A hole with several samples counts by their mean; ties in order of id.
    """
    of_hole: dict[str, list[dict]] = {}
    for row in rows:
        if row["method"] == MODEL:
            of_hole.setdefault(row["id"], []).append(row)
    means = {hole: value(own, column) for hole, own in of_hole.items()}
    loss = {hole: metric(column).loss(mean) for hole, mean in means.items() if mean is not None}
    return sorted(loss, key=lambda hole: (-loss[hole], hole))
