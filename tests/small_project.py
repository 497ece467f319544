"""A finished run at tiny size: real crops, masks, fills and scores, with names that mean harm."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data
from skimage.filters import gaussian

from wizard import images, metrics, names, records
from wizard.metrics import ranking, summary
from wizard.report import scores

SIZE = 64
HOSTILE = "<img src=x onerror=alert(1)>.png"
TITLE = "</script><script>alert('title')</script><!--"
PARAMS = Path(__file__).parents[1] / "params.yaml"


def build(folder: Path, per_photo: int = 3, samples: int = 1) -> Path:
    """Write data/, metrics/ and params.yaml as the stages before plot leave them.

    Two photographs; their last hole has no result: it failed.
    """
    shutil.copyfile(PARAMS, folder / "params.yaml")
    photographs, holes, fills, table = [], [], [], []
    for name, corner in (("astronaut", (0, 150)), ("helmet", (256, 256))):
        crop = data.astronaut()[corner[0] : corner[0] + 256, corner[1] : corner[1] + 256]
        original = images.fit(Image.fromarray(crop), SIZE)
        photographs.append(save(folder, f"images/{name}.png", original, id=name))
        photographs[-1] |= {"source_name": HOSTILE, "title": TITLE}
        for k in range(per_photo):
            hole, mask = f"{name}_mask{k:03d}", np.zeros((SIZE, SIZE), bool)
            mask[8 + 4 * k : 40 + 6 * k, 10 : 30 + 8 * k] = True
            about = {"id": hole, "image": name, "mask": k}
            holes.append(save(folder, f"masks/{hole}.png", mask, **about))
            facts = {"hole_fraction": round(mask.mean(), 6), "status": "ok"}
            made = [("model", sample, 1 + k + sample) for sample in range(samples)]
            for run, sample, sigma in (*made, ("baseline", 0, 5), ("roundtrip", 0, 0.5)):
                blurred = gaussian(original, sigma, channel_axis=2, preserve_range=True)
                fill = images.composite(original, np.rint(blurred).astype(np.uint8), mask)
                file = f"inpainted/{run}/{names.result(hole, sample)}.png"
                fills.append(save(folder, file, fill, run=run, sample=sample, **about))
                table.append(about | {"method": run, "sample": sample} | facts)
                table[-1] |= metrics.score(original, fill, mask, 8)
    fills[-1] |= {"status": "failed", "error": f"out of memory at {HOSTILE}"}
    for row in table[-2 - samples :]:
        for key in row.keys() - summary.FACTS:
            del row[key]
        row["status"] = "failed"
    for name, rows in (("images", photographs), ("masks", holes), ("inpainted", fills)):
        records.write(folder / f"data/{name}.jsonl", rows)
    write_numbers(folder, table)
    return folder


def save(folder: Path, file: str, array: np.ndarray, **row) -> dict:
    records.write_atomic(folder / "data" / file, images.encode(array))
    return row | {"file": file, "status": "ok"}


def fail(folder: Path, lost: Callable[[str, str, int], bool]) -> None:
    """Let results fail: those of which ``lost(hole, method, sample)`` is true."""
    manifest, table = folder / "data/inpainted.jsonl", scores.read(folder / "metrics/scores.csv")
    for row in table:
        if lost(row["id"], row["method"], row["sample"]):
            row |= dict.fromkeys(row.keys() - summary.FACTS) | {"status": "failed"}
    failed = {"status": "failed", "error": "NaN in the result"}
    rows = records.read(manifest)
    records.write(
        manifest,
        [row | (failed if lost(row["id"], row["run"], row["sample"]) else {}) for row in rows],
    )
    write_numbers(folder, table)


def write_numbers(folder: Path, table: list[dict]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, table[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    good = records.usable(table)
    quality = summary.quality(good, len(table) - len(good), 0.78, resamples=50, seed=0)
    bins = summary.by_hole(good, 0.2, resamples=50, seed=0)
    ranked = ranking.rank(good, {}, 0.2, resamples=50, seed=0)
    files = {
        "metrics/scores.csv": text.getvalue(),
        "metrics/quality.json": json.dumps(quality),
        "metrics/by_hole.json": json.dumps(bins),
        "metrics/ranking.json": json.dumps(ranked),
        "metrics/ratings.json": json.dumps({"ratings": 0, "raters": 0, "unknown": 0}),
        "data/picks.csv": "id,sample\n",
        "data/ratings.csv": "rater,id,run,criterion,value,note\n",
    }
    for name, content in files.items():
        records.write_atomic(folder / name, content.encode())
