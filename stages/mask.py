"""Draw holes over the photographs.

    python stages/mask.py          (or: dvc repro mask)

Reads data/images.jsonl, writes data/masks/<image id>_mask<k>.png (white = hole), the manifest
data/masks.jsonl, and metrics/masks.png, a sheet of holes over photographs to look at before a
long run. A mask depends on mask.seed and its own id alone: adding or removing photographs moves
no other mask.
"""

from functools import partial
from pathlib import Path

import numpy as np

from wizard import images, masks, params, records
from wizard.console import progress, report_failures, stage
from wizard.masks import files
from wizard.report import sheets
from wizard.runners import local

DATA = Path("data")
PREVIEWED = 24


def main(params_path: Path) -> None:
    everything = params.load(params_path)
    settings, runtime = everything.mask, everything.runtime
    photographs = records.usable(records.read(DATA / "images.jsonl"))

    folder = records.Folder(DATA / "masks")
    work = partial(draw_all, settings=settings)
    drawn = local.run(work, photographs, runtime.workers, processes=False)
    rows = records.Rows()
    for made in progress(drawn, len(photographs), "mask"):
        for row, mask in made:
            if mask is not None:
                folder.publish(f"{row['id']}.png", images.encode(mask))
            rows.append(row)
    folder.sweep()
    records.write(DATA / "masks.jsonl", rows)
    preview(photographs, records.usable(rows))
    report_failures(rows, runtime.max_failures)


def draw_all(photo: dict, settings: params.Mask) -> list[tuple[dict, np.ndarray | None]]:
    """The masks of one photograph, each with its finished row."""
    height, width = images.load(DATA / photo["file"]).shape[:2]
    if settings.shape == "files":
        found = files.find(Path(settings.folder), photo["source_name"]) or [None]
    else:
        count = settings.per_image
        if count == "auto":
            count = 8 if photo["source"] == "samples" else 1
        found = [None] * count
    return [draw(photo, k, path, height, width, settings) for k, path in enumerate(found)]


def draw(
    photo: dict, k: int, path: Path | None, height: int, width: int, settings: params.Mask
) -> tuple[dict, np.ndarray | None]:
    """One finished row and its mask; a mask that cannot be had is a failed row."""
    name = f"{photo['id']}_mask{k:03d}"
    row = {"id": name, "image": photo["id"], "mask": k, "shape": settings.shape}
    rng = np.random.default_rng(records.seed(settings.seed, "mask", name))
    try:
        if settings.shape == "files":
            # Aligned photographs were turned and cropped in a way that a mask cannot follow.
            original = None if "crop" in photo else tuple(photo["original_size"])
            mask = files.load(path, height, width, settings.hole, original)
        else:
            ratio = settings.ratio
            if isinstance(ratio, list):
                ratio = rng.uniform(*ratio)
            options = {"strokes": settings.strokes, "side": settings.side}
            mask = masks.draw(settings.shape, rng, height, width, ratio, **options)
    except ValueError as error:
        return row | {"status": records.FAILED, "error": str(error)}, None
    facts = {"file": f"masks/{name}.png", "hole_fraction": round(float(mask.mean()), 6)}
    return row | facts | {"status": records.OK}, mask


def preview(photographs: records.Rows, rows: records.Rows) -> None:
    """A sheet of the first holes over their photographs."""
    files_of = {photo["id"]: DATA / photo["file"] for photo in photographs[:PREVIEWED]}
    shown = rows[:PREVIEWED]
    sheet = sheets.mask_sheet(
        [images.load(files_of[row["image"]]) for row in shown],
        [images.load_mask(DATA / row["file"]) for row in shown],
        [row["id"] for row in shown],
    )
    records.write_atomic(Path("metrics/masks.png"), images.encode(sheet))


if __name__ == "__main__":
    stage(main, __doc__)
