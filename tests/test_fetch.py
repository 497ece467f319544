"""Photographs of every kind of source come out as square PNGs with a truthful manifest."""

import hashlib
import http.server
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import yaml
from clones import pretend_version
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import check
import fetch
from wizard import console, images, records, sources
from wizard.sources import align
from wizard.sources.photo import InTurn, file_ids

ROOT = Path(__file__).parents[1]


def photograph(seed: int = 0, width: int = 40, height: int = 32) -> np.ndarray:
    """A smooth uint8 RGB picture that is another one for each seed."""
    y, x = np.mgrid[:height, :width]
    channels = [127 + 120 * np.sin((x + seed * 7 + c) / 9) * np.cos((y - c) / 7) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def encoded(seed: int = 0, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photograph(seed)).save(buffer, form, **options)
    return buffer.getvalue()


def settings(folder: Path, runtime: dict | None = None, **changes) -> Path:
    """The project's own params.yaml with other fetch settings, in a folder of its own."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    content["fetch"] |= {"side": 32} | changes
    content["runtime"] |= runtime or {}
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the stage in an empty folder; returns the manifest's rows."""
    place = tmp_path / "repository"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.delenv("DVC_ROOT", raising=False)

    def run(source, **changes) -> list[dict]:
        fetch.main(settings(place, source=str(source), **changes))
        return records.read("data/images.jsonl")

    return run


def run_script(
    place: Path, script: Path = ROOT / "stages" / "fetch.py", **environment
) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, script],
        cwd=place,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def album(tmp_path) -> Path:
    """Three photographs, two of them alike but for the folder or the suffix."""
    folder = tmp_path / "album"
    (folder / "trip").mkdir(parents=True)
    (folder / "a.png").write_bytes(encoded(1))
    (folder / "a.jpg").write_bytes(encoded(2, "JPEG"))
    (folder / "trip" / "a.png").write_bytes(encoded(3))
    (folder / ".hidden.png").write_bytes(encoded(4))
    (folder / "notes.txt").write_text("not a photograph")
    return folder


ALBUM = {"a-jpg": "a.jpg", "a-png": "a.png", "trip-a": "trip/a.png"}
# A tar is a stream: what comes first has its plain name.
TARRED = {"a": "a.jpg", "a-png": "a.png", "trip-a": "trip/a.png"}


def names(rows: list[dict]) -> dict[str, str]:
    assert all(row["status"] == "ok" for row in rows), rows
    return {row["id"]: row["source_name"] for row in rows}


# --- samples


def test_samples_are_two_credited_portraits(run):
    rows = run("samples", side=128)
    assert [row["id"] for row in rows] == ["astronaut", "grace_hopper"]
    for row in rows:
        assert images.load(Path("data", row["file"])).shape == (128, 128, 3)
        assert row["title"] and row["author"] and "public domain" in row["licence"]
        assert len(row["crop"]["corners"]) == 4


def test_frame_puts_the_eyes_where_ffhq_has_them():
    picture = np.zeros((400, 400, 3), np.uint8)
    eyes = ((150, 170), (214, 186))
    for x, y in eyes:
        picture[y - 3 : y + 3, x - 3 : x + 3] = 255
    framed = align.frame(Image.fromarray(picture), eyes, 128)[..., 0].astype(float)
    for u, half in ((0.3725, framed[:, :64]), (0.6255, framed[:, 64:])):
        y, x = np.mgrid[: half.shape[0], : half.shape[1]] + 0.5
        x += 64 * (u > 0.5)
        centre = (x * half).sum() / half.sum(), (y * half).sum() / half.sum()
        assert centre == pytest.approx((u * 128, 0.4735 * 128), abs=0.3)


def test_frame_beyond_the_photograph_is_refused():
    with pytest.raises(ValueError, match="extends beyond the 60×60 photograph"):
        align.frame(Image.new("RGB", (60, 60)), ((10, 10), (50, 10)), 32)


# --- files


def test_folder(run, album):
    rows = run(album)
    assert names(rows) == ALBUM
    for row in rows:
        data = (album / row["source_name"]).read_bytes()
        assert row["source_sha256"] == hashlib.sha256(data).hexdigest()
        assert row["original_size"] == [40, 32]
        assert images.load(Path("data", row["file"])).shape == (32, 32, 3)


def test_image_is_the_centre_crop_resized(run, album):
    row = next(row for row in run(album) if row["id"] == "a-png")
    expected = photograph(1)[:, 4:36]
    assert np.array_equal(images.load(Path("data", row["file"])), expected)


def test_glob(run, album):
    assert set(names(run(f"{album}/*.png"))) == {"a"}
    assert set(names(run(f"{album}/**/*.png"))) == {"a", "trip-a"}


def test_single_file(run, album):
    assert names(run(album / "a.jpg")) == {"a": "a.jpg"}


def test_file_url(run, album):
    assert names(run(f"file://{album}")) == ALBUM


def test_folder_whose_name_has_pattern_characters(run, album):
    odd = album.rename(album.with_name("odd [1]*"))
    assert names(run(odd)) == ALBUM


def zipped(album: Path) -> Path:
    path = album.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(album.rglob("*.*")):
            archive.write(file, file.relative_to(album))
    return path


def tarred(album: Path, suffix: str = ".tar") -> Path:
    path = album.with_suffix(suffix)
    mode = {".tar": "w", ".tgz": "w:gz", ".tar.xz": "w:xz"}[suffix]
    with tarfile.open(path, mode) as archive:
        archive.add(album, arcname=".")
    return path


def test_zip_gives_the_same_bytes_as_its_folder(run, album):
    run(album)
    before = {path.name: path.read_bytes() for path in Path("data/images").iterdir()}
    assert names(run(zipped(album))) == ALBUM
    assert {path.name: path.read_bytes() for path in Path("data/images").iterdir()} == before


@pytest.mark.parametrize("odd", ["trip #1", "who?", "[1]"])
def test_archive_whose_name_looks_like_a_part_of_an_address(run, album, odd):
    path = zipped(album)
    assert names(run(path.rename(path.with_stem(odd)))) == ALBUM


@pytest.mark.parametrize("suffix", [".tar", ".tgz", ".tar.xz"])
def test_tar(run, album, suffix):
    assert names(run(tarred(album, suffix))) == TARRED


def webdataset(path: Path, numbers) -> Path:
    with tarfile.open(path, "w") as archive:
        for number in numbers:
            for suffix, data in ((".json", b"{}"), (".webp", encoded(number, "WEBP"))):
                entry = tarfile.TarInfo(f"{number:05d}{suffix}")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    return path


def test_webdataset_tar(run, tmp_path):
    path = webdataset(tmp_path / "shard.tar", range(4))
    assert list(names(run(path))) == [f"{number:05d}" for number in range(4)]
    assert list(names(run(path, start=1, count=2))) == ["00001", "00002"]


def test_equal_names_in_two_shards_stay_apart(run, tmp_path):
    for shard in "ab":
        webdataset(tmp_path / f"{shard}.tar", range(2))
    rows = run(f"{tmp_path}/*.tar")
    assert sorted(names(rows).values()) == [f"{s}.tar/0000{n}.webp" for s in "ab" for n in (0, 1)]


@pytest.fixture
def server(tmp_path):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = partial(Quiet, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_http_folder(run, album, server):
    assert names(run(f"{server}/album/")) == ALBUM


def test_downloads_run_ahead_of_the_decoding(run, tmp_path):
    """One decoder, but at any time several requests are waiting for their answer."""
    waiting, most, lock = 0, 0, threading.Lock()

    class Slow(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            nonlocal waiting, most
            with lock:
                waiting += 1
                most = max(most, waiting)
            time.sleep(0.1)
            super().do_GET()
            with lock:
                waiting -= 1

        def log_message(self, *_):
            pass

    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02d}.png").write_bytes(encoded(number))
    handler = partial(Slow, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        source = f"http://127.0.0.1:{server.server_port}/photos/"
        rows = run(source, runtime={"workers": 1})
        server.shutdown()
    assert len(names(rows)) == 12 and 4 <= most <= 8


def test_http_tar(run, album, server):
    tarred(album)
    assert names(run(f"{server}/album.tar")) == TARRED


def test_http_parquet(run, tmp_path, server):
    parquet(tmp_path / "photos.parquet")
    assert list(names(run(f"{server}/photos.parquet"))) == ["00000", "00001", "00002"]


def test_start_and_count(run, album):
    assert list(names(run(album, start=1, count=1))) == ["a-png"]


# --- size and shape


def test_square_tells_when_a_photograph_was_enlarged(run, album, capsys):
    row = next(row for row in run(album, side=64) if row["id"] == "a-png")
    assert row["note"] == "enlarged 2.0 times to fetch.side"
    assert "note: a-png: enlarged 2.0 times" in capsys.readouterr().err
    assert (row["width"], row["height"], row["original_size"]) == (64, 64, [40, 32])


def test_whole_keeps_size_shape_and_every_pixel(run, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    wide, odd = photograph(width=20_000, height=20), photograph(1, width=101, height=77)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(wide).save(folder / "wide.png")
    Image.fromarray(odd).save(folder / "odd.png", exif=exif)
    rows = {row["source_name"]: row for row in run(folder, fit="whole")}
    made = {name: images.load(Path("data", row["file"])) for name, row in rows.items()}
    assert np.array_equal(made["wide.png"], wide)
    assert np.array_equal(made["odd.png"], np.rot90(odd, -1))
    assert [rows["odd.png"][key] for key in ("width", "height")] == [77, 101]
    assert rows["odd.png"]["original_size"] == [77, 101]
    assert rows["odd.png"]["original_format"] == "PNG"


def test_whole_says_when_colours_could_not_be_converted(run, album, capsys):
    (album / "odd.png").write_bytes(encoded(7, icc_profile=b"no profile"))
    rows = {row["source_name"]: row for row in run(album, fit="whole")}
    assert rows["odd.png"]["status"] == "ok" and "ICC profile" in rows["odd.png"]["note"]
    assert "colours are taken for sRGB" in capsys.readouterr().err
    assert "note" not in rows["a.png"]


def test_a_side_that_whole_does_not_use_changes_nothing(run, album, monkeypatch):
    run(album, fit="whole", side=32)
    monkeypatch.setattr(images, "read", None)
    run(album, fit="whole", side=64)


# --- captions


def prompts(rows) -> dict[str, str | None]:
    return {row["source_name"]: row.get("prompt") for row in rows}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_captions_of_the_folder_and_beside_a_photograph(run, album, form, packed, capsys):
    lines = {
        "jsonl": '{"file_name": "a.png", "text": "a wave, blue", "negative_prompt": "text"}\n'
        '\n{"file_name": "gone.png", "text": "nothing"}\n',
        "csv": 'file_name,text,negative_prompt\na.png,"a wave, blue",text\ngone.png,nothing,\n',
    }
    (album / f"metadata.{form}").write_text(lines[form])
    (album / "trip" / "a.txt").write_text("a journey\n")
    rows = run(zipped(album) if packed else album)
    assert prompts(rows) == {"a.jpg": None, "a.png": "a wave, blue", "trip/a.png": "a journey"}
    told = {row["source_name"]: row.get("negative_prompt") for row in rows}
    assert told == {"a.jpg": None, "a.png": "text", "trip/a.png": None}
    if not packed:
        assert "captions of photographs that are missing: gone.png" in capsys.readouterr().err


def test_a_blank_caption_is_none(run, album):
    row = {"file_name": "a.png", "text": " \n", "negative_prompt": "\t"}
    (album / "metadata.jsonl").write_text(json.dumps(row))
    (album / "trip" / "a.txt").write_text("\n")
    for row in run(album):
        assert not {"prompt", "negative_prompt"} & row.keys()


def test_photographs_of_the_same_name_get_longer_ids_and_a_line_says_so(run, album, capsys):
    assert [row["id"] for row in run(album)] == list(ALBUM)
    assert "fetch: same name, so given longer ids: a.jpg, a.png\n" in capsys.readouterr().err
    (album / "a.jpg").unlink()
    run(album)
    assert "same name" not in capsys.readouterr().err


def test_metadata_in_a_folder_below_speaks_of_that_folder(run, album):
    (album / "trip" / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "far"}')
    assert prompts(run(album)) == {"a.jpg": None, "a.png": None, "trip/a.png": "far"}


def test_a_caption_may_hold_whatever_json_allows(run, album):
    rows = [{"file_name": "a.jpg", "text": "one\u2028two\x85three"}]
    rows.append({"file_name": "a.png", "text": "half \ud83d"})
    lines = [json.dumps(rows[0], ensure_ascii=False), json.dumps(rows[1])]
    (album / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    told = prompts(run(album))
    assert told == {"a.jpg": "one\u2028two\x85three", "a.png": r"half \ud83d", "trip/a.png": None}


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("metadata.jsonl", "{not json", r"metadata.jsonl:1: not JSON: .*, column 2$"),
        ("metadata.jsonl", '{"file_name": "a.png"}\r\n\n[', "jsonl:3: not JSON: .*, column 2$"),
        ("metadata.jsonl", "[" * 99_999, r"metadata.jsonl: cannot be read: maximum recursion"),
        ("metadata.jsonl", '{"text": "x"}', r"metadata.jsonl:1: no file_name"),
        ("metadata.jsonl", '{"file_name": "a.png", "text": 7}', "prompt is not text"),
        ("metadata.csv", "file_name,text\na.png,x\na.png,y\n", "csv:3: a second row for a.png"),
        ("metadata.csv", b"file_name,text\na.png,\xff\n", "metadata.csv: not UTF-8"),
    ],
)
def test_damaged_metadata_is_one_line(run, album, name, content, line):
    (album / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(console.BadSetting, match=line):
        run(album)


def test_a_caption_that_is_no_text_costs_its_photograph_only(run, album):
    (album / "trip" / "a.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(console.TooManyFailures):
        run(album)
    rows = {row["source_name"]: row for row in records.read("data/images.jsonl")}
    assert rows["a.png"]["status"] == "ok"
    assert "trip/a.txt: not UTF-8 text" in rows["trip/a.png"]["error"]


def test_a_changed_caption_decodes_nothing_again(run, album, monkeypatch):
    (album / "a.txt").write_text("one")
    before = run(album)
    (album / "a.txt").write_text("two")
    monkeypatch.setattr(images, "read", None)
    after = run(album)
    assert [row["id"] for row in after if row not in before] == ["a-jpg", "a-png"]


def test_caption_column_of_a_table(run, tmp_path):
    values = [{"bytes": encoded(number), "path": None} for number in range(4)]
    table = pyarrow.table({"image": values, "caption": ["one", None, "three", " \n"]})
    pyarrow.parquet.write_table(table, tmp_path / "faces.parquet")
    rows = run(tmp_path / "faces.parquet", caption_column="caption")
    assert [row.get("prompt") for row in rows] == ["one", None, "three", None]
    with pytest.raises(console.BadSetting, match=r"caption_column = 'text'.*image, caption"):
        run(tmp_path / "faces.parquet", caption_column="text")


# --- Parquet and the Hub


def parquet(path: Path, column: str = "image", count: int = 3, paths: bool = True) -> Path:
    values = [encoded(number) for number in range(count)]
    if paths:
        values = [{"bytes": data, "path": f"{n}.png"} for n, data in enumerate(values)]
    table = pyarrow.table({"label": list(range(count)), column: values})
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, path)
    return path


@pytest.mark.parametrize("paths", [True, False])
def test_parquet_rows_get_their_number_as_id(run, tmp_path, paths):
    path = parquet(tmp_path / "photos.parquet", paths=paths)
    assert list(names(run(path))) == ["00000", "00001", "00002"]
    assert list(names(run(path, start=1, count=1))) == ["00001"]


def test_parquet_glob_and_column(run, tmp_path):
    for part in "ab":
        parquet(tmp_path / f"{part}.parquet", column="face")
    for pattern in ("*.parquet", "?.parquet"):
        rows = run(f"{tmp_path}/{pattern}", column="face")
        assert list(names(rows)) == [f"{number:05d}" for number in range(6)]


def test_unknown_column_names_those_there_are(run, tmp_path):
    path = parquet(tmp_path / "photos.parquet")
    with pytest.raises(console.BadSetting, match=r"fetch.column = 'photo'.*label, image"):
        run(path, column="photo")


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def hub_cache(home: Path, name: str) -> Path:
    """The folder that `hf download NAME --repo-type dataset` fills; returns the snapshot."""
    base = home / "hub" / f"datasets--{name.replace('/', '--')}"
    (base / "refs").mkdir(parents=True)
    (base / "refs" / "main").write_text(COMMIT)
    return base / "snapshots" / COMMIT


def offline(tmp_path: Path, home: Path, **changes) -> subprocess.CompletedProcess:
    place = tmp_path / "offline"
    place.mkdir(exist_ok=True)
    settings(place, **changes)
    return run_script(place, HF_HOME=str(home), HF_HUB_OFFLINE="1")


def test_filled_hub_cache_is_read_offline(tmp_path):
    parquet(hub_cache(tmp_path / "hf", "someone/faces") / "data" / "test-0.parquet")
    done = offline(tmp_path, tmp_path / "hf", source="someone/faces", split="test", start=1)
    assert done.returncode == 0, done.stderr
    rows = records.read(tmp_path / "offline" / "data" / "images.jsonl")
    assert list(names(rows)) == ["00001", "00002"]
    assert {row["revision"] for row in rows} == {COMMIT}
    assert {row["source"] for row in rows} == {"someone/faces"}


@pytest.mark.parametrize("archived", [False, True])
def test_hub_data_set_of_image_files(tmp_path, archived):
    snapshot = hub_cache(tmp_path / "hf", "someone/faces")
    folder = snapshot / "train"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"face{number}.png").write_bytes(encoded(number))
    if archived:
        zipped(folder)
        shutil.rmtree(folder)
    done = offline(tmp_path, tmp_path / "hf", source="someone/faces")
    assert done.returncode == 0, done.stderr
    rows = records.read(tmp_path / "offline" / "data" / "images.jsonl")
    assert names(rows) == {f"{n:05d}": f"row {n}: face{n}.png" for n in range(3)}
    assert rows[2]["source_sha256"] == hashlib.sha256(encoded(2)).hexdigest()


def official(number: int, pixels: np.ndarray) -> dict:
    about = {"photo_title": f"DSC{number}", "author": "A. Author", "license": "CC BY 2.0"}
    md5 = hashlib.md5(pixels.tobytes()).hexdigest()
    return {"metadata": about, "image": {"pixel_md5": md5, "face_landmarks": [[1, 2]]}}


def test_ffhq_checks_the_official_pixels_and_numbers_as_ffhq_does(tmp_path):
    snapshot = hub_cache(tmp_path / "hf", "gaunernst/ffhq-1024-wds")
    snapshot = snapshot.with_name("d74f1f1f59e3bbe975bee29872b9bef827314577")
    snapshot.mkdir(parents=True)
    with tarfile.open(snapshot / "00000.tar", "w") as archive:
        for number in range(3):
            data = encoded(number, "WEBP", lossless=True)
            entry = tarfile.TarInfo(f"{number:05d}.webp")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    metadata = tmp_path / "ffhq-dataset-v2.json"
    shown = {0: 0, 1: 1, 2: 7}  # the third photograph is not the official one
    metadata.write_text(json.dumps({n: official(n, photograph(s)) for n, s in shown.items()}))
    done = offline(
        tmp_path, tmp_path / "hf", source="ffhq", side=1024, start=1, metadata=str(metadata)
    )
    assert done.returncode == 1 and "1 failed" in done.stderr
    good, bad = records.read(tmp_path / "offline" / "data" / "images.jsonl")
    assert (good["id"], good["status"], good["author"]) == ("00001", "ok", "A. Author")
    assert (bad["id"], bad["status"]) == ("00002", "failed")
    assert "differ from the official metadata" in bad["error"]


def test_ffhq_without_a_known_commit_asks_for_one(run):
    with pytest.raises(console.BadSetting, match="fetch.revision is null: no commit of nuwandaa"):
        run("ffhq", side=128)


def test_ffhq_size_without_a_mirror(run):
    with pytest.raises(console.BadSetting, match="fetch.side = 64.*128, 256, 512, 1024"):
        run("ffhq", side=64)


def test_unreachable_hub_tells_how_to_download_first(tmp_path):
    done = offline(tmp_path, tmp_path / "hf", source="someone/faces", revision="v1")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "hf download someone/faces --repo-type dataset --revision v1" in done.stderr


def test_data_set_with_only_a_script_runs_nothing(tmp_path):
    snapshot = hub_cache(tmp_path / "hf", "someone/faces")
    snapshot.mkdir(parents=True)
    for script in ("faces.py", f"{COMMIT}.py"):
        (snapshot / script).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    done = offline(tmp_path, tmp_path / "hf", source="someone/faces")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "no code of a data set is run" in done.stderr
    assert not (tmp_path / "ran").exists()


# --- settings and sources that cannot work


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "./nowhere"}, "no such file, or an empty folder"),
        ({"source": "nowhere/*.png"}, "no such file, or an empty folder"),
        ({"source": "samples", "start": 2}, "there are 2 samples"),
        ({"source": "samples", "revision": "v1"}, "fetch.revision = 'v1': has no meaning"),
        ({"source": "no such thing"}, "no such file or folder, and no Hub id"),
        ({"source": "gopher://host/x.png"}, "Protocol not known"),
    ],
)
def test_impossible_source_is_one_line_and_leaves_outputs_alone(run, changes, message):
    Path("data/images").mkdir(parents=True)
    Path("data/images/kept.png").write_bytes(b"earlier")
    with pytest.raises(console.BadSetting, match=message) as caught:
        run(**changes)
    assert "\n" not in str(caught.value)
    assert Path("data/images/kept.png").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "samples", "revision": "v1"}, "fetch.revision = 'v1': has no meaning"),
        ({"source": "samples", "start": 2}, "there are 2 samples"),
        ({"source": "ffhq", "side": 128}, "fetch.revision is null: no commit of nuwandaa"),
        ({"source": "ffhq", "side": 64}, "fetch.side = 64: ffhq comes at"),
    ],
)
def test_check_refuses_what_fetch_would_before_anything_is_deleted(run, changes, message):
    with pytest.raises(console.BadSetting, match=message):
        check.main(settings(Path.cwd(), **changes))
    assert not Path("data/checked").exists()


def test_start_behind_the_last_photograph(run, album):
    with pytest.raises(ValueError, match="no image found from fetch.start 3 on"):
        run(album, start=3)


def test_empty_folder_with_gitkeep(run, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / ".gitkeep").touch()
    with pytest.raises(console.BadSetting, match="an empty folder"):
        run(folder)


# --- ids


NAMES = st.lists(st.text("aB._-/é", min_size=1, max_size=6), unique=True, max_size=8)


@given(NAMES, st.randoms())
def test_ids_are_safe_distinct_and_of_no_order(paths, random):
    ids = file_ids(paths)
    random.shuffle(paths)
    assert file_ids(paths) == ids and len(set(ids.values())) == len(paths)
    in_turn = InTurn()
    for photo_id in [*ids.values(), *(in_turn.id(path) for path in paths)]:
        assert len(photo_id) <= 90
        assert photo_id[0].isascii() and photo_id[0].isalnum()
        assert set(photo_id) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")
    assert len({in_turn.id(path) for path in paths}) == len(paths)


def test_a_photograph_keeps_its_name_unless_another_has_it_too():
    assert file_ids(["cat.png", "IMG_1.JPG"]) == {"cat.png": "cat", "IMG_1.JPG": "img_1"}
    assert file_ids(["cat.png", "cat.jpg"]) == {"cat.png": "cat-png", "cat.jpg": "cat-jpg"}
    three = file_ids(["a.png", "a.jpg", "a-png.jpg"])
    assert three["a.jpg"] == "a-jpg" and three["a-png.jpg"] == "a-png-jpg"
    assert three["a.png"].startswith("a-") and three["a.png"] not in ("a-png", "a-jpg")


def test_adding_a_file_changes_no_other_row(run, album):
    before = run(album)
    (album / "A0.png").write_bytes(encoded(9))
    after = run(album)
    assert len(after) == 4 and all(row in after for row in before)


# --- the result cache and repetition


def count_decoded(monkeypatch) -> list:
    """A list that gets an item for each photograph that is decoded from now on."""
    decoded = []
    read = images.read
    monkeypatch.setattr(images, "read", lambda *a, **k: decoded.append(a) or read(*a, **k))
    return decoded


def test_second_run_decodes_nothing_and_gives_the_same_bytes(run, album, monkeypatch):
    run(album)
    before = Path("data/images.jsonl").read_bytes()
    decoded = count_decoded(monkeypatch)
    run(album)
    assert not decoded and Path("data/images.jsonl").read_bytes() == before
    (album / "new.png").write_bytes(encoded(5))
    run(album)
    assert len(decoded) == 1


def test_a_lower_limit_holds_for_what_is_in_the_cache_too(run, album):
    before = list(run(album, max_pixels=40 * 32))
    with pytest.raises(console.TooManyFailures):
        run(album, max_pixels=40 * 32 - 1)
    errors = {row["error"] for row in records.read("data/images.jsonl")}
    assert errors == {"40×32 pixels exceed fetch.max_pixels 1279"}
    assert list(run(album, max_pixels=40 * 32)) == before


def test_another_version_of_a_library_decodes_anew(tmp_path, album):
    settings(tmp_path, source=str(album))
    cached = []
    other = pretend_version(tmp_path / "other", "pillow", "99.0")
    for environment in ({}, {"PYTHONPATH": str(other)}, {}):
        assert run_script(tmp_path, **environment).returncode == 0
        cached.append(len(list(tmp_path.glob(".work/fetch/*/*.png"))))
    assert cached == [3, 6, 6]


def test_another_way_to_develop_a_photograph_decodes_anew(tmp_path, album):
    """Its own file says which pixels are kept, beside the modules that it calls."""
    settings(tmp_path, source=str(album))
    stages = Path(shutil.copytree(ROOT / "stages", tmp_path / "stages"))
    cached = []
    for line in ("", "\n# another way\n"):
        with open(stages / "fetch.py", "a", encoding="utf-8") as file:
            file.write(line)
        answer = run_script(tmp_path, script=stages / "fetch.py")
        assert answer.returncode == 0, answer.stderr
        cached.append(len(list(tmp_path.glob(".work/fetch/*/*.png"))))
    assert cached == [3, 6]


def test_a_damaged_cache_entry_is_made_again(run, album):
    before = list(run(album))
    for kept in Path(".work/fetch").rglob("*.png"):
        kept.write_bytes(kept.read_bytes()[:100])
    assert list(run(album)) == before
    assert images.load(Path("data/images/a-png.png")).shape == (32, 32, 3)


def test_killed_run_resumes(run, album, monkeypatch):
    prepare = fetch.prepare

    def killed(photo, **options):
        if photo.id == "a-png":
            raise KeyboardInterrupt
        return prepare(photo, **options)

    monkeypatch.setattr(fetch, "prepare", killed)
    with pytest.raises(KeyboardInterrupt):
        run(album, runtime={"workers": 1})
    assert not Path("data/images.jsonl").exists()
    assert len(list(Path(".work/fetch").rglob("*.png"))) == 1
    monkeypatch.setattr(fetch, "prepare", prepare)
    decoded = count_decoded(monkeypatch)
    assert names(run(album)) == ALBUM
    assert len(decoded) == 2


def test_workers_do_not_change_a_byte(run, album):
    manifests = []
    for workers in (1, 4):
        run(album, runtime={"workers": workers, "cache_gb": 0})
        manifests.append(Path("data/images.jsonl").read_bytes())
    assert manifests[0] == manifests[1]


def test_images_of_an_earlier_source_are_removed(run, album):
    run("samples")
    run(album)
    assert {path.stem for path in Path("data/images").iterdir()} == set(ALBUM)


def test_sources_tell_a_path_from_a_hub_id(album, monkeypatch):
    monkeypatch.chdir(album)
    kinds = {
        "samples": "samples", "ffhq": "ffhq", "trip": "files", "./samples": "files",
        "photos.zip": "files", "a/b/c": "files", "s3://bucket/key": "files",
        "x/y.parquet": "parquet", "https://host/x.parquet?key=1#top": "parquet",
        "train-0000?.parquet": "parquet", "trip.parquet #1.zip": "files",
        "someone/faces": "hub", "mnist": "hub",
    }  # fmt: skip
    assert {source: sources.kind(source) for source in kinds} == kinds
