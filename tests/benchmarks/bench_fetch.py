"""Photographs a second from a web server to PNG files, beside img2dataset.

    python tests/benchmarks/bench_fetch.py [--photographs 1000] [--peers VENV]

A server on this machine has JPEGs of 640×480; they are to become square PNGs of 256. The fetch
stage reads the server's listing of the folder, img2dataset a list of the same URLs. Both use a
worker for each core (img2dataset with its default of 256 download threads in each) and the same
PNG compression. The server needs some of the same cores, so the stage reads the folder itself too.
Each is timed as a process from start to end, in turn; the time of one photograph is taken off to
tell the rate of a long run. Prints a table and writes results/fetch.json.
"""

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import measure

HEIGHT, WIDTH, SIDE = 480, 640, 256


def main() -> None:
    options = measure.arguments(__doc__, photographs=1000, rounds=3)
    report = {"photographs": options.photographs, "rounds": options.rounds}
    machine = measure.machine("fsspec", "aiohttp", "pillow")
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as address:
        for count in (1, options.photographs):
            place = Path(folder, str(count))
            place.mkdir()
            photographs = place / "photographs"
            measure.save_photographs(photographs, count, HEIGHT, WIDTH, "jpg")
            sources = {"web": f"{address}/{count}/photographs/", "disk": str(photographs)}
            for name, source in sources.items():
                (place / name).mkdir()
                measure.start_project(place / name, fetch={"source": source, "side": SIDE})
        ways = {
            "fetch": partial(fetch, Path(folder), "web"),
            "fetch from disk": partial(fetch, Path(folder), "disk"),
        }
        if options.peers:
            ways["img2dataset"] = partial(img2dataset, Path(folder), address, options.peers)
            machine["peer"] = measure.peer_versions(options.peers, "img2dataset")
        seconds = measure.at_two_sizes(ways, options.photographs, options.rounds)
    print(f"{options.photographs} photographs of {WIDTH}×{HEIGHT}, {measure.cores()} cores")
    report |= measure.compare(seconds, "fetch")
    measure.write(options.output, "fetch", report | {"machine": machine})


# Python's own web server, with room for as many callers as img2dataset sends at once.
SERVER = """
import http.server, sys
http.server.ThreadingHTTPServer.request_queue_size = 512
address = "127.0.0.1", int(sys.argv[1])
http.server.ThreadingHTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a web server for a folder, which runs meanwhile as a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-c", SERVER, port]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, cwd=folder, stdout=quiet, stderr=quiet)
    try:
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", int(port))).close()
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def fetch(folder: Path, source: str, count: int) -> float:
    """A run of the stage that finds nothing done."""
    project = folder / str(count) / source
    for made in ("data/images", ".work"):
        shutil.rmtree(project / made, ignore_errors=True)
    seconds = measure.wall(measure.stage("fetch"), project)
    assert all(row["status"] == "ok" for row in measure.rows(project, "images"))
    return seconds


def img2dataset(folder: Path, address: str, peers: Path, count: int) -> float:
    project = folder / str(count)
    shutil.rmtree(project / "output", ignore_errors=True)
    urls = [f"{address}/{count}/photographs/{number:05d}.jpg\n" for number in range(count)]
    (project / "urls.txt").write_text("".join(urls))
    settings = {
        "url_list": "urls.txt",
        "output_folder": "output",
        "output_format": "files",
        "image_size": SIDE,
        "resize_mode": "center_crop",
        "encode_format": "png",
        "encode_quality": 1,  # of PNG: the compression level, that of the stage
        "processes_count": measure.cores(),
        "number_sample_per_shard": -(-count // measure.cores()),
    }
    command = [str(peers / "bin/img2dataset")]
    command += [text for name, value in settings.items() for text in (f"--{name}", str(value))]
    seconds = measure.wall(command, project)
    made = len(list((project / "output").glob("*/*.png")))
    assert made == count, f"img2dataset made {made} of {count}"
    return seconds


if __name__ == "__main__":
    main()
