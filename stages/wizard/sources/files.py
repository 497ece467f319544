"""Photographs in files: a folder, a glob, one image, zip and tar archives, here or behind a URL.

Read through fsspec rather than with an image-folder builder: names, links and sizes of archive
members are then in our hands. A member is only ever read as a stream of bytes; nothing is
extracted, and no name of a member becomes a path.
"""

import os
import re
import stat
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import IO

import fsspec

from wizard.images import SUFFIXES
from wizard.sources.photo import (
    Collection,
    Photo,
    Request,
    bounded,
    file_id,
    is_hidden,
    is_image,
    printable,
    refused,
)  # fmt: skip

ZIP = (".zip",)
TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

FileSystem = fsspec.AbstractFileSystem


def collect(request: Request) -> Collection:
    """Photographs of files, loose ones and those in a zip in the order of their ids.

    A tar (plain or WebDataset, compressed or not) is one stream and keeps its own order; sidecar
    files beside its images are passed over. With several archives the name of the archive belongs
    to the path that makes the id. Raises ValueError or OSError when there is nothing to read.
    """
    try:
        system, place = fsspec.core.url_to_fs(os.path.expanduser(request.source))
        base, names = _listing(system, place)
    except ImportError as error:
        raise ValueError(f"fetch.source {request.source!r}: {error}") from None
    names = [name for name in names if not is_hidden(name)]
    if not names:
        raise ValueError(
            f"fetch.source {request.source!r}: no such file, or an empty folder, or no answer"
        )
    if all(name.lower().endswith(ZIP + TAR) for name in names):
        return _archives(system, base, sorted(names), request)

    images = sorted(filter(is_image, names), key=file_id)
    if not images:
        raise ValueError(
            f"fetch.source {request.source!r}: no photograph in it, only {_suffixes(names)}; "
            "give a folder of images, or a pattern such as 'folder/*.tar' or 'folder/*.parquet'"
        )
    chosen = images[request.start : request.stop]
    photos = (_loose(system, base, name, request.max_bytes) for name in chosen)
    others = [name for name in names if not is_image(name)]
    note = f"fetch: left out, not an image by name: {_suffixes(others)}" if others else ""
    return Collection(request.source, len(chosen), photos, note)


def _listing(system: FileSystem, place: str) -> tuple[str, list[str]]:
    """A folder and the paths below it of all files that the source names."""
    # Asked whether it is a folder, an HTTP file system downloads the file to look for links.
    is_file = place.lower().endswith(ZIP + TAR + SUFFIXES) and not os.path.isdir(place)
    if is_file and system.exists(place):
        base, found = place.rpartition("/")[0], [place]
    elif not is_file and system.isdir(place):
        base, found = place.rstrip("/"), system.find(place)
    else:
        base = re.split(r"[*?\[]", place)[0].rpartition("/")[0]
        found = [path for path in system.glob(place) if not system.isdir(path)]
    return base, [path.removeprefix(base).lstrip("/") for path in found]


def _suffixes(names: list[str]) -> str:
    """What kinds of files there are, commonest first: ``.txt 3, .heic 1``."""
    kinds = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in names)
    return ", ".join(f"{printable(kind)} {count}" for kind, count in kinds.most_common(5))


def _loose(system: FileSystem, base: str, name: str, max_bytes: int) -> Photo:
    read = partial(_read, partial(system.open, f"{base}/{name}", "rb"), max_bytes)
    return Photo(file_id(name), printable(name), read)


def _read(opened, max_bytes: int) -> bytes:
    """All bytes of what ``opened()`` opens; whatever a file system throws becomes an OSError."""
    try:
        with opened() as file:
            data = file.read(max_bytes + 1)
    except OSError:
        raise
    except Exception as error:
        # zlib, zipfile, HTTP clients and cloud file systems each have exceptions of their own.
        raise OSError(f"cannot be read: {error or type(error).__name__}") from None
    return bounded(data, max_bytes)


def _archives(system: FileSystem, base: str, names: list[str], request: Request) -> Collection:
    streams = (
        _members(system, f"{base}/{name}", f"{name}/" if len(names) > 1 else "", request.max_bytes)
        for name in names
    )
    photos = islice(chain.from_iterable(streams), request.start, request.stop)
    return Collection(request.source, request.count, photos)


def _members(system: FileSystem, path: str, prefix: str, max_bytes: int) -> Iterator[Photo]:
    walk = _zip if path.lower().endswith(ZIP) else _tar
    last = "its beginning"
    try:
        for photo in walk(system.open(path, "rb"), prefix, max_bytes):
            last = photo.name
            yield photo
    except Exception as error:
        # tarfile, zipfile, zlib, lzma and the file systems each have exceptions of their own.
        reason = str(error) or type(error).__name__
        raise OSError(f"{path}: cannot be read on after {last}: {reason}") from None


def _zip(file: IO[bytes], prefix: str, max_bytes: int) -> Iterator[Photo]:
    # Left open on purpose: workers still read members when the last one has been handed out.
    archive = zipfile.ZipFile(file)
    members = [entry for entry in archive.infolist() if is_image(entry.filename)]
    for entry in sorted(members, key=lambda entry: file_id(entry.filename)):
        name = prefix + entry.filename
        is_link = stat.S_ISLNK(entry.external_attr >> 16)
        if reason := _suspicious(entry.filename, is_link):
            yield refused(file_id(name), printable(name), reason)
        else:
            read = partial(_read, partial(archive.open, entry), max_bytes)
            yield Photo(file_id(name), printable(name), read)


def _tar(file: IO[bytes], prefix: str, max_bytes: int) -> Iterator[Photo]:
    with tarfile.open(fileobj=file, mode="r|*") as archive:
        for entry in archive:
            if entry.isdir() or not is_image(entry.name):
                continue
            name = prefix + entry.name.removeprefix("./")
            if reason := _suspicious(entry.name, not entry.isfile()):
                yield refused(file_id(name), printable(name), reason)
            else:
                data = archive.extractfile(entry).read(max_bytes + 1)
                yield Photo(file_id(name), printable(name), partial(bounded, data, max_bytes))


def _suspicious(member: str, is_link: bool) -> str | None:
    """Why an archive member is not read, if so. It could do no harm here, but it tries to."""
    path = PurePosixPath(member.replace("\\", "/"))
    if is_link:
        return "is a link; links in archives are not followed"
    if path.is_absolute() or ".." in path.parts or member[1:2] == ":":
        return "its path leads out of the archive"
    return None
