"""What people said of results: the files that the review page exports, one per rater.

A file is CSV with the columns ``rater, id, sample, run, against, criterion, value, note``, one row
per answer. There are two kinds:

- a score: ``criterion`` is one of CRITERIA, ``run`` the method that is judged, ``value`` 1 to 5,
  5 the best; ``against`` is empty
- a choice: ``criterion`` is ``preference``, ``run`` and ``against`` are the two methods that were
  shown without their names, ``value`` is the better one of them, or ``tie``

``id`` and ``sample`` name the result as scores.csv does; in a choice, a method that made one sample
of a hole stands beside every sample of another. A note belongs to what was shown and
stands in one of its rows. Files of the older form, without ``sample`` and ``against``, hold sample
0, and choices between model and baseline.

``picks.csv`` has the columns ``id, sample``: which of several samples of a hole is to be kept.
"""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from wizard import names
from wizard.records import Unusable

CRITERIA = ("seamlessness", "artifacts", "contextual_accuracy")
PREFERENCE, TIE = "preference", "tie"
HEADER = ["rater", "id", "sample", "run", "against", "criterion", "value", "note"]
OLD_HEADER = [column for column in HEADER if column not in ("sample", "against")]
SCALE = range(1, 6)
PICKS_HEADER = ["id", "sample"]


def find(folder: Path) -> list[Path]:
    """The files of all raters: ``ratings.csv`` in the folder, then ``ratings/*.csv``, of one rater
    the latest export last: browsers name them ``ann.csv``, ``ann (1).csv`` … ``ann (10).csv``.
    """
    exports = (folder / "ratings").glob("*.csv")
    ordered = sorted(exports, key=lambda file: (len(file.stem), file.stem))
    return [file for file in (folder / "ratings.csv", *ordered) if file.is_file()]


def read(files: Iterable[Path | str]) -> list[dict]:
    """The rows of several files, one file after the other: text, but ``sample`` an int and
    ``value`` an int for a score.

    Raises OSError when a file is missing and Unusable naming the file, the line, the column,
    its value and what is allowed.
    """
    return [row for file in files for row in _read(file)]


def picks(path: Path | str) -> dict[str, int]:
    """Which sample of each hole is kept, by the hole's id; errors are :func:`read`'s."""
    return {row["id"]: _sample(row, where) for where, row in _rows(path, PICKS_HEADER)}


def _read(path: Path | str) -> list[dict]:
    return [_checked(_complete(row), where) for where, row in _rows(path, HEADER, OLD_HEADER)]


def _rows(path: Path | str, *headers: list[str]) -> Iterator[tuple[str, dict]]:
    """The rows of a CSV file that begins with one of these headers, each with its place."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = csv.DictReader(file, strict=True)
        try:
            if lines.fieldnames not in headers:
                raise Unusable(f"{path}: the first line must be {','.join(headers[0])}")
            for row in lines:
                yield f"{path}:{lines.line_num}", row
        except (csv.Error, UnicodeDecodeError) as error:
            begun = lines.line_num + 1  # a row with an open quote is read to the end of the file
            raise Unusable(f"{path}:{begun}: not CSV in UTF-8 ({error}); export it again") from None


def _sample(row: dict, where: str) -> int:
    if not (row["sample"] or "").isdecimal():
        raise Unusable(f"{where}: sample {row['sample']!r}: allowed: 0, 1, 2 and so on")
    return int(row["sample"])


def _complete(row: dict) -> dict:
    """A row of the older form with what it left out."""
    if "against" in row:
        return row
    pair = {"run": names.MODEL, "against": names.BASELINE}
    return {"sample": "0", "against": ""} | row | (pair if row["criterion"] == PREFERENCE else {})


def _checked(row: dict, where: str) -> dict:
    choice = row["criterion"] == PREFERENCE
    pair = (row["run"], row["against"])
    allowed = {
        "criterion": (*CRITERIA, PREFERENCE),
        "value": (*pair, TIE) if choice else [str(value) for value in SCALE],
    }
    for column, values in allowed.items():
        if row[column] not in values:
            told = ", ".join(value or "" for value in values)
            raise Unusable(f"{where}: {column} {row[column]!r}: allowed: {told}")
    if None in row or None in row.values():
        raise Unusable(f"{where}: not {len(HEADER)} cells; export the file again")
    if not row["run"] or (bool(row["against"]) != choice) or pair[0] == pair[1]:
        raise Unusable(
            f"{where}: run {pair[0]!r}, against {pair[1]!r}: a score is of one method, a choice "
            "between two"
        )
    value = row["value"] if choice else int(row["value"])
    return row | {"sample": _sample(row, where), "value": value}
