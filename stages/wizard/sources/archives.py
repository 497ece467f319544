"""Read archives as streams: to their very end, in bounded time, and nothing is extracted.

A damaged archive never shortens a data set in silence: :func:`tar` fails unless an end marker ends
the archive and nothing follows it, and :func:`open_zip` unless the directory at the end speaks of
all that the file holds.
"""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import IO

CHUNK = 2**20
# A photograph hardly compresses. What unpacks to more than this costs minutes and holds none.
MAX_GROWTH = 100
GROWTH_FREE = 64 * 2**20
MAX_HEADER = 16 * 2**20  # of a tar; even long names and attributes take kilobytes
END_OF_ZIP = b"PK\x05\x06"  # 18 bytes and a comment follow it
SPLIT_MARKER = 4  # bytes before an archive that its maker was ready to split over several disks
COMPRESSIONS: dict[bytes, Callable] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}


def all_of(file: IO[bytes], max_bytes: int) -> bytes:
    """The bytes of a file, piece by piece; no more than one piece beyond ``max_bytes``."""
    pieces, length = [], 0
    while length <= max_bytes and (piece := file.read(CHUNK)):
        pieces.append(piece)
        length += len(piece)
    return b"".join(pieces)


def suspicious(member: str, is_link: bool) -> str | None:
    """Why an archive member is not read, if so. It could do no harm here, but it tries to."""
    path = PurePosixPath(member.replace("\\", "/"))
    if is_link:
        return "is a link; links in archives are not followed"
    if path.is_absolute() or ".." in path.parts or member[1:2] == ":":
        return "its path leads out of the archive"
    return None


def open_zip(file: IO[bytes]) -> zipfile.ZipFile:
    """A zip that is all there is in its file.

    Raises ValueError, or what zipfile raises, where the file is damaged, or something stands
    before or behind the archive: of two in one file only the last would be read.
    """
    archive = zipfile.ZipFile(file)
    first = min((entry.header_offset for entry in archive.infolist()), default=0)
    if not 0 <= first <= SPLIT_MARKER:
        raise ValueError("the archive does not begin with its file: it is damaged, or two in one")
    file.seek(-len(END_OF_ZIP) - 18 - len(archive.comment), io.SEEK_END)
    if file.read(len(END_OF_ZIP)) != END_OF_ZIP:
        raise ValueError("data follow the archive's end: it is damaged, or two archives in one")
    return archive


def is_link(entry: zipfile.ZipInfo) -> bool:
    """Whether a member of a zip is a symbolic link."""
    return stat.S_ISLNK(entry.external_attr >> 16)


def tar(file: IO[bytes]) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Members of a tar, compressed or not, that are no folders, each with its content or None.

    A content must be read before the next member is asked for. Raises ValueError, or whatever
    tarfile and the decompressors raise, where the archive is damaged, goes on behind its end, has a
    header of more than MAX_HEADER bytes, or unpacks to more than MAX_GROWTH times its size.
    """
    unpacked = _Unpacked(file)
    with tarfile.TarFile(fileobj=unpacked) as archive:
        while (entry := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # or it would keep them all
            if not entry.isdir():
                yield entry, archive.extractfile(entry) if entry.isfile() else None
    # tarfile takes a damaged header for the end.
    if unpacked.last != bytes(tarfile.BLOCKSIZE):
        raise ValueError("the archive is damaged or cut: it does not end with an end marker")
    while rest := unpacked.read(CHUNK):
        if rest.strip(b"\0"):
            raise ValueError("data follow the archive's end: it is damaged, or two archives in one")


class _Raw(io.RawIOBase):
    """Any file with ``read`` as a raw stream that knows how much was read."""

    def __init__(self, file: IO[bytes]):
        self.file, self.count = file, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self.file.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)


class _Unpacked(io.RawIOBase):
    """The decompressed bytes of a file, to be read forward only."""

    def __init__(self, file: IO[bytes]):
        self._raw = _Raw(file)
        packed = io.BufferedReader(self._raw, CHUNK)
        start = packed.peek(6)
        openers = [one for magic, one in COMPRESSIONS.items() if start.startswith(magic)]
        self._file = openers[0](packed) if openers else packed
        self._position = 0
        self.last = b""  # what the last read gave

    def tell(self) -> int:
        return self._position

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        while self._position < place and self.read(min(CHUNK, place - self._position)):
            pass
        return self._position

    def read(self, count: int = -1) -> bytes:
        # Contents are read by the CHUNK, but tarfile reads a header at once, as long as it claims.
        if count > MAX_HEADER:
            raise ValueError(f"a header of {count} bytes: it is damaged, or no photographs")
        self.last = self._file.read(count)
        self._position += len(self.last)
        if self._position > GROWTH_FREE and self._position > MAX_GROWTH * self._raw.count:
            raise ValueError(f"unpacks to more than {MAX_GROWTH} times its size: no photographs")
        return self.last
