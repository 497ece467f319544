"""Photographs in files: a folder, a glob, one image, zip and tar archives, here or behind a URL.

Read through fsspec rather than with an image-folder builder: names, links and sizes of archive
members are then in our hands. A member is only ever read as a stream of bytes; nothing is
extracted, and no name of a member becomes a path.
"""

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import IO

import fsspec
from fsspec import AbstractFileSystem as FileSystem
from fsspec.implementations.local import LocalFileSystem

from wizard.console import BadSetting, bare, without_secrets
from wizard.images import SUFFIXES
from wizard.records import Unusable
from wizard.sources import archives, captions
from wizard.sources.photo import (
    WEB,
    Collection,
    InTurn,
    Photo,
    Request,
    bounded,
    file_ids,
    is_hidden,
    is_image,
    plain_path,
    printable,
    refused,
)

ZIP = (".zip",)
TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
SILENCE_S = 30  # after which a web server is given up


def collect(request: Request) -> Collection:
    """Photographs of files, loose ones and those in a zip in the order of their names.

    Captions beside them become their prompts. A tar (plain or WebDataset, compressed or not) is
    one stream and keeps its own order; files beside its images are passed over. With several
    archives the name of the archive belongs to the path that makes the id. Raises BadSetting or
    OSError when there is nothing to read.
    """
    try:
        system, files = _listing(os.path.expanduser(request.source))
    except TypeError:  # of a file system that is made with arguments
        raise BadSetting(
            f"fetch.source {request.shown!r}: needs more than an address; copy the photographs to "
            "a folder or name them by a path, https:// or s3://"
        ) from None
    except Exception as error:
        # Each file system has requirements and exceptions of its own.
        reason = str(error).replace(request.source, request.shown) or type(error).__name__
        raise BadSetting(f"fetch.source {request.shown!r}: {without_secrets(reason)}") from None
    files = {name: path for name, path in files.items() if not is_hidden(name)}
    if not files:
        raise BadSetting(
            f"fetch.source {request.shown!r}: no such file, or an empty folder, or no answer"
        )
    if all(name.lower().endswith(ZIP + TAR) for name in files):
        return _archives(system, files, request)

    names = sorted(filter(is_image, files))
    if not names:
        raise BadSetting(
            f"fetch.source {request.shown!r}: no photograph in it, only {_suffixes(files)}; "
            "give a folder of images, or a pattern such as 'folder/*.tar' or 'folder/*.parquet'"
        )
    read = partial(_read, system, files)
    whole, told = partial(_whole, read, request.max_bytes), captions.collect(files, read)
    ids, chosen = file_ids(names), names[request.start : request.stop]
    photos = (_captioned(ids[name], name, name, whole, told) for name in chosen)
    is_far = not isinstance(system, LocalFileSystem)
    return Collection(request.shown, len(chosen), photos, _notes(files, ids, told), is_far)


def _listing(source: str) -> tuple[FileSystem, dict[str, str]]:
    """All files that the source names: their names in it, and where to find them."""
    is_web = source.startswith(WEB)
    system, place = fsspec.core.url_to_fs(source, **(_patience() if is_web else {}))
    bare = plain_path(place)
    # Asked whether it is a folder, an HTTP file system downloads the file to look for links.
    is_file = bare.lower().endswith(ZIP + TAR + SUFFIXES) and not os.path.isdir(place)
    if is_file and (is_web or system.exists(place)):
        return system, {bare.rpartition("/")[2]: place}
    if not is_file and system.isdir(place):
        base, found = bare.rstrip("/"), system.find(place)
    else:
        base = re.split(r"[*?\[]", place)[0].rpartition("/")[0]
        found = [path for path in system.glob(place) if not system.isdir(path)]
    return system, {plain_path(path).removeprefix(base).lstrip("/"): path for path in found}


def _patience() -> dict:
    from aiohttp import ClientTimeout

    limits = ClientTimeout(total=None, sock_connect=SILENCE_S, sock_read=SILENCE_S)
    return {"client_kwargs": {"timeout": limits}}


def _notes(files: dict[str, str], ids: dict[str, str], told: captions.Captions) -> tuple[str, ...]:
    others = [n for n in files if not is_image(n) and not captions.is_caption(n, told)]
    notes = [f"fetch: left out, not an image by name: {_suffixes(others)}"] if others else []
    if told.strays:
        notes.append(f"fetch: captions of photographs that are missing: {_first(told.strays)}")
    twins = [name for name, own in ids.items() if own != file_ids([name])[name]]
    if twins:
        notes.append(f"fetch: same name, so given longer ids: {_first(twins)}")
    return tuple(notes)


def _first(names: Sequence[str]) -> str:
    """A few names for a line, and how many more there are."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(map(printable, names[:5])) + more


def _suffixes(names) -> str:
    """What kinds of files there are, commonest first: ``.txt 3, .heic 1``."""
    kinds = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in names)
    return ", ".join(f"{printable(kind)} {count}" for kind, count in kinds.most_common(5))


def _captioned(photo_id: str, shown: str, name: str, read, told: captions.Captions) -> Photo:
    """A photograph called ``name`` where it lies, to be shown under a name that may be longer."""
    try:
        facts = told.of(name)
    except (Unusable, OSError) as error:
        return refused(photo_id, printable(shown), f"its caption: {error}")
    return Photo(photo_id, printable(shown), partial(read, name), facts=facts)


def _open(system: FileSystem, path: str) -> IO[bytes]:
    """A file to be read from its beginning to its end."""
    _refuse_pipe(system, path)
    if path.startswith(WEB):
        # One request for all of it. A block size of 0 asks for a stream, whose size is not used.
        return system.open(path, "rb", block_size=0, size=1)
    return system.open(path, "rb")


def _refuse_pipe(system: FileSystem, path: str) -> None:
    """Raise Unusable for what would be waited for without end."""
    if isinstance(system, LocalFileSystem) and not stat.S_ISREG(os.stat(path).st_mode):
        raise Unusable("not a regular file")


def _read(system: FileSystem, files: dict[str, str], name: str, max_bytes: int) -> bytes:
    return _bytes(partial(_open, system, files[name]), max_bytes)


def _whole(read, max_bytes: int, name: str) -> bytes:
    """What ``read`` gives of a photograph, unless it is too long."""
    return bounded(read(name, max_bytes), max_bytes)


def _bytes(opened, max_bytes: int) -> bytes:
    """What ``opened()`` opens, or its beginning, which is longer than ``max_bytes`` too.

    Whatever a file system throws becomes an OSError.
    """
    try:
        with opened() as file:
            return archives.all_of(file, max_bytes)
    except TimeoutError:
        raise OSError(f"no answer for {SILENCE_S} s") from None
    except FileNotFoundError:
        raise OSError("No such file or directory") from None
    except (Unusable, MemoryError):
        raise
    except Exception as error:
        # zlib, zipfile, HTTP clients and cloud file systems each have exceptions of their own.
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise OSError(f"cannot be read: {without_secrets(reason)}") from None


def _archives(system: FileSystem, files: dict[str, str], request: Request) -> Collection:
    in_turn = InTurn()
    streams = (
        _members(system, files[name], f"{name}/" if len(files) > 1 else "", request, in_turn)
        for name in sorted(files)
    )
    photos = islice(chain.from_iterable(streams), request.start, request.stop)
    return Collection(request.shown, request.count, photos)


def _members(
    system: FileSystem, path: str, prefix: str, request: Request, in_turn: InTurn
) -> Iterator[Photo]:
    last = "its beginning"
    try:
        if plain_path(path).lower().endswith(ZIP):
            _refuse_pipe(system, path)
            members = _zip(system.open(path, "rb"), prefix, request.max_bytes)
        else:
            members = _tar(_open(system, path), prefix, request.max_bytes, in_turn)
        for photo in members:
            last = photo.name
            yield photo
    except MemoryError:
        raise
    except Exception as error:
        # tarfile, zipfile, zlib, lzma and the file systems each have exceptions of their own.
        reason = str(error) or type(error).__name__
        text = f"{path}: cannot be read beyond {last}: {reason}".replace(path, bare(path))
        raise OSError(without_secrets(text)) from None


def _zip(file: IO[bytes], prefix: str, max_bytes: int) -> Iterator[Photo]:
    # Left open on purpose: workers still read members when the last one has been handed out.
    archive = archives.open_zip(file)
    entries = [entry for entry in archive.infolist() if not is_hidden(entry.filename)]
    members = {entry.filename: entry for entry in reversed(entries)}  # of two, the first

    def read(name: str, max_bytes: int) -> bytes:
        return _bytes(partial(archive.open, members[name]), max_bytes)

    whole, told = partial(_whole, read, max_bytes), captions.collect(members, read)
    chosen = [entry for entry in entries if is_image(entry.filename)]
    ids = file_ids(prefix + entry.filename for entry in chosen)
    for entry in sorted(chosen, key=lambda entry: entry.filename):
        name = prefix + entry.filename
        if reason := archives.suspicious(entry.filename, archives.is_link(entry)):
            yield refused(ids[name], printable(name), reason)
        else:
            yield _captioned(ids[name], name, entry.filename, whole, told)


def _tar(file: IO[bytes], prefix: str, max_bytes: int, in_turn: InTurn) -> Iterator[Photo]:
    for entry, content in archives.tar(file):
        if not is_image(entry.name):
            continue
        name = prefix + entry.name.removeprefix("./")
        photo_id = in_turn.id(name)
        if reason := archives.suspicious(entry.name, content is None):
            yield refused(photo_id, printable(name), reason)
        else:
            assert content is not None  # what has no content was refused
            data = archives.all_of(content, max_bytes)
            yield Photo(photo_id, printable(name), partial(bounded, data, max_bytes))
