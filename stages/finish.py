"""Put the results back into your own photographs.

    dvc repro && python stages/finish.py

Writes data/own/results/<the photograph's own name>: in its own format and quality, with its EXIF
and colour profile, upright. Of several samples it takes the first, or the one that was picked in
data/picks.csv. A photograph with several masks has a file for each, named <name>_mask001 and so
on. Needs fetch.fit: whole, and the photographs where fetch.source found them: they are only read.
"""

import hashlib
from pathlib import Path, PurePosixPath

from wizard import console, finishing, images, names, opinions, params, records, sources

DATA = Path("data")
RESULTS = Path(params.RESULTS)
NAMED = 20  # files of earlier runs


def main(params_path: Path) -> None:
    settings = params.load(params_path)
    fetch = settings.fetch
    if fetch.fit != "whole":
        raise console.BadSetting(
            f"fetch.fit = {fetch.fit}: only a whole photograph can be finished; set it to whole"
        )
    if sources.kind(fetch.source) != "files":
        raise console.BadSetting(
            f"fetch.source = {console.bare(fetch.source)}: has no photographs of your own; give "
            "their folder"
        )
    photographs = {row["id"]: row for row in records.usable(records.read(DATA / "images.jsonl"))}
    results = of_the_model(records.read(DATA / "inpainted.jsonl"))
    picks = opinions.picks(DATA / "picks.csv")
    request = sources.Request(**fetch.model_dump(exclude={"fit"}))
    originals = {photo.id: photo for photo in sources.collect(request).photos}
    rows, written = [], set[Path]()
    for hole, samples in console.progress(results.items(), len(results), "finish", "photograph"):
        try:
            row = picked(samples, picks.get(hole, 0))
            about = photographs.get(row["image"])
            path, note = finish(row, about, originals.get(row["image"]), written)
            written.add(path.resolve())
            done = {"id": hole, "status": records.OK}
            rows.append(done | ({"note": note} if note else {}))
        except (records.Unusable, OSError) as error:
            rows.append({"id": hole, "status": records.FAILED, "error": str(error)})
    tell_earlier(written)
    console.report_notes(rows, where=None)
    console.report_failures(rows, settings.runtime.max_failures, where=None)


def of_the_model(rows: records.Rows) -> dict[str, dict[int, dict]]:
    """The model's results by hole and sample, failed ones too."""
    results: dict[str, dict[int, dict]] = {}
    for row in rows:
        if row["run"] == names.MODEL:
            results.setdefault(row["id"], {})[row["sample"]] = row
    return results


def picked(samples: dict[int, dict], sample: int) -> dict:
    """The result that was picked; raises Unusable when there is none."""
    row = samples.get(sample)
    if row is None or row["status"] != records.OK:
        wrong = "is not there" if row is None else f"failed ({row['error']})"
        raise records.Unusable(f"sample {sample} {wrong}; pick another in data/picks.csv")
    return row


def finish(
    row: dict, about: dict | None, photo: sources.Photo | None, taken: set[Path]
) -> tuple[Path, str]:
    """Write one finished photograph; its path and a note. Raises Unusable when that cannot be."""
    data = photo.read() if photo else b""
    if about is None or hashlib.sha256(data).hexdigest() != about["source_sha256"]:
        raise records.Unusable("the photograph is gone or was changed since; run dvc repro")
    path = place(row, about)
    if path.resolve() in taken:
        raise records.Unusable(f"{path}: another result has this name; rename one photograph")
    result = images.load(DATA / row["file"])
    hole = images.load_mask(DATA / "masks" / f"{row['id']}.png", row.get("grow", 0))
    finished, note = finishing.finish(data, result, hole)
    records.write_atomic(path, finished)
    return path, note


def place(row: dict, about: dict) -> Path:
    """Where a finished photograph goes; raises Unusable when its name leads elsewhere."""
    own = PurePosixPath(about["source_name"])
    suffix = finishing.suffix(own.suffix, about["original_format"])
    number = f"_mask{row['mask']:03d}" if row["mask"] else ""
    path = RESULTS / own.with_name(f"{own.stem}{number}{suffix}")
    if not path.resolve().is_relative_to(RESULTS.resolve()):
        raise records.Unusable(f"{path}: leads out of {RESULTS}")
    return path


def tell_earlier(written: set[Path]) -> None:
    """Say which results are of earlier runs: they look finished, but may not be of now."""
    files = (path for path in RESULTS.rglob("*") if path.is_file())
    left = [str(path.relative_to(RESULTS)) for path in files if path.resolve() not in written]
    if left:
        more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
        console.say(f"not of this run, in {RESULTS}: {', '.join(sorted(left)[:NAMED])}{more}")


if __name__ == "__main__":
    console.stage(main, __doc__)
