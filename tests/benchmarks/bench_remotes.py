"""Time of `dvc push` and `dvc pull` over a network: loose files beside tars of 1,000.

    python tests/benchmarks/bench_remotes.py [--milliseconds 20]

Real servers on loopback (OpenSSH, and S3 by moto) behind a relay that holds every chunk back for
half a round trip of so many milliseconds; bandwidth is not limited. Files of 20 kB, as photographs
of 128×128 to 256×256 are. Prints a table with the hours for all of FFHQ and writes
results/remotes.json. moto is one Python process: a real S3 endpoint answers faster.
"""

import asyncio
import multiprocessing
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import deque
from contextlib import contextmanager
from pathlib import Path

import measure
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import servers

COUNTS, SIZE, SHARD = (1000, 2000), 20_000, 1000
FFHQ = 70_000 * 5  # image, mask, result, baseline and round trip of each photograph


def main() -> None:
    options = measure.arguments(__doc__, milliseconds=20)
    round_trip = options.milliseconds / 1000
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, serve in {"SSH": ssh, "S3": servers.s3}.items():
            (folder / kind).mkdir()
            with serve(folder / kind) as remote, relayed(remote.port, round_trip) as port:
                for jobs, sharded in ((None, False), (32, False), (None, True)):
                    rows.append(timed(folder, kind, remote, port, jobs, sharded))
                    print(line(rows[-1]), flush=True)
    report = {"round_trip_ms": options.milliseconds, "file_bytes": SIZE, "cores": measure.cores()}
    measure.write(options.output, "remotes", report | {"rows": rows})


def ssh(folder: Path):
    path = f"{os.environ['PATH']}:/usr/sbin"
    return servers.sshd(folder, *(shutil.which(name, path=path) for name in ("sshd", "ssh-keygen")))


def timed(
    folder: Path, kind: str, remote: servers.Remote, port: int, jobs: int | None, sharded: bool
) -> dict:
    """Seconds of push and pull at both counts; the rate is that of the larger."""
    row = {"remote": kind, "jobs": jobs or "default", "as": "tars" if sharded else "files"}
    for verb in ("push", "pull"):
        row[verb] = {}
    for count in COUNTS:
        label = f"{kind}-{jobs}-{row['as']}-{count}"
        repo = make(folder / label, count, sharded)
        reach(repo, remote, port, label)
        options = ["--jobs", str(jobs)] if jobs else []
        row["push"][count] = seconds(repo, "dvc", "push", *options)
        other = folder / f"{label}-clone"
        seconds(folder, "git", "clone", "-q", repo, other)
        shutil.copyfile(repo / ".dvc" / "config.local", other / ".dvc" / "config.local")
        row["pull"][count] = seconds(other, "dvc", "pull", *options)
        same = [path.read_bytes() for path in sorted((repo / "data").iterdir())]
        assert same == [path.read_bytes() for path in sorted((other / "data").iterdir())]
    for verb in ("push", "pull"):
        rate = COUNTS[-1] / row[verb][COUNTS[-1]]
        row[f"{verb}_per_second"] = rate
        row[f"{verb}_ffhq_hours"] = FFHQ / rate / 3600
    return row


def line(row: dict) -> str:
    text = f"{row['remote']:4}{row['as']:6} jobs {row['jobs']!s:8}"
    for verb in ("push", "pull"):
        few, many = (row[verb][count] for count in COUNTS)
        text += f"| {verb} {few:6.1f} s {many:6.1f} s {row[f'{verb}_per_second']:7.0f} files/s "
        text += f"FFHQ {row[f'{verb}_ffhq_hours']:5.1f} h "
    return text


def make(repo: Path, count: int, sharded: bool) -> Path:
    """A DVC repository that tracks a folder of random files, loose or in tars of 1,000."""
    rng = np.random.default_rng(count)
    data = repo / "data"
    data.mkdir(parents=True)
    for number in range(count):
        (data / f"{number:05d}.png").write_bytes(rng.bytes(SIZE))
    if sharded:
        names = sorted(data.iterdir())
        for start in range(0, count, SHARD):
            with tarfile.open(data / f"{start:05d}.tar", "w") as tar:
                for path in names[start : start + SHARD]:
                    tar.add(path, path.name)
                    path.unlink()
    author = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for command in (
        ["git", "init", "-q"],
        ["dvc", "init", "-q"],
        ["dvc", "add", "-q", "data"],
        ["git", "add", "-A"],
        ["git", *author, "commit", "-qm", "Data"],
    ):
        seconds(repo, *command)
    return repo


def reach(repo: Path, remote: servers.Remote, port: int, label: str) -> None:
    """Point DVC at a fresh place on the server, through the relay."""
    url = f"{remote.url}/{label}".replace(str(remote.port), str(port))
    seconds(repo, "dvc", "remote", "add", "-q", "--local", "--default", "store", url)
    for name, value in (remote.credentials | remote.options).items():
        value = value.replace(str(remote.port), str(port))
        seconds(repo, "dvc", "remote", "modify", "--local", "store", name, value)


def seconds(folder: Path, *command) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


@contextmanager
def relayed(target: int, round_trip: float):
    """The port of a relay to the target's that adds a round trip of so many seconds."""
    port = servers.free_port()
    process = multiprocessing.Process(target=relay, args=(port, target, round_trip), daemon=True)
    process.start()
    while not servers.listens(port):
        time.sleep(0.01)
    try:
        yield port
    finally:
        process.terminate()
        process.join()


def relay(port: int, target: int, round_trip: float) -> None:
    async def serve():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Caller(target, round_trip), "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(serve())


class Side(asyncio.Protocol):
    """One side of a connection: what comes in leaves by the other side half a round trip later."""

    def __init__(self, round_trip: float):
        self.round_trip = round_trip
        self.chunks = deque()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.chunks.append(data)
        self.after_half(self.hand_on)

    def hand_on(self):
        self.other.transport.write(self.chunks.popleft())

    def connection_lost(self, _):
        self.after_half(self.other.transport.close)

    def after_half(self, call):
        asyncio.get_running_loop().call_later(self.round_trip / 2, call)


class Caller(Side):
    """The client's side, which calls the server once TCP's handshake would have come through."""

    def __init__(self, target: int, round_trip: float):
        super().__init__(round_trip)
        self.target = target

    def connection_made(self, transport):
        super().connection_made(transport)
        transport.pause_reading()
        self.calling = asyncio.create_task(self.call())

    async def call(self):
        await asyncio.sleep(self.round_trip)
        self.other = Side(self.round_trip)
        self.other.other = self
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self.other, "127.0.0.1", self.target)
        self.transport.resume_reading()


if __name__ == "__main__":
    main()
