"""Fetch photographs: any source → data/images/<id>.png and data/images.jsonl.

    dvc repro fetch            or            python stages/fetch.py

Every photograph comes out upright, RGB, square and of ``fetch.side`` pixels. One that cannot be
used is a row with the reason in data/images.jsonl; the stage then ends with an error after all
others are written, unless ``runtime.max_failures`` allows it. A run that was killed goes on where
it was. Settings: the blocks ``fetch`` and ``runtime`` of params.yaml.
"""

import hashlib
import io
import json
from functools import partial
from pathlib import Path

from PIL import Image

from wizard import console, images, params, records, sources
from wizard.runners import local
from wizard.sources import align

DATA = Path("data")
MIN_SIDE = 16

# A change of how pixels are made must not find the pixels of the older code in the journal.
CODE = [records.file_sha256(module.__file__) for module in (images, align)]


def main(params_path: Path) -> None:
    settings = params.load(params_path)
    fetch, runtime = settings.fetch, settings.runtime
    try:
        collection = sources.collect(sources.Request(**fetch.model_dump()))
    except (ValueError, OSError) as error:
        raise console.BadSetting(error) from None
    if collection.note:
        console.say(collection.note)

    journal = records.journal("fetch", runtime.journal_gb)
    folder = records.Folder(DATA / "images")
    work = partial(prepare, side=fetch.side, max_pixels=fetch.max_pixels, journal=journal)
    done = local.run(work, collection.photos, runtime.workers, processes=False)
    rows = records.Rows()
    for row, png in console.progress(done, collection.total, "fetch"):
        if png is not None:
            name = f"{row['id']}.png"
            folder.publish(name, png)
            row |= {"file": f"images/{name}"}
        rows.append(row | {"source": collection.source})
    if not rows:
        raise ValueError(
            f"fetch.source {fetch.source!r}: no image found from fetch.start {fetch.start} on"
        )
    folder.sweep()
    records.write(DATA / "images.jsonl", rows)
    journal.trim()
    console.report_failures(rows, runtime.max_failures)


def prepare(
    photo: sources.Photo, side: int, max_pixels: int, journal: records.Journal
) -> tuple[dict, bytes | None]:
    """One photograph's row of the manifest and its PNG, or a row with the reason and None."""
    row = {"id": photo.id, "status": records.OK, "source_name": photo.name} | photo.facts
    try:
        data = photo.read()
    except (ValueError, OSError) as error:
        return unusable(row, error), None
    sha256 = hashlib.sha256(data).hexdigest()
    key = records.fingerprint(
        source=sha256, side=side, eyes=photo.eyes, pixel_md5=photo.pixel_md5, code=CODE
    )
    png = journal.get(key)
    if png is None:
        try:
            png = develop(photo, data, side, max_pixels)
        except ValueError as error:
            return unusable(row, error), None
        journal.put(key, png)
    with Image.open(io.BytesIO(png)) as made:
        row["original_size"] = json.loads(made.text["original_size"])
    row["source_sha256"] = sha256
    if photo.eyes:
        row["crop"] = {"eyes": photo.eyes, "corners": align.corners(photo.eyes)}
    return row, png


def unusable(row: dict, error: Exception) -> dict:
    """The row of a photograph that cannot be used; without paths, which differ by machine."""
    reason = getattr(error, "strerror", None) or str(error)
    return row | {"status": records.FAILED, "error": reason}


def develop(photo: sources.Photo, data: bytes, side: int, max_pixels: int) -> bytes:
    """Decode, check, frame and encode. Raises ValueError with the reason when it cannot be used."""
    pixels, original_size = images.decode(data, max_pixels)
    if min(original_size) < MIN_SIDE:
        width, height = original_size
        raise ValueError(f"{width}×{height} pixels: smaller than {MIN_SIDE}×{MIN_SIDE}")
    if photo.pixel_md5 not in (None, hashlib.md5(pixels.tobytes()).hexdigest()):
        raise ValueError(
            f"decoded pixels differ from the official metadata (MD5 {photo.pixel_md5} expected)"
        )
    square = align.frame(pixels, photo.eyes, side) if photo.eyes else images.fit(pixels, side)
    return images.with_text(images.encode(square), {"original_size": json.dumps(original_size)})


if __name__ == "__main__":
    console.stage(main, __doc__)
