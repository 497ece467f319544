"""Fetch photographs: any source → data/images/<id>.png and data/images.jsonl.

    dvc repro fetch            or            python stages/fetch.py

Every photograph comes out upright and RGB: square and of ``fetch.side`` pixels, or, with
``fetch.fit: whole``, at its own size and shape, its colours converted to sRGB. One that cannot be
used is a row with the reason in data/images.jsonl; the stage then ends with an error after all
others are written, unless ``runtime.max_failures`` allows it. A run that was killed resumes where
it stopped. Settings: the blocks ``fetch`` and ``runtime`` of params.yaml.
"""

import hashlib
import math
from dataclasses import replace
from functools import partial
from pathlib import Path

from wizard import console, images, params, records, sources
from wizard.runners import local
from wizard.sources import align

DATA = Path("data")
MIN_SIDE = 16
DOWNLOADS = 8  # at once, ahead of the decoding: a network answers late, not slowly

# A change of how pixels are made must not find the pixels that older code or libraries made.
CODE = {
    "files": [
        records.file_sha256(str(file)) for file in (__file__, images.__file__, align.__file__)
    ],
    "libraries": records.versions("numpy", "opencv-python-headless", "pillow", "pi-heif"),
}


def main(params_path: Path) -> None:
    settings = params.load(params_path)
    fetch, runtime = settings.fetch, settings.runtime
    try:
        collection = sources.collect(sources.Request(**fetch.model_dump(exclude={"fit"})))
    except OSError as error:
        raise console.BadSetting(error) from None
    for note in collection.notes:
        console.say(note)

    cache = records.result_cache("fetch", runtime.cache_gb)
    folder = records.Folder(DATA / "images")
    work = partial(prepare, settings=fetch, cache=cache)
    photos = collection.photos
    if collection.is_far:
        photos = local.run(download, photos, DOWNLOADS, processes=False)
    done = local.run(work, photos, runtime.workers, processes=False)
    rows = records.Rows()
    for row, png in console.progress(done, collection.total, "fetch"):
        if png is not None:
            name = f"{row['id']}.png"
            row |= {"file": f"images/{name}", "md5": folder.publish(name, png)}
        rows.append(row | {"source": collection.source})
    if not rows:
        raise records.Unusable(
            f"fetch.source {collection.source!r}: no image found from fetch.start {fetch.start} on"
        )
    folder.sweep()
    records.write(DATA / "images.jsonl", rows)
    cache.trim()
    console.report_notes(rows)
    console.report_failures(rows, runtime.max_failures)


def download(photo: sources.Photo) -> sources.Photo:
    """The same photograph with its bytes, or the reason why there are none, at hand."""
    try:
        data = photo.read()
    except (records.Unusable, OSError) as error:
        return replace(photo, read=partial(fail, error))
    return replace(photo, read=lambda: data)


def fail(error: Exception) -> bytes:
    """The outcome of reading a photograph whose download failed."""
    raise error


def prepare(
    photo: sources.Photo, settings: params.Fetch, cache: records.ResultCache
) -> tuple[dict, bytes | None]:
    """One photograph's row of the manifest and its PNG, or a row with the reason and None."""
    row = {"id": photo.id, "status": records.OK, "source_name": photo.name} | photo.facts
    eyes = photo.eyes if settings.fit == "square" else None
    side = settings.side if settings.fit == "square" else None
    try:
        data = photo.read()
    except (records.Unusable, OSError) as error:
        return unusable(row, error), None
    sha256 = hashlib.sha256(data).hexdigest()
    key = records.fingerprint(
        source=sha256, side=side, eyes=eyes, pixel_md5=photo.pixel_md5, code=CODE
    )
    entry = cache.get(key)
    if entry and math.prod(entry.facts["original_size"]) <= settings.max_pixels:
        png, facts = entry.data, entry.facts
    else:
        try:
            png, facts = develop(data, side, eyes, photo.pixel_md5, settings.max_pixels)
        except records.Unusable as error:
            return unusable(row, error), None
        cache.put(key, png, facts)
    row |= facts | {"source_sha256": sha256}
    if eyes:
        row["crop"] = {"eyes": eyes, "corners": align.corners(eyes)}
    return row, png


def unusable(row: dict, error: Exception) -> dict:
    """The row of a photograph that cannot be used; without paths, which differ by machine."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    # It may name a file, in characters that no manifest can hold.
    return row | {"status": records.FAILED, "error": console.plain(reason)}


def develop(
    data: bytes,
    side: int | None,
    eyes: align.Eyes | None,
    pixel_md5: str | None,
    max_pixels: int,
) -> tuple[bytes, dict]:
    """Decode, check, frame (unless ``side`` is None) and encode: a PNG, and its part of the row.

    Raises Unusable with the reason when the photograph cannot be used.
    """
    # Eyes are places in the photograph at its own size, and the MD5 is of all its pixels.
    may_reduce = side if not eyes and not pixel_md5 else None
    photo = images.read(data, max_pixels, may_reduce, to_srgb=side is None)
    shortest = min(photo.size)
    if shortest < MIN_SIDE:
        width, height = photo.size
        raise records.Unusable(f"{width}×{height} pixels: smaller than {MIN_SIDE}×{MIN_SIDE}")
    if pixel_md5 and pixel_md5 != hashlib.md5(photo.rgb.tobytes()).hexdigest():
        raise records.Unusable(
            f"decoded pixels differ from the official metadata (MD5 {pixel_md5} expected)"
        )
    note, facts = photo.note, {"original_size": list(photo.size), "original_format": photo.format}
    if side is None:
        pixels = photo.pixels
    else:
        pixels = align.frame(photo.rgb, eyes, side) if eyes else images.fit(photo.rgb, side)
        if shortest < side:
            note = f"enlarged {side / shortest:.1f} times to fetch.side"
    del photo  # or a whole photograph would be held twice while it is encoded
    height, width = pixels.shape[:2]
    facts = {"width": width, "height": height} | facts
    return images.encode(pixels), facts | ({"note": note} if note else {})


if __name__ == "__main__":
    console.stage(main, __doc__)
