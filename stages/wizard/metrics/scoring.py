"""The scores of one hole's results, as their files are."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from wizard import images, metrics, names, records
from wizard.metrics import consistency, outside, pixel
from wizard.metrics.diversity import diversity

# Below a millionth nothing is to be seen, and the last bits differ between processors.
DECIMALS = 6


@dataclass(frozen=True)
class Hole:
    """One hole: its row of masks.jsonl, its photograph with the prompt of its own, if it has one,
    its results' rows by run and sample. The files that rows name lie in the folder ``data``.
    """

    data: Path
    row: dict
    photograph: Path
    prompt: str | None
    results: dict[tuple[str, int], dict]

    @property
    def grow(self) -> int:
        return records.grown_by(self.results.values())

    def of(self, run: str) -> list[dict]:
        """The rows of one run, by sample."""
        return [self.results[key] for key in sorted(self.results) if key[0] == run]


def score_hole(hole: Hole, methods: list[str], ring_px: int, blind: bool) -> list[dict]:
    """The rows of one hole, one per method and sample; a failure is a row with the reason."""
    facts = {key: hole.row[key] for key in ("id", "image", "mask")}
    try:
        original, mask = _open_hole(hole)
    except records.Unusable as error:
        lost = {"sample": 0, "status": records.FAILED, "error": str(error)}
        return [facts | {"method": method} | lost for method in methods]
    facts["hole_fraction"] = rounded(mask.mean())
    judge = partial(_score_method, original=original, mask=mask, ring_px=ring_px, blind=blind)
    return [facts | row for method in methods for row in judge(hole, method)]


def _score_method(
    hole: Hole, method: str, original: np.ndarray, mask: np.ndarray, ring_px: int, blind: bool
) -> list[dict]:
    """What the rows of one method's results add to the facts of their hole."""
    rows, results = [], []
    for made in hole.of(method) or _missing(method):
        row = {"method": method, "sample": made["sample"], "status": records.OK}
        try:
            result = _open_result(hole.data, made, original, mask)
            again = _score_again(hole, method, result, mask) if made["sample"] == 0 else {}
        except records.Unusable as error:
            rows.append(row | {"status": records.FAILED, "error": f"{method}: {error}"})
            continue
        values = metrics.score(None if blind else original, result, mask, ring_px)
        if method == names.RAW:
            values |= outside.score(original, result, mask)
        rows.append(row | _rounded_all(values | again))
        results.append(result)
    if len(results) > 1:
        spread = {"hole_diversity": rounded(diversity(results, mask))}
        rows = [row | spread if row["status"] == records.OK else row for row in rows]
    return rows


def _open_hole(hole: Hole) -> tuple[np.ndarray, np.ndarray]:
    """Photograph and mask; raises records.Unusable with the reason when there is no mask."""
    if hole.row["status"] != records.OK:
        raise records.Unusable(hole.row["error"])
    original = images.load(hole.photograph)
    mask = images.load_mask(hole.data / hole.row["file"], hole.grow)
    if original.shape[:2] != mask.shape:
        raise records.Unusable(f"sizes differ: photograph {original.shape}, mask {mask.shape}")
    if min(mask.shape) < pixel.WINDOW:
        raise records.Unusable(f"{mask.shape}: too small, SSIM needs {pixel.WINDOW} pixels a side")
    if not mask.any():
        raise records.Unusable("the mask has no hole, there is nothing to score")
    return original, mask


def _missing(method: str) -> list[dict]:
    """The row in place of a result that no manifest tells of; a raw one falls with the model's."""
    if method == names.RAW:
        return []
    error = "no result in data/inpainted.jsonl; run inpaint again"
    return [{"run": method, "sample": 0, "status": records.FAILED, "error": error}]


def _open_result(data: Path, made: dict, original: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The pixels of one result, as they lie on disk.

    Raises records.Unusable with the reason: it failed, cannot be read, has another size, or
    differs from the photograph outside the hole, which only what came before paste-back may.
    """
    if made["status"] != records.OK:
        raise records.Unusable(made["error"])
    result = images.load(data / made["file"])
    if result.shape != original.shape:
        raise records.Unusable(f"sizes differ: result {result.shape}, photograph {original.shape}")
    if made["run"] != names.RAW:
        changed = np.count_nonzero(images.differ(result, original) & ~mask)
        if changed:
            raise records.Unusable(
                f"{made['file']}: pixels outside the hole differ from the photograph's ({changed} "
                "of them); the file was changed, so delete it and run inpaint again"
            )
    return result


def _score_again(
    hole: Hole, method: str, result: np.ndarray, mask: np.ndarray
) -> dict[str, float | None]:
    """How far a result agrees with itself, if parts of it were inpainted once more.

    Raises records.Unusable when one of these pictures cannot be read.
    """
    passes = hole.of(names.AGAIN[method]) if method in names.AGAIN else []
    if not passes:
        return {}
    good = records.usable(passes)
    again = [images.load(hole.data / row["file"]) for row in good]
    hidden = [images.patches(mask, row["patches"]) for row in good]
    return {"self_consistency": consistency.score(result, again, hidden)}


def rounded(value: float) -> float:
    return round(float(value), DECIMALS) + 0.0  # no negative zero


def _rounded_all(values: dict[str, float | None]) -> dict[str, float | None]:
    return {name: None if one is None else rounded(one) for name, one in values.items()}
