"""Put the results back into your own photographs.

    dvc repro && python stages/finish.py

Writes data/own/results/<the photograph's own name>: in its own format and quality, with its EXIF
and colour profile, upright. Of several samples it takes the first, or the one that was picked in
data/picks.csv. A photograph with several masks has a file for each, named <name>_mask001 and so
on. Needs fetch.fit: whole, and the photographs where fetch.source found them: they are only read.
"""

import csv
import hashlib
from pathlib import Path, PurePosixPath

from wizard import console, finishing, images, names, params, records, sources

DATA = Path("data")
RESULTS = Path(params.RESULTS)


def main(params_path: Path) -> None:
    settings = params.load(params_path)
    fetch = settings.fetch
    if fetch.fit != "whole":
        raise console.BadSetting(
            f"fetch.fit = {fetch.fit}: only a whole photograph can be finished; set it to whole"
        )
    if sources.kind(fetch.source) != "files":
        raise console.BadSetting(
            f"fetch.source = {fetch.source}: has no photographs of your own; give their folder"
        )
    photographs = {row["id"]: row for row in records.usable(records.read(DATA / "images.jsonl"))}
    results = chosen(records.usable(records.read(DATA / "inpainted.jsonl")), read_picks())
    request = sources.Request(**fetch.model_dump(exclude={"fit"}))
    originals = {photo.id: photo for photo in sources.collect(request).photos}
    rows = []
    for row in console.progress(results, len(results), "finish", "photograph"):
        try:
            name = finish(row, photographs[row["image"]], originals.get(row["image"]))
            rows.append({"id": row["id"], "status": records.OK, "file": name})
        except (records.Unusable, OSError) as error:
            rows.append({"id": row["id"], "status": records.FAILED, "error": str(error)})
    console.report_failures(rows, settings.runtime.max_failures)


def read_picks() -> dict[str, int]:
    """The picked sample of each hole that has one."""
    with open(DATA / "picks.csv", encoding="utf-8", newline="") as file:
        return {row["id"]: int(row["sample"]) for row in csv.DictReader(file)}


def chosen(rows: records.Rows, picks: dict[str, int]) -> list[dict]:
    """One result of the model for each hole."""
    wanted = names.MODEL
    return [r for r in rows if r["run"] == wanted and r["sample"] == picks.get(r["id"], 0)]


def finish(row: dict, about: dict, photo: sources.Photo | None) -> str:
    """Write one finished photograph; its name. Raises Unusable when that cannot be done."""
    data = photo.read() if photo else b""
    if hashlib.sha256(data).hexdigest() != about["source_sha256"]:
        raise records.Unusable("the photograph is gone or was changed since; run fetch again")
    result = images.load(DATA / row["file"])
    hole = images.load_mask(DATA / "masks" / f"{row['id']}.png", row.get("grow", 0))
    finished, kind = finishing.finish(data, result, hole)
    own = PurePosixPath(about["source_name"].replace("\\", "/"))
    suffix = own.suffix if kind == about["original_format"] or kind == "JPEG" else ".png"
    number = f"_mask{row['mask']:03d}" if row["mask"] else ""
    path = RESULTS / own.with_name(f"{own.stem}{number}{suffix}")
    if not path.resolve().is_relative_to(RESULTS.resolve()):
        raise records.Unusable(f"{path}: leads out of {RESULTS}")
    records.write_atomic(path, finished)
    return str(path)


if __name__ == "__main__":
    console.stage(main, __doc__)
