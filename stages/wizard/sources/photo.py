"""What every source hands out: photographs that are not read yet, each with its id."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from wizard.console import bare
from wizard.images import SUFFIXES
from wizard.records import Unusable

# The most that uncompressed RGBA of 16 bits needs; a longer file is no photograph of that size.
BYTES_PER_PIXEL = 8
WEB = ("http://", "https://")


@dataclass(frozen=True)
class Request:
    """What a user asks of a source: the fetch settings that determine which photographs come."""

    source: str
    split: str = "train"
    revision: str | None = None
    column: str | None = None
    caption_column: str | None = None
    metadata: str | None = None
    start: int = 0
    count: int | None = None
    side: int = 128
    max_pixels: int = 100_000_000

    @property
    def shown(self) -> str:
        """The source as it may be written down."""
        return bare(self.source)

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

    ``notes`` are lines for the user about what was left out; ``is_far`` tells that reading a
    photograph waits for a network.
    """

    source: str
    total: int | None
    photos: Iterator[Photo]
    notes: tuple[str, ...] = ()
    is_far: bool = False


def plain_path(address: str) -> str:
    """A web address without query and fragment; a path as it is: there # and ? are ordinary."""
    return re.split(r"[?#]", address)[0] if address.startswith(WEB) else address


def is_hidden(name: str) -> bool:
    """Whether a file, or a folder above it, begins with a dot (``..`` aside)."""
    return any(re.match(r"\.(?!\.?$)", part) for part in name.split("/"))


def is_image(name: str) -> bool:
    """Whether a file counts as a photograph: by its suffix, unless it is hidden."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES and not is_hidden(name)


def file_ids(paths: Iterable[str]) -> dict[str, str]:
    """The ids of named files, from their paths inside the source, whatever the order of these.

    A photograph keeps its own name: ``cat`` for ``cat.png``, ``trip-cat`` for ``trip/cat.png``.
    Where another would have the same, the suffix is added (``cat-png``, ``cat-jpg``), and where
    that is not enough, the first eight hexadecimal digits of the path's SHA-256.
    """
    forms = {path: _forms(path) for path in paths}
    taken = Counter(form for plain in forms.values() for form in set(plain[:2]))
    return {
        path: next((form for form in plain[:2] if taken[form] == 1), plain[2])
        for path, plain in forms.items()
    }


def _forms(path: str) -> tuple[str, str, str]:
    """An id without the suffix, one with it, and one that no other path has."""
    digest = hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()[:8]
    stem = _slug(path.removesuffix(PurePosixPath(path).suffix))
    return stem, _slug(path), f"{stem[:60]}-{digest}"


def _slug(text: str) -> str:
    slug = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).lstrip("-_")[:80].rstrip("-_")
    return slug or "photo"


class InTurn:
    """Ids of files that come one by one: the first keeps the plain name, later ones give way."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._taken: set[str] = set()

    def id(self, path: str) -> str:
        """The id of a path; asked again, the same."""
        if path not in self._given:
            forms = _forms(path)
            self._given[path] = next((form for form in forms if form not in self._taken), forms[2])
            self._taken.add(self._given[path])
        return self._given[path]


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
