"""What every source hands out: photographs that are not read yet, each with its id."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from wizard.images import SUFFIXES
from wizard.records import Unusable

# The most that uncompressed RGBA of 16 bits needs; a longer file is no photograph of that size.
BYTES_PER_PIXEL = 8

_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}\.[a-z0-9]+")


@dataclass(frozen=True)
class Request:
    """What a user asks of a source: the fetch settings that decide which photographs come."""

    source: str
    split: str = "train"
    revision: str | None = None
    column: str | None = None
    metadata: str | None = None
    start: int = 0
    count: int | None = None
    side: int = 128
    max_pixels: int = 100_000_000

    @property
    def max_bytes(self) -> int:
        """Longest encoded file that is read, so that a compressed archive cannot fill memory."""
        return self.max_pixels * BYTES_PER_PIXEL

    @property
    def stop(self) -> int | None:
        """Position behind the last photograph asked for, None for all."""
        return None if self.count is None else self.start + self.count


@dataclass(frozen=True)
class Photo:
    """A photograph of a source.

    ``read`` returns the encoded bytes; it raises records.Unusable or OSError with the reason when
    there are none. ``eyes`` are the (x, y) centres of the left and right eye in the picture, for
    a photograph to be framed by them. ``pixel_md5`` is what the decoded pixels must hash to.
    ``facts`` are further columns of the manifest.
    """

    id: str
    name: str
    read: Callable[[], bytes]
    eyes: tuple[tuple[float, float], tuple[float, float]] | None = None
    pixel_md5: str | None = None
    facts: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Collection:
    """Photographs in source order; ``total`` is None when only reading them all would tell.

    ``note`` is a line for the user about what was left out, or empty.
    """

    source: str
    total: int | None
    photos: Iterator[Photo]
    note: str = ""


def is_hidden(name: str) -> bool:
    """Whether a file, or a folder above it, begins with a dot (``..`` aside)."""
    return any(re.match(r"\.(?!\.?$)", part) for part in name.split("/"))


def is_image(name: str) -> bool:
    """Whether a file counts as a photograph: by its suffix, unless it is hidden."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES and not is_hidden(name)


def file_id(path: str) -> str:
    """The id of a named file: a function of its path inside the source and of nothing else.

    ``face_01.png`` becomes ``face_01-png``; a path with folders, capitals or other characters
    becomes a slug and the first eight hexadecimal digits of the path's SHA-256. An id of the
    first form ends in an image suffix and cannot equal one of the second.
    """
    if _PLAIN.fullmatch(path):
        return path.replace(".", "-")
    slug = re.sub(r"[^a-z0-9_-]+", "-", path.lower()).lstrip("-_")[:60].rstrip("-_")
    digest = hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()
    return f"{slug or 'photo'}-{digest[:8]}"


def printable(name: str) -> str:
    """A file name as text that can be written as UTF-8, undecodable bytes escaped."""
    return name.encode(errors="backslashreplace").decode()


def refused(photo_id: str, name: str, reason: str) -> Photo:
    """A photograph that is not read, and why."""

    def read() -> bytes:
        raise Unusable(reason)

    return Photo(photo_id, name, read)


def bounded(data: bytes, max_bytes: int) -> bytes:
    """``data``, unless it is longer than a photograph within the pixel limit can be."""
    if len(data) > max_bytes:
        raise Unusable(
            f"file is longer than {max_bytes} bytes ({BYTES_PER_PIXEL} times fetch.max_pixels)"
        )
    return data
