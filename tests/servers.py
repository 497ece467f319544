"""Storage servers on loopback, as processes of their own: SSH, S3 (moto) and WebDAV (WsgiDAV)."""

import getpass
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Remote:
    """Where a running server keeps a store, and how DVC reaches it.

    `credentials` are the remote's secret options, `options` those that only a server on loopback
    needs; `folder` is where the files lie (None: in the server's memory).
    """

    url: str
    port: int = 0
    credentials: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None

    def objects(self) -> set[str]:
        """The hashes of all objects that the store holds under their final name."""
        if self.folder:
            names = [path.relative_to(self.folder).as_posix() for path in files(self.folder)]
        else:
            with urllib.request.urlopen(f"{self.options['endpointurl']}/store") as listing:
                names = re.findall(r"<Key>(.*?)</Key>", listing.read().decode())
        parts = [name.split("/")[-2:] for name in names if "files/md5/" in name]
        return {"".join(pair) for pair in parts if not pair[1].endswith(".tmp")}


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@contextmanager
def sshd(folder: Path, server: str, keygen: str) -> Iterator[Remote]:
    """An OpenSSH server that lets in one new key; `server` and `keygen` are its programs."""
    for name in ("host", "user"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    port = free_port()
    (folder / "config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nPermitRootLogin yes\nPidFile none\n"
        "Subsystem sftp internal-sftp\n"
    )
    if os.geteuid() == 0:  # only root's server wants it, and nobody else may make it
        Path("/run/sshd").mkdir(exist_ok=True)
    url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{folder}/store"
    key = {"keyfile": str(folder / "user")}
    with running([server, "-D", "-e", "-f", folder / "config"], folder / "log", port):
        yield Remote(url, port, key, folder=folder / "store")


@contextmanager
def s3(folder: Path) -> Iterator[Remote]:
    """An S3 endpoint with an empty bucket, in memory."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    key = {"access_key_id": secrets.token_hex(8), "secret_access_key": secrets.token_hex(16)}
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, folder / "log", port):
        request = urllib.request.Request(f"{endpoint}/store", method="PUT")
        urllib.request.urlopen(request).close()
        options = {"endpointurl": endpoint}
        yield Remote("s3://store/dvc", port, key, options)


@contextmanager
def webdav(folder: Path) -> Iterator[Remote]:
    """A WebDAV server for one user and password."""
    port, store = free_port(), folder / "store"
    store.mkdir()
    login = {"user": "alice", "password": secrets.token_hex(16)}
    users = {login["user"]: {"password": login["password"]}}
    settings = {
        "host": "127.0.0.1",
        "port": port,
        "provider_mapping": {"/": str(store)},
        "simple_dc": {"user_mapping": {"*": users}},
    }
    (folder / "config.json").write_text(json.dumps(settings))
    program = [sys.executable, "-m", "wsgidav.server.server_cli"]
    with running([*program, "--config", folder / "config.json"], folder / "log", port):
        yield Remote(f"webdav://127.0.0.1:{port}/", port, login, folder=store)


@contextmanager
def running(command: list, log: Path, port: int) -> Iterator[None]:
    """A server process from the moment it listens until the block ends."""
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 30
        while not listens(port):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
