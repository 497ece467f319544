"""The scores table (``metrics/scores.csv``) and what its columns are called."""

import csv
from dataclasses import replace
from pathlib import Path

from wizard import names

KEYS = {"id", "image", "mask", "method", "sample", "status", "error"}


RUNS = {method: names.label(method) for method in ("model", "baseline", *names.AUXILIARY)}


def metric(column: str) -> names.Metric:
    """How a column is shown, whichever run's it is."""
    for run, label in RUNS.items():
        if column.startswith(f"{run}_"):
            own = metric(column.removeprefix(f"{run}_"))
            return replace(own, label=f"{label}: {own.label}")
    return names.metric(column)


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


def wide(rows: list[dict]) -> list[dict]:
    """One row per result of the model, with the other methods' values beside its own.

    Their columns are ``<method>_<metric>``; a method with one sample stands beside every sample.
    """
    of = {(row["method"], row["id"], row["sample"]): row for row in rows}
    methods = names.in_order(row["method"] for row in rows)
    table = []
    for row in rows:
        if row["method"] == names.MODEL:
            beside = {}
            for method in methods[1:]:
                other = of.get((method, row["id"], row["sample"])) or of.get((method, row["id"], 0))
                beside |= {
                    f"{method}_{name}": value
                    for name, value in (other or {}).items()
                    if name not in KEYS and name != "hole_fraction"
                }
            table.append({key: value for key, value in row.items() if key != "method"} | beside)
    return table


def columns(rows: list[dict]) -> list[str]:
    """The metrics of a table that have a value in at least one row, in file order."""
    found = dict.fromkeys(name for row in rows for name in row if name not in KEYS)
    return [name for name in found if any(row.get(name) is not None for row in rows)]


def headline(rows: list[dict]) -> str:
    """The metric that results are ranked by: SSIM where it was measured, else the first there is.

    Raises ValueError when the table holds no metric at all.
    """
    found = [name for name in columns(rows) if name != "hole_fraction"]
    if not found:
        raise ValueError("scores.csv holds no metric of any result; see the failures in evaluate")
    return "ssim" if "ssim" in found else found[0]


def badness(rows: list[dict], column: str) -> list[dict]:
    """Rows that have a value in the column, worst first; ties in order of id and sample.

    A column without a best value ascends.
    """
    how = metric(column)
    key = (lambda value: value) if how.best is None else (lambda value: -how.loss(value))
    scored = [row for row in rows if row.get(column) is not None]
    return sorted(scored, key=lambda row: (key(row[column]), row["id"], row.get("sample", 0)))
