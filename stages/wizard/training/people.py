"""Face photographs for training: read, split by person, captioned."""

import csv
import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wizard import images
from wizard.records import Unusable

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
EVERY = 10


@dataclass(frozen=True)
class Faces:
    """Photographs in memory: names `<folder>/<file>`, images uint8 N×S×S×3, all in one order."""

    names: list[str]
    images: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def every(self, step: int) -> "Faces":
        """Every `step`th photograph."""
        return Faces(self.names[::step], self.images[::step])

    def of(self, folders: Sequence[str]) -> "Faces":
        """The photographs of these folders."""
        chosen = [n for n, name in enumerate(self.names) if name.split("/")[0] in folders]
        return Faces([self.names[n] for n in chosen], self.images[chosen])

    def about(self) -> dict:
        """How many photographs of which sets, and a hash of their names and pixels."""
        digest = hashlib.sha256("\n".join(self.names).encode() + self.images.tobytes())
        sets = Counter(name.split("/")[0] for name in self.names)
        return {"images": len(self), "sets": dict(sets), "sha256": digest.hexdigest()}


def held_out(person: str) -> bool:
    """Whether a person belongs to validation: one in ten, by the hash of the name alone."""
    return int(hashlib.sha256(person.encode()).hexdigest(), 16) % EVERY == 0


def read(folders: Sequence[Path], size: int, max_pixels: int = 100_000_000) -> tuple[Faces, ...]:
    """All photographs of the folders, centre-cropped to `size`, as (training, validation).

    The person of a file is its `name` in `<folder>.csv` (columns `file`, `name`) where that file
    exists, otherwise the number that its name begins with (`012_smiling.jpg` is person `012`).
    Any other file is a person of its own, called `<folder>/<file>`. All photographs of one
    person fall on the same side.

    Raises Unusable when a folder holds no photograph, a photograph cannot be read or has more
    than `max_pixels`, two folders have one name, or a side of the split stays empty.
    """
    # Not resolved: a link keeps its own name, and a photograph's side follows from the name.
    folders = [Path(os.path.abspath(folder)) for folder in folders]
    for name, count in Counter(folder.name for folder in folders).items():
        if count > 1:
            raise Unusable(f"{count} folders are called {name}; give each once, under its own name")
    sides: dict[bool, list[tuple[str, np.ndarray]]] = {False: [], True: []}
    for folder in folders:
        paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
        if not paths:
            raise Unusable(f"{folder}: no photographs; give folders that hold {sorted(SUFFIXES)}")
        known = _listed_people(folder.parent / f"{folder.name}.csv")
        for path in paths:
            person = known.get(path.name) or _subject(path)
            row = (f"{folder.name}/{path.name}", _pixels(path, size, max_pixels))
            sides[held_out(person)].append(row)
    for side, rows in sides.items():
        if not rows:
            kind = "validation" if side else "training"
            raise Unusable(f"no {kind} person in {len(folders)} folders; add more people")
    return tuple(
        Faces([name for name, _ in rows], np.stack([image for _, image in rows]))
        for rows in (sides[False], sides[True])
    )


def _pixels(path: Path, size: int, max_pixels: int) -> np.ndarray:
    try:
        return images.fit(images.read(path.read_bytes(), max_pixels).rgb, size)
    except Unusable as error:
        raise Unusable(f"{path}: {error}") from None


def _listed_people(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    with open(path, encoding="utf-8-sig", newline="") as file:  # with or without Excel's mark
        rows = csv.DictReader(file)
        if not {"file", "name"} <= {*(rows.fieldnames or ())}:
            raise Unusable(
                f"{path}: tells the people of the folder beside it in the columns file and name, "
                "which it lacks; add them or move it away"
            )
        return {row["file"]: row["name"] for row in rows}


def _subject(path: Path) -> str:
    numbered = re.match(r"(\d+)\D", path.stem)
    return numbered[1] if numbered else f"{path.parent.name}/{path.name}"


def captions(images: np.ndarray) -> list[str]:
    """A caption that is true of each image, from its own pixels (uint8 N×S×S×3).

    Sharp or soft: mean absolute Laplacian of the luma above or below the median of these images.
    Light or dark background: mean of the upper corners above or below half of the range. By turns
    a caption says nothing of these, the first, or both, so that a prompt may do the same. Only
    what a caption says truly can later be asked for.
    """
    luma = images.astype(np.float32).mean(axis=3)
    inner = luma[:, 1:-1, 1:-1]
    around = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1] + luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
    detail = np.abs(4 * inner - around).mean(axis=(1, 2))
    corner = images.shape[1] // 6
    light = (luma[:, :corner, :corner].mean((1, 2)) + luma[:, :corner, -corner:].mean((1, 2))) / 2
    said = []
    for number, (sharp, bright) in enumerate(
        zip(detail >= np.median(detail), light >= 128, strict=True)
    ):
        quality = ("sharp " if sharp else "soft ") if number % 3 else ""
        background = f", {'light' if bright else 'dark'} background" if number % 3 == 2 else ""
        said.append(f"a {quality}portrait photograph of a face{background}")
    return said
