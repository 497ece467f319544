"""Draw holes over the photographs.

    python stages/mask.py          (or: dvc repro mask)

Reads data/images.jsonl, writes data/masks/<image id>_mask<k>.png (white = hole), the manifest
data/masks.jsonl, and metrics/masks.png, a sheet of holes over photographs to look at before a
long run. A mask depends on mask.seed and its own id alone: adding or removing photographs moves
no other mask.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from wizard import images, masks, params, records
from wizard.console import plain, progress, report_failures, report_notes, stage
from wizard.masks import files
from wizard.report import sheets
from wizard.runners import local

DATA = Path("data")
PREVIEWED = 24


def main(params_path: Path) -> None:
    everything = params.load(params_path)
    settings, runtime = everything.mask, everything.runtime
    masks.check(settings.shape, settings.variant, settings.ratio)
    fetched = records.read(DATA / "images.jsonl")
    photographs = records.usable(fetched)
    library = None
    if settings.shape == "files":
        names = (photo[key] for photo in fetched for key in ("id", "source_name"))
        library = files.Library(Path(settings.folder), names)

    folder = records.Folder(DATA / "masks")
    work = partial(draw_all, settings=settings, library=library)
    drawn = local.run(work, photographs, runtime.workers, processes=False)
    rows = records.Rows()
    for made in progress(drawn, len(photographs), "mask"):
        for row, mask in made:
            if mask is not None:
                row |= {"md5": folder.publish(f"{row['id']}.png", images.encode(mask))}
            rows.append(row)
    folder.sweep()
    records.write(DATA / "masks.jsonl", rows)
    report_notes(rows)
    report_failures(rows, runtime.max_failures)
    preview(photographs, records.usable(rows))


def draw_all(
    photo: dict, settings: params.Mask, library: files.Library | None
) -> list[tuple[dict, np.ndarray | None]]:
    """The masks of one photograph, each with its finished row."""
    count = settings.per_image
    if count == "auto":
        count = 8 if photo["source"] == "samples" else 1
    found: Sequence[Path | None] = [None] * count
    if library and settings.pairing == "name":
        # By its id first: it alone tells trip/a.png, which is trip-a, from a.png.
        found = library.of(photo["id"]) or library.of(photo["source_name"]) or [None]
    pixels = images.load(DATA / photo["file"])
    return [draw(photo, k, pixels, path, settings, library) for k, path in enumerate(found)]


def draw(
    photo: dict,
    k: int,
    pixels: np.ndarray,
    path: Path | None,
    settings: params.Mask,
    library: files.Library | None,
) -> tuple[dict, np.ndarray | None]:
    """One finished row and its mask; a mask that cannot be had is a failed row."""
    name = f"{photo['id']}_mask{k:03d}"
    row = {"id": name, "image": photo["id"], "mask": k, "shape": settings.shape}
    rng = np.random.default_rng(records.seed(settings.seed, "mask", name))
    height, width = pixels.shape[:2]
    try:
        if library is None:
            ratio = settings.ratio
            if isinstance(ratio, list):
                ratio = rng.uniform(ratio[0], ratio[1])
            mask = masks.draw(
                settings.shape,
                rng,
                height,
                width,
                ratio,
                settings.variant,
                image=pixels,
                aligned="crop" in photo or "ffhq" in Path(photo["source"]).name.lower(),
            )
        elif settings.pairing == "shuffle":
            mask = files.resized(library.draw(rng), height, width, settings.hole)
        elif path is None:
            raise records.Unusable(
                "no mask in mask.folder; name it <image>.png or <image>_mask.png"
            )
        else:
            # Aligned photographs were turned and cropped in a way that a mask cannot follow.
            original = None if "crop" in photo else tuple(photo["original_size"])
            mask = files.load(path, height, width, settings.hole, original)
    except records.Unusable as error:
        return row | {"status": records.FAILED, "error": plain(str(error))}, None
    if not mask.any():
        note = f"{settings.shape}: found none, so this photograph stays as it is"
        return row | {"status": records.NO_HOLE, "note": note}, None
    facts = {"file": f"masks/{name}.png", "hole_fraction": float(f"{mask.mean():.6g}")}
    return row | facts | {"status": records.OK}, mask


def preview(photographs: records.Rows, rows: records.Rows) -> None:
    """A sheet of the first holes over their photographs."""
    if not rows:
        lacking = "no hole in any photograph" if photographs else "fetch found no photograph"
        raise records.Unusable(f"{lacking}, so there is nothing to inpaint")
    shown = rows[:PREVIEWED]
    wanted = {row["image"] for row in shown}
    file_of = {photo["id"]: photo["file"] for photo in photographs if photo["id"] in wanted}
    sheet = sheets.mask_sheet(
        (
            (
                images.load(DATA / file_of[row["image"]]),
                images.load_mask(DATA / row["file"]),
                row["id"],
            )
            for row in shown
        ),
        len(shown),
    )
    records.write_atomic(Path("metrics/masks.png"), images.encode(sheet))


if __name__ == "__main__":
    stage(main, __doc__)
