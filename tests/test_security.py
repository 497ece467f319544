"""Hostile and broken inputs: each is told in a line, none does harm, the good ones still come."""

import gzip
import http.server
import io
import os
import struct
import tarfile
import threading
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import fsspec
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import yaml
from PIL import EpsImagePlugin, Image, TiffImagePlugin

import fetch
from wizard import console, images, params, records
from wizard.sources import archives, captions, files

ROOT = Path(__file__).parents[1]


def encoded(form: str = "PNG", mode: str = "RGB", side: int = 40) -> bytes:
    ramp = np.linspace(0, 255, side * side, dtype=np.uint8).reshape(side, side)
    buffer = io.BytesIO()
    Image.fromarray(ramp).convert("RGB").convert(mode).save(buffer, form)
    return buffer.getvalue()


def huge_png(side: int = 60_000) -> bytes:
    """A valid header of side×side pixels with hardly any data behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the stage on a source; returns (rows by source name, what it printed)."""
    place = tmp_path / "repository"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.delenv("DVC_ROOT", raising=False)

    def run(source, max_failures: int = 100, **changes):
        content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        content["fetch"] |= {"source": str(source), "side": 32} | changes
        content["runtime"]["max_failures"] = max_failures
        Path("params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        fetch.main(Path("params.yaml"))
        rows = records.read("data/images.jsonl")
        assert len({row["id"] for row in rows}) == len(rows)
        return {row["source_name"]: row for row in rows}, capsys.readouterr().err

    return run


@pytest.fixture
def album(tmp_path) -> Path:
    folder = tmp_path / "album"
    folder.mkdir()
    (folder / "good.png").write_bytes(encoded())
    return folder


# --- photographs


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("truncated.jpg", encoded("JPEG", side=200)[:1500], "truncated"),
        ("truncated.png", encoded(side=200)[:200], "broken image"),
        ("text.png", b"this is no picture", "not an image"),
        ("empty.png", b"", "not an image"),
        ("dot.png", encoded(side=1), "1×1 pixels: smaller than 16×16"),
        ("huge.png", huge_png(), "60000×60000 pixels exceed fetch.max_pixels 100000000"),
    ],
)
def test_unusable_photograph_is_a_row_with_the_reason(run, album, name, data, reason):
    (album / name).write_bytes(data)
    rows, printed = run(album)
    assert rows["good.png"]["status"] == "ok"
    assert rows[name]["status"] == "failed" and reason in rows[name]["error"]
    assert f"failed: {rows[name]['id']}: {rows[name]['error']}" in printed
    assert not Path("data/images", f"{rows[name]['id']}.png").exists()


@pytest.mark.parametrize("mode", ["CMYK", "L", "LA", "RGBA", "P", "1", "YCbCr"])
def test_every_colour_mode_becomes_rgb(run, album, mode):
    form = {"CMYK": "TIFF", "YCbCr": "TIFF"}.get(mode, "PNG")
    (album / f"photo.{form.lower()}").write_bytes(encoded(form, mode))
    rows, _ = run(album)
    made = np.asarray(Image.open(Path("data", rows[f"photo.{form.lower()}"]["file"])))
    assert made.shape == (32, 32, 3)
    assert made[:8].mean() < made[-8:].mean(), "dark above, bright below"


def test_sixteen_bit_is_scaled_not_clipped(run, album):
    ramp = np.linspace(0, 65535, 40 * 40).reshape(40, 40).astype(np.uint16)
    Image.fromarray(ramp).save(album / "deep.png")
    rows, _ = run(album)
    made = np.asarray(Image.open(Path("data", rows["deep.png"]["file"])))
    assert made.mean() == pytest.approx(127.5, abs=2)


def test_transparent_palette_is_laid_on_white(run, album):
    picture = Image.new("P", (40, 40), 0)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.paste(1, (0, 0, 20, 40))
    picture.save(album / "palette.png", transparency=0)
    rows, _ = run(album)
    made = np.asarray(Image.open(Path("data", rows["palette.png"]["file"])))
    assert tuple(made[16, 2]) == (0, 0, 255) and tuple(made[16, 29]) == (255, 255, 255)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "AVIF", "TGA"])
def test_no_damage_to_a_file_stops_the_run(run, album, form):
    rng = np.random.default_rng(0)
    for number in range(60):
        data = np.frombuffer(encoded(form), np.uint8).copy()
        where = rng.integers(0, min(len(data), 400), 4)
        data[where] = rng.integers(0, 256, 4)
        (album / f"{number}.png").write_bytes(data.tobytes())
    rows, _ = run(album)
    assert len(rows) == 61
    failed = [row for row in rows.values() if row["status"] == "failed"]
    assert failed and all(row["error"] for row in failed)


@pytest.mark.parametrize("start", [b"%!PS-Adobe-3.0 EPSF-3.0", b"\xc5\xd0\xd3\xc6"])
def test_postscript_named_png_starts_no_program(run, album, tmp_path, monkeypatch, start):
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    body = b"\n%%BoundingBox: 0 0 40 40\n%%EndComments\nshowpage\n%%EOF\n"
    (album / "drawing.png").write_bytes(start + body)
    rows, _ = run(album)
    assert "PostScript" in rows["drawing.png"]["error"]
    assert not (tmp_path / "started").exists()


def wrapped(data: bytes, width: int = 40, height: int = 40) -> bytes:
    """``data`` as the content of an IPTC file, which Pillow opens whatever it is."""

    def field(group: int, number: int, content: bytes) -> bytes:
        return struct.pack(">BBBH", 0x1C, group, number, len(content)) + content

    sides = ((20, width), (30, height))
    header = field(3, 60, b"\x01\x00") + field(3, 120, b"\x05")
    header += b"".join(field(3, number, struct.pack(">H", side)) for number, side in sides)
    return header + field(8, 10, data) + bytes(5)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("wrapped.png", wrapped(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EOF\n")),
        ("wrapped.png", wrapped(encoded())),
        ("icon.png", encoded("ICO")),
    ],
    ids=["postscript", "picture", "icon"],
)
def test_what_holds_another_file_is_not_opened(run, album, name, data):
    """Pillow would open the file inside with all that it knows, before or past the limit."""
    (album / name).write_bytes(data)
    assert Image.open(album / name).format in ("IPTC", "ICO")
    rows, _ = run(album)
    assert rows[name]["error"].startswith("not an image in a format that is read: AVIF, BMP")


def test_a_picture_with_another_behind_it_is_the_first(run, album):
    first, second = Image.new("RGB", (40, 40), "red"), Image.new("RGB", (40, 40), "blue")
    first.save(album / "phone.jpg", "MPO", save_all=True, append_images=[second])
    rows, _ = run(album)
    assert rows["phone.jpg"]["original_format"] == "MPO"
    assert np.asarray(Image.open("data/images/phone.png"))[16, 16, 0] > 200


@pytest.mark.parametrize("side", [512, 4096])
def test_the_tiles_of_a_tiff_have_a_limit_too(run, album, side):
    """Libtiff decodes a tile whole, however small the picture is."""
    buffer = io.BytesIO()
    tile = zlib.compress(bytes(side * side))
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in {256: 40, 257: 40, 258: 8, 259: 8, 262: 1, 277: 1}.items():
        tags[tag] = value
    tags[322] = tags[323] = side
    tags[324], tags[325] = 8, len(tile)
    buffer.write(b"II*\0" + struct.pack("<I", 8 + len(tile)) + tile)
    buffer.write(tags.tobytes(buffer.tell()))
    (album / "tiled.tif").write_bytes(buffer.getvalue())
    rows, _ = run(album, max_pixels=10_000)
    told = {512: None, 4096: "its tiles of 4096×4096 pixels exceed fetch.max_pixels 10000"}
    assert rows["tiled.tif"].get("error") == told[side]


def test_unreadable_file_is_a_row(run, album):
    (album / "gone.png").symlink_to(album / "nowhere.png")
    (album / "folder.png").mkdir()
    rows, _ = run(album)
    assert rows["gone.png"]["error"] == "No such file or directory"
    assert set(rows) == {"good.png", "gone.png"}


def test_folder_that_links_to_itself_ends(run, album):
    (album / "loop").symlink_to(album)
    assert set(run(album)[0]) == {"good.png"}


def test_hostile_and_undecodable_names_become_safe_ids(run, album):
    shown = "<img src=x onerror=alert(1)>.png"
    (album / shown).write_bytes(encoded())
    (album / "x\\..\\y.png").write_bytes(encoded())
    with open(bytes(album) + b"/caf\xe9.png", "wb") as file:
        file.write(encoded())
    rows, _ = run(album)
    assert set(rows) == {"good.png", shown, "x\\..\\y.png", "caf\\udce9.png"}
    assert all(row["status"] == "ok" for row in rows.values())
    files = {path.name for path in Path("data/images").iterdir()}
    assert files == {f"{row['id']}.png" for row in rows.values()}
    assert rows[shown]["id"] == "img-src-x-onerror-alert-1"


def test_a_faulty_caption_of_an_undecodable_name_is_a_row(run, album):
    for suffix, data in ((b"png", encoded()), (b"txt", b"\xff")):
        with open(bytes(album) + b"/caf\xe9." + suffix, "wb") as file:
            file.write(data)
    rows, _ = run(album)
    reason = r"its caption: caf\udce9.txt: not UTF-8 text; save it as UTF-8"
    assert rows[r"caf\udce9.png"]["error"] == reason
    assert rows["good.png"]["status"] == "ok"


def test_failures_beyond_the_limit_fail_the_stage_after_all_is_written(run, album):
    (album / "text.png").write_bytes(b"no picture")
    with pytest.raises(console.TooManyFailures, match="1 failed, runtime.max_failures allows 0"):
        run(album, max_failures=0)
    assert [row["status"] for row in records.read("data/images.jsonl")] == ["ok", "failed"]
    assert Path("data/images/good.png").exists()


# --- archives


def outside(tmp_path: Path) -> set[Path]:
    """Every file that is not the stage's own."""
    return {path for path in tmp_path.rglob("*") if "repository" not in path.parts}


def test_zip_members_never_leave_and_links_are_not_followed(run, tmp_path):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("good.png", encoded())
        archive.writestr("../../x.png", encoded())
        archive.writestr("/etc/x.png", encoded())
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    before = outside(tmp_path)
    rows, _ = run(path)
    assert outside(tmp_path) == before
    assert rows["good.png"]["status"] == "ok"
    assert rows["../../x.png"]["error"] == "its path leads out of the archive"
    assert rows["/etc/x.png"]["error"] == "its path leads out of the archive"
    assert rows["link.png"]["error"] == "is a link; links in archives are not followed"
    assert [file.name for file in Path("data/images").iterdir()] == ["good.png"]


def test_tar_members_never_leave_and_links_are_not_followed(run, tmp_path):
    path = tmp_path / "photos.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("good.png", "../../x.png", "/etc/x.png"):
            entry = tarfile.TarInfo(name)
            entry.size = len(encoded())
            archive.addfile(entry, io.BytesIO(encoded()))
        for name, kind in (("soft.png", tarfile.SYMTYPE), ("hard.png", tarfile.LNKTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        device = tarfile.TarInfo("device.png")
        device.type = tarfile.CHRTYPE
        archive.addfile(device)
    before = outside(tmp_path)
    rows, _ = run(path)
    assert outside(tmp_path) == before
    assert [name for name, row in rows.items() if row["status"] == "ok"] == ["good.png"]
    assert len(rows) == 6


def test_name_given_twice_in_an_archive_keeps_the_first(run, tmp_path):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("a.png", encoded())
        archive.writestr("a.png", encoded(side=50))
    with pytest.raises(console.TooManyFailures):
        run(path, max_failures=0)
    first, second = records.read("data/images.jsonl")
    assert (first["id"], first["status"], first["original_size"]) == ("a", "ok", [40, 40])
    assert second["id"] == "a-again2" and "the name was used before" in second["error"]


def test_member_longer_than_any_photograph_is_not_read_whole(run, tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(10_000_000))
        archive.writestr("good.png", encoded())
    assert path.stat().st_size < 20_000
    rows, _ = run(path, max_pixels=10_000)
    assert rows["good.png"]["status"] == "ok"
    assert "longer than 80000 bytes" in rows["bomb.png"]["error"]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["good.txt", "metadata.jsonl"])
def test_a_caption_takes_no_more_memory_than_captions_need(
    run, album, tmp_path, monkeypatch, name, packed
):
    monkeypatch.setattr(captions, "MAX_BYTES", 2**20)
    with open(album / name, "wb") as file:
        file.truncate(50_000_000)
    source = tmp_path / "photos.zip" if packed else album
    if packed:
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in album.iterdir():
                archive.write(path, path.name)
    tracemalloc.start()
    try:
        rows, printed = run(source)
        told = rows["good.png"]["error"]
    except (console.BadSetting, OSError) as error:
        told = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert f"{name}: longer than 1048576 bytes" in told and peak < 20_000_000


def test_damaged_and_encrypted_zip_members_are_rows(run, tmp_path):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bad.png", encoded())
        archive.writestr("good.png", encoded())
    data = bytearray(path.read_bytes())
    data[100] ^= 255
    path.write_bytes(data)
    rows, _ = run(path)
    assert rows["good.png"]["status"] == "ok"
    assert "Bad CRC-32" in rows["bad.png"]["error"]

    data[data.index(b"PK\x01\x02") + 8] |= 1  # the bit that says "encrypted"
    path.write_bytes(data)
    rows, _ = run(path)
    assert "encrypted" in rows["bad.png"]["error"]


@pytest.mark.parametrize("name", ["photos.zip", "photos.tar", "photos.tgz"])
def test_text_named_like_an_archive_is_one_line(run, tmp_path, name):
    (tmp_path / name).write_text("no archive at all")
    with pytest.raises(OSError, match=rf"{name}: cannot be read beyond its beginning") as caught:
        run(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_archive_that_breaks_off_names_the_last_good_member(run, tmp_path):
    path = tmp_path / "photos.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("a.png", "b.png"):
            entry = tarfile.TarInfo(name)
            entry.size = len(encoded())
            archive.addfile(entry, io.BytesIO(encoded()))
    path.write_bytes(path.read_bytes()[: -(-len(encoded()) // 512) * 512 + 1024 + 20])
    with pytest.raises(OSError, match="cannot be read beyond a.png"):
        run(path)
    assert not Path("data/images.jsonl").exists()


def ten(tmp_path: Path, name: str = "photos.tar", mode: str = "w") -> Path:
    path = tmp_path / name
    with tarfile.open(path, mode) as archive:
        for number in range(10):
            entry = tarfile.TarInfo(f"{number}.png")
            entry.size = len(encoded())
            archive.addfile(entry, io.BytesIO(encoded()))
    return path


MEMBER = 512 + -(-len(encoded()) // 512) * 512


def flipped(data: bytes) -> bytes:
    place = 4 * MEMBER + 130  # in the fifth header
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (flipped, "end marker"),
        (lambda data: data[: 4 * MEMBER] + bytes(512) + data[4 * MEMBER + 512 :], "data follow"),
        (lambda data: data[: 4 * MEMBER], "end marker"),
        (lambda data: data[: 4 * MEMBER + 300], "end marker"),
        (lambda data: data + data, "data follow the archive's end"),
    ],
)
def test_a_damaged_tar_never_shortens_a_data_set(run, tmp_path, damage, reason):
    path = ten(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(OSError, match=reason):
        run(path)
    assert not Path("data/images.jsonl").exists()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data + data, "does not begin with its file"),
        (lambda data: data + data[:-50], "data follow the archive's end"),
        (lambda data: data[len(data) // 2 :], "does not begin with its file"),
    ],
)
def test_a_damaged_zip_never_shortens_a_data_set(run, tmp_path, damage, reason):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = b"three photographs"
        for number in range(3):
            archive.writestr(f"{number}.png", encoded())
    rows, _ = run(path)
    assert len(rows) == 3
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(OSError, match=reason):
        run(path)


def test_a_wrong_checksum_behind_a_tgz_fails(run, tmp_path):
    path = ten(tmp_path, "photos.tgz", "w:gz")
    data = bytearray(path.read_bytes())
    data[-8] ^= 255
    path.write_bytes(data)
    with pytest.raises(OSError, match="CRC check failed"):
        run(path)


def test_an_archive_that_unpacks_to_nothing_but_zeros_is_given_up(run, tmp_path):
    path = tmp_path / "bomb.tgz"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("bomb.bin")
        entry.size = 100 * 2**20
        with open("/dev/zero", "rb") as zeros:
            archive.addfile(entry, zeros)
    with pytest.raises(OSError, match="unpacks to more than 100 times its size"):
        run(path)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("claimed", [2**25, 2**40])
def test_a_header_takes_no_more_memory_than_headers_need(run, tmp_path, kind, claimed):
    entry = tarfile.TarInfo("long")
    entry.type, entry.size = kind, claimed
    path = tmp_path / "photos.tgz"
    with gzip.open(path, "wb") as file:
        file.write(entry.tobuf(tarfile.GNU_FORMAT) + bytes(2**25))
    tracemalloc.start()
    try:
        with pytest.raises(OSError, match=f"a header of {claimed} bytes"):
            run(path)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_pipe_is_not_waited_for(run, album, tmp_path):
    os.mkfifo(album / "pipe.png")
    rows, _ = run(album)
    assert rows["good.png"]["status"] == "ok" and rows["pipe.png"]["error"] == "not a regular file"
    for archive in ("pipe.tar", "pipe.zip"):
        os.mkfifo(tmp_path / archive)
        with pytest.raises(OSError, match="not a regular file"):
            run(tmp_path / archive)


def test_a_short_file_takes_little_memory(album):
    tracemalloc.start()
    try:
        with open(album / "good.png", "rb") as file:
            assert archives.all_of(file, 800_000_000) == encoded()
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_lack_of_memory_ends_the_run_and_blames_no_photograph(run, album, monkeypatch):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr(images, "read", full)
    with pytest.raises(MemoryError):
        run(album)


# --- the web


class Web(http.server.BaseHTTPRequestHandler):
    """Photographs as some servers send them: in chunks, without a length, broken off, or never."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        kind = "/" + self.path.split("?")[0].rpartition("/")[2]
        self.send_response(int(kind[1:4]) if kind[1:4].isdigit() else 200)
        if kind == "/never.png":
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.server.stop.wait(20)
        elif kind == "/cut.png":
            self.send_header("Content-Length", str(2 * len(self.server.photograph)))
            self.end_headers()
            self.wfile.write(self.server.photograph)
            self.close_connection = True
        elif kind == "/unmeasured.tar":
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(self.server.tar)
        else:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            data = self.server.photograph
            for part in (data[:700], data[700:]):
                self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


@pytest.fixture
def web():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        server.stop = threading.Event()
        server.photograph = encoded(side=200)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.stop.set()
        server.shutdown()


def address(web, path: str, user: str = "") -> str:
    return f"http://{user}127.0.0.1:{web.server_port}/{path}"


def test_a_photograph_in_chunks_without_a_length_is_read_whole(run, web):
    rows, _ = run(address(web, "photo.png"))
    assert rows["photo.png"]["status"] == "ok" and rows["photo.png"]["original_size"] == [200, 200]


def test_a_transfer_that_is_cut_is_a_row_with_the_reason(run, web):
    rows, _ = run(address(web, "cut.png"))
    assert rows["cut.png"]["status"] == "failed"
    assert rows["cut.png"]["error"].startswith("cannot be read: ")


def test_a_server_that_stalls_is_given_up(run, web, monkeypatch):
    monkeypatch.setattr(files, "SILENCE_S", 0.5)
    fsspec.AbstractFileSystem.clear_instance_cache()
    rows, _ = run(address(web, "never.png"))
    assert rows["never.png"]["error"] == "no answer for 0.5 s"


def test_a_tar_without_a_length_that_is_cut_fails(run, web, tmp_path):
    web.tar = ten(tmp_path).read_bytes()[: 4 * MEMBER]
    with pytest.raises(OSError, match="end marker"):
        run(address(web, "unmeasured.tar"))


@pytest.mark.parametrize(
    ("user", "folder"), [("alice:5ecret@", ""), ("alice:pa'5ecret@", 'it\'s "my" own/')]
)
def test_secrets_of_a_url_are_never_written(run, web, capsys, user, folder):
    signed = "?X-Amz-Signature=5ecret&other=1#5ecret"
    rows, printed = run(address(web, folder + "x.png" + signed, user))
    assert rows["x.png"]["status"] == "ok"
    assert rows["x.png"]["source"] == address(web, folder + "x.png")
    web.tar = b"no tar"
    kinds = ("png", "tar", "zip", "parquet")
    lost = [f"{status}.{kind}" for status in (403, 404) for kind in kinds]
    for path in (*lost, "cut.png", "unmeasured.tar", "nothing.zip", "none.parquet", "own/"):
        try:
            printed += run(address(web, folder + path + signed, user))[1]
        except (OSError, ValueError) as error:
            printed += console.plain(str(error))
    written = [path.read_bytes() for path in Path("data").rglob("*") if path.is_file()]
    written += [path.read_bytes() for path in Path(".work").rglob("*") if path.is_file()]
    assert "cannot be read" in printed
    assert "5ecret" not in printed and not any(b"5ecret" in data for data in written)


@pytest.mark.parametrize("source", ["reference://x", "github://a/b", "http://127.0.0.1:9/x/"])
def test_a_url_that_leads_nowhere_is_one_line(run, source):
    with pytest.raises(console.BadSetting, match="fetch.source") as caught:
        run(source)
    assert "\n" not in str(caught.value) and "__init__" not in str(caught.value)


# --- data sets


def test_rows_cannot_name_files_of_this_machine(run, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(encoded())
    values = [
        {"bytes": encoded(), "path": None},
        {"bytes": None, "path": str(secret)},
        {"bytes": None, "path": f"file://{secret}"},
        {"bytes": None, "path": "http://127.0.0.1:9/x.png"},
        {"bytes": None, "path": None},
    ]
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"image": values}), path)
    rows, _ = run(path)
    assert [row["status"] for row in rows.values()] == ["ok"] + ["failed"] * 4
    reasons = [row["error"] for row in rows.values() if row["status"] == "failed"]
    assert reasons == ["the row holds a path that is no file of the data set"] * 3 + [
        "the row is empty"
    ]


def test_text_named_parquet_is_one_line(run, tmp_path):
    (tmp_path / "rows.parquet").write_text("no table at all")
    with pytest.raises(console.BadSetting, match="rows.parquet"):
        run(tmp_path / "rows.parquet")


# --- settings


def test_yaml_tags_run_nothing(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(f"fetch: !!python/object/apply:os.mkdir ['{tmp_path}/made']\n")
    with pytest.raises(console.BadSetting, match="not valid YAML"):
        params.load(path)
    assert not (tmp_path / "made").exists()


def test_yaml_bomb_is_refused(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    path = tmp_path / "params.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(console.BadSetting, match="aliases are not allowed"):
        params.load(path)
