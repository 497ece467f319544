"""Manifests, seeds, fingerprints, atomic writes, result cache: what makes a run repeatable."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

OK, FAILED = "ok", "failed"
# Of a mask: what was looked for is not in the photograph, so that there is nothing to fill.
NO_HOLE = "no hole"
DIGEST_BYTES = hashlib.sha256().digest_size
# A file while it is written; one so old is what a killed process left.
PART, PART_SECONDS = ".part-", 3600


class Unusable(ValueError):
    """Data that cannot be used, with the reason.

    Where data are judged one by one, it becomes a failed row of the manifest; a file that a whole
    stage needs ends the stage with the reason in one line. Nothing else does: any exception but
    this, BadSetting and what the system reports is a bug and ends the stage with its traceback.
    """


class Rows(Sequence):
    """Rows of a manifest, kept in a temporary file, so that memory hardly grows with their number.

    Any thread may read while one appends.
    """

    def __init__(self, rows: Iterable[dict] = ()):
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (it goes with the rows)
        self._ends = array("q", [0])
        self.extend(rows)

    def append(self, row: dict) -> None:
        """Add a row of plain JSON values."""
        line = json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        self._file.write(line)
        self._ends.append(self._ends[-1] + len(line))

    def extend(self, rows: Iterable[dict]) -> None:
        """Add several rows."""
        for row in rows:
            self.append(row)

    def line(self, index: int) -> bytes:
        """A row, counted from 0, as its line of a manifest."""
        start, end = self._ends[index : index + 2]
        self._file.flush()
        return os.pread(self._file.fileno(), end - start, start)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index):
        places = range(len(self))[index]
        if isinstance(index, slice):
            return [self[place] for place in places]
        return json.loads(self.line(places))


def read(path: Path | str) -> Rows:
    """Rows of a JSON Lines manifest, in file order.

    Raises OSError when the file is missing and Unusable with the line number when a line is not a
    JSON object.
    """
    rows = Rows()
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise Unusable(
                    f"{path}:{number}: not JSON ({error}); run the stage again"
                ) from None
            if not isinstance(row, dict) or "id" not in row:
                raise Unusable(f"{path}:{number}: not a manifest row; run the stage again")
            rows.append(row)
    return rows


def write(path: Path | str, rows: Iterable[dict]) -> None:
    """Write rows as JSON Lines, sorted by id (then run and sample); same rows, same bytes."""
    kept = rows if isinstance(rows, Rows) else Rows(rows)
    # One text takes half the memory of a tuple; no id has the character that sorts before all.
    places = [f"{row['id']}\0{row.get('run', '')}\0{row.get('sample', 0):09}" for row in kept]
    order = sorted(range(len(kept)), key=places.__getitem__)
    write_atomic(path, map(kept.line, order))


def usable(rows: Iterable[dict]) -> Rows:
    """The rows that did not fail."""
    return Rows(row for row in rows if row["status"] == OK)


def grown_by(rows: Iterable[dict]) -> int:
    """By how many pixels a hole was grown before any method filled it, from its results' rows."""
    return max((row.get("grow", 0) for row in rows if row["status"] == OK), default=0)


def seed(base: int, stage: str, name: str) -> int:
    """A 63-bit seed that depends on these three alone, so that no item's draw moves another's."""
    digest = hashlib.sha256(json.dumps([base, stage, name]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def read_json(path: Path | str) -> dict:
    """The JSON object in a file of ours.

    Raises OSError when the file is missing and Unusable, naming it, when it holds anything else:
    files in git may have been left with the marks of a merge.
    """
    try:
        content = json.loads(Path(path).read_bytes())
    except ValueError as error:
        raise Unusable(f"{path}: not JSON ({error}); run the stage again") from None
    if not isinstance(content, dict):
        raise Unusable(f"{path}: not a JSON object; run the stage again")
    return content


def read_costs(path: Path | str, settings: Mapping[str, dict], holes: str) -> dict[str, dict]:
    """What each method cost according to speed.json, by name; ``settings`` are those of each,
    ``holes`` is the SHA-256 of the manifest of what they filled.

    DVC may bring back results of other settings or photographs without running the stage: a cost
    that was measured with others is left out. Empty when there is no such file.
    """
    path = Path(path)
    costs = read_json(path) if path.is_file() else {}
    keys = {method: fingerprint(holes=holes, **own) for method, own in settings.items()}
    return {name: cost for name, cost in costs.items() if cost.get("settings") == keys.get(name)}


def fingerprint(**parts) -> str:
    """SHA-256 (hex) of everything that determines one output; parts are plain JSON values."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def versions(*distributions: str) -> dict[str, str]:
    """Installed versions of libraries whose code is part of what determines an output."""
    return {name: version(name) for name in distributions}


def file_sha256(path: Path | str) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomic(path: Path | str, data: bytes | Iterable[bytes], shared: bool = False) -> None:
    """Write a file so that a reader, or a kill, sees the old content or the new, never a part.

    ``data`` is its content, whole or in pieces.
    What a killed writer leaves is overwritten by the next one, unless several processes write the
    same file at once (``shared``) and none may touch another's.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if shared:
        handle, temporary = tempfile.mkstemp(prefix=PART, dir=path.parent)
    else:
        part = PART + hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
        temporary = str(path.with_name(part))
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@dataclass(frozen=True)
class Entry:
    """One finished result: its bytes, and facts about how it was made, as a JSON value."""

    data: bytes
    facts: dict


class ResultCache:
    """Finished results under their fingerprint, outside git and DVC.

    A killed run finds what it had finished; an added image costs only itself; going back to old
    settings costs nothing. The folder may be deleted at any time: only time is lost. Several
    processes may use it at once.

    ``root`` holds a folder per stage; ``max_bytes`` bounds the total of all, oldest use first out
    (applied by :meth:`trim`). Each file is the result's own bytes, which a viewer opens, followed
    by the facts and a digest of both: what was damaged or put there by others is not served.
    """

    def __init__(self, root: Path | str, stage: str, max_bytes: int):
        self.root, self.folder = Path(root), Path(root, stage)
        self.max_bytes = max_bytes

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.png"

    def get(self, key: str) -> Entry | None:
        """What is kept under this fingerprint, or None."""
        path = self._path(key)
        try:
            content = path.read_bytes()
            os.utime(path)
        except FileNotFoundError:
            return None
        kept, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
        if hashlib.sha256(key.encode() + kept).digest() != digest:
            return None
        data, _, facts = kept.rpartition(b"\n")
        return Entry(data, json.loads(facts))

    def put(self, key: str, data: bytes, facts: dict | None = None) -> None:
        """Keep bytes under their fingerprint."""
        kept = data + b"\n" + json.dumps(facts or {}, allow_nan=False).encode()
        digest = hashlib.sha256(key.encode() + kept).digest()
        with contextlib.suppress(FileNotFoundError):  # the folder was deleted meanwhile
            write_atomic(self._path(key), kept + digest, shared=True)

    def trim(self) -> None:
        """Delete the results that were used longest ago until the rest fits, and leftovers."""
        excess = sum(size for _, size, _ in self._finished()) - self.max_bytes
        for _, size, path in sorted(self._finished()) if excess > 0 else ():
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= size

    def _finished(self) -> Iterator[tuple[int, int, Path]]:
        """Last use, size and file of each result of all stages; what was left behind is deleted."""
        for path in self.root.glob("*/[0-9a-f][0-9a-f]/*"):
            try:
                status = path.stat()
            except FileNotFoundError:  # another process was quicker
                continue
            if not path.name.startswith(PART):
                yield status.st_mtime_ns, status.st_size, path
            elif time.time() - status.st_mtime > PART_SECONDS:
                path.unlink(missing_ok=True)


def result_cache(stage: str, max_gigabytes: float) -> ResultCache:
    """The result cache of a stage under ``.work/`` of the repository that DVC runs in.

    Queued experiments run in temporary copies; DVC names the true root in ``DVC_ROOT``, and a
    cache there is shared by all of them.
    """
    root = Path(os.environ.get("DVC_ROOT", "."), ".work")
    return ResultCache(root, stage, int(max_gigabytes * 2**30))


class Folder:
    """A stage's output folder while it is filled: files appear whole, and strangers go.

    DVC empties an output before it runs a stage, a run by hand does not: :meth:`sweep` deletes
    whatever this run did not publish.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.names: set[str] = set()
        self.path.mkdir(parents=True, exist_ok=True)

    def publish(self, name: str, data: bytes) -> str:
        """Write one file of this folder atomically; ``name`` is an id plus suffix.

        Returns the MD5 (hex) of its bytes for its row of the manifest, which then tells whether
        any file of the folder changed. It is also the name of the file in DVC's cache and remotes.
        """
        if not name or Path(name).name != name or name.startswith("."):
            raise ValueError(
                f"{name!r} is not a plain file name; no file is written outside {self.path}"
            )
        write_atomic(self.path / name, data)
        self.names.add(name)
        return hashlib.md5(data).hexdigest()

    def sweep(self) -> None:
        """Delete what an earlier run left."""
        for path in self.path.iterdir():
            if path.name not in self.names:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
