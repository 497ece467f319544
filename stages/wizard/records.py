"""Manifests, seeds, fingerprints, atomic writes and the journal: what makes a run repeatable."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

OK, FAILED = "ok", "failed"
# Of a mask: what was looked for is not in the photograph, so that there is nothing to fill.
NO_HOLE = "no hole"


class Unusable(ValueError):
    """A datum that cannot be used, with the reason: it becomes a failed row of the manifest.

    Nothing else does: any other exception is a bug and ends the stage with its traceback.
    """


class Rows(Sequence):
    """Rows of a manifest, kept as text: a quarter of the memory of as many dictionaries."""

    def __init__(self, rows: Iterable[dict] = ()):
        self._lines: list[str] = []
        self.extend(rows)

    def append(self, row: dict) -> None:
        """Add a row of plain JSON values."""
        self._lines.append(json.dumps(row, ensure_ascii=False, allow_nan=False))

    def extend(self, rows: Iterable[dict]) -> None:
        """Add several rows."""
        for row in rows:
            self.append(row)

    def __iter__(self) -> Iterator[dict]:
        return map(json.loads, self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return list(map(json.loads, self._lines[index]))
        return json.loads(self._lines[index])


def read(path: Path | str) -> Rows:
    """Rows of a JSON Lines manifest, in file order.

    Raises OSError when the file is missing and ValueError with the line number when a line is
    not a JSON object.
    """
    rows = Rows()
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(
                    f"{path}:{number}: not JSON ({error}); run the stage again"
                ) from None
            if not isinstance(row, dict) or "id" not in row:
                raise ValueError(f"{path}:{number}: not a manifest row; run the stage again")
            rows.append(row)
    return rows


def write(path: Path | str, rows: Iterable[dict]) -> None:
    """Write rows as JSON Lines, sorted by id (then run and sample); same rows, same bytes."""
    lines = []
    for row in rows:
        place = (row["id"], row.get("run", ""), row.get("sample", 0))
        lines.append((place, json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"))
    write_atomic(path, "".join(line for _, line in sorted(lines)).encode())


def usable(rows: Iterable[dict]) -> Rows:
    """The rows that did not fail."""
    return Rows(row for row in rows if row["status"] == OK)


def seed(base: int, stage: str, name: str) -> int:
    """A 63-bit seed that depends on these three alone, so that no item's draw moves another's."""
    digest = hashlib.sha256(json.dumps([base, stage, name]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def fingerprint(**parts) -> str:
    """SHA-256 (hex) of everything that decides one output; parts are plain JSON values."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path | str) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomic(path: Path | str, data: bytes) -> None:
    """Write a file so that a reader, or a kill, sees the old content or the new, never a part."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".part-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class Journal:
    """Finished results under their fingerprint, outside git and DVC.

    A killed run finds what it had finished; an added image costs only itself; going back to old
    settings costs nothing. The folder may be deleted at any time: only time is lost.

    ``folder`` is the place of one stage's results; ``max_bytes`` bounds their total, oldest use
    first out (applied by :meth:`trim`).
    """

    def __init__(self, folder: Path | str, max_bytes: int):
        self.folder = Path(folder)
        self.max_bytes = max_bytes

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.png"

    def get(self, key: str) -> bytes | None:
        """The bytes kept under this fingerprint, or None."""
        path = self._path(key)
        try:
            data = path.read_bytes()
            os.utime(path)
        except FileNotFoundError:
            return None
        return data

    def put(self, key: str, data: bytes) -> None:
        """Keep bytes under their fingerprint."""
        write_atomic(self._path(key), data)

    def trim(self) -> None:
        """Delete the results that were used longest ago until the rest fits, and leftovers."""
        for path in self.folder.glob("*/.part-*"):
            path.unlink(missing_ok=True)
        excess = sum(path.stat().st_size for path in self.folder.glob("*/*")) - self.max_bytes
        if excess <= 0:
            return
        files = [(path.stat(), path) for path in self.folder.glob("*/*")]
        for status, path in sorted(files, key=lambda file: file[0].st_mtime_ns):
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= status.st_size


def journal(stage: str, max_gigabytes: float) -> Journal:
    """The journal of a stage under ``.work/`` of the repository that DVC runs in.

    Queued experiments run in temporary copies; DVC names the true root in ``DVC_ROOT``, and a
    journal there is shared by all of them.
    """
    return Journal(
        Path(os.environ.get("DVC_ROOT", "."), ".work", stage), int(max_gigabytes * 2**30)
    )


class Folder:
    """A stage's output folder while it is filled: files appear whole, and strangers go.

    DVC empties an output before it runs a stage, a run by hand does not: :meth:`sweep` deletes
    whatever this run did not publish.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.names: set[str] = set()
        self.path.mkdir(parents=True, exist_ok=True)

    def publish(self, name: str, data: bytes) -> None:
        """Write one file of this folder atomically; ``name`` is an id plus suffix."""
        if not name or Path(name).name != name or name.startswith("."):
            raise ValueError(
                f"{name!r} is not a plain file name; no file is written outside {self.path}"
            )
        write_atomic(self.path / name, data)
        self.names.add(name)

    def sweep(self) -> None:
        """Delete what an earlier run left."""
        for path in self.path.iterdir():
            if path.name not in self.names:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
