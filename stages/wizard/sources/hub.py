"""Photographs in a data set of the Hugging Face Hub, read as a stream.

Without a network the copy that ``hf download ID --repo-type dataset`` left in the cache is read.
A data set is data: one that needs a script is refused, and no code of it ever runs.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import fsspec
from datasets import Image, IterableDataset, Value, load_dataset
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from wizard.console import BadSetting, without_secrets
from wizard.records import Unusable
from wizard.sources.photo import (
    Collection,
    Photo,
    Request,
    bounded,
    printable,
    refused,
)


def collect(request: Request) -> Collection:
    """The rows of one split in their order; the id is the row's number.

    The revision is resolved to a commit, which goes into the manifest. ``request.column`` names
    the image column; None takes the first that holds images. Raises BadSetting or OSError.
    """
    place, commit = locate(request.source, request.revision)
    revision = None if os.path.isdir(place) else commit
    dataset = open_stream(request.source, place, split=request.split, revision=revision)
    photos = rows(dataset, place, request, {"revision": commit})
    return Collection(request.source, length(dataset, request), photos)


def locate(name: str, revision: str | None) -> tuple[str, str | None]:
    """Where ``load_dataset`` finds a Hub data set (its id, or a cached folder), and its commit."""
    wanted = f"fetch.source {name!r}" + (f" at revision {revision!r}" if revision else "")
    try:
        return name, HfApi().dataset_info(name, revision=revision, timeout=30).sha
    except HFValidationError:
        raise BadSetting(
            f"{wanted}: no such file or folder, and no Hub id (organisation/name) either"
        ) from None
    except GatedRepoError:
        raise OSError(
            f"{wanted}: gated; accept its terms on https://huggingface.co/datasets/{name} and "
            "log in with: hf auth login"
        ) from None
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise BadSetting(
            f"{wanted}: neither a path here nor a data set on the Hub; check the spelling, or "
            "log in with hf auth login when it is private"
        ) from None
    except Exception as error:
        reason = type(error).__name__
    try:
        folder = snapshot_download(
            name, repo_type="dataset", revision=revision, local_files_only=True
        )
    except LocalEntryNotFoundError:
        pin = f" --revision {revision}" if revision else ""
        raise OSError(
            f"{wanted}: the Hub cannot be reached ({reason}) and the cache has no copy; run, where "
            f"there is a network: hf download {name} --repo-type dataset{pin}; or set fetch.source "
            "to samples, or to a folder, zip, tar or parquet file"
        ) from None
    return folder, Path(folder).name


def open_stream(shown: str, place: str, **options) -> IterableDataset:
    """A data set as a stream; the many ways in which that fails become one line."""
    try:
        return load_dataset(place, streaming=True, **options)
    except Exception as error:
        if "scripts are no longer supported" in str(error):
            raise BadSetting(
                f"fetch.source {shown!r}: needs a script to be read, and no code of a data set is "
                f"run; name its files instead, such as hf://datasets/{shown}/data/*.parquet"
            ) from None
        raise BadSetting(f"fetch.source {shown!r}: {without_secrets(str(error))}") from None


def length(dataset: IterableDataset, request: Request) -> int | None:
    """How many photographs will come, as far as the data set's own description tells."""
    known = (dataset.info.splits or {}).get(request.split)
    if not known or not known.num_examples:
        return request.count
    left = max(0, known.num_examples - request.start)
    return left if request.count is None else min(left, request.count)


def rows(dataset: IterableDataset, place: str, request: Request, facts: dict) -> Iterator[Photo]:
    """The photographs of a data set; ids are row numbers of five digits or more.

    Raises BadSetting, before the first row, when a column that was asked for is missing.
    """
    column, caption = image_column(dataset, request), request.caption_column
    if caption is not None and caption not in (dataset.features or {}):
        raise BadSetting(_no_column("caption_column", caption, dataset, request))
    return _rows(dataset, column, place, request, facts)


def _rows(
    dataset: IterableDataset, column: str, place: str, request: Request, facts: dict
) -> Iterator[Photo]:
    caption = request.caption_column
    wanted = [column] + ([caption] if caption else [])
    images = dataset.select_columns(wanted).cast_column(column, Image(decode=False))
    images = images.skip(request.start)
    if request.count is not None:
        images = images.take(request.count)
    number = request.start
    try:
        for number, row in enumerate(images, request.start):
            told = bool(caption) and str(row[caption] or "").strip()
            about = facts | ({"prompt": row[caption]} if told else {})
            yield photo(row[column], number, place, request.max_bytes, about)
    except Exception as error:
        raise OSError(
            f"fetch.source {request.shown!r}: broke off near row {number} "
            f"({type(error).__name__}: {without_secrets(str(error))}); what was finished is kept, "
            "run again to resume"
        ) from None


def _no_column(setting: str, name: str, dataset: IterableDataset, request: Request) -> str:
    return (
        f"fetch.{setting} = {name!r}: columns of {request.shown!r} are: "
        f"{', '.join(dataset.features or {})}"
    )


def image_column(dataset: IterableDataset, request: Request) -> str:
    """The column to read: the one asked for, else the first of images, else the first of bytes."""
    features = dataset.features or {}
    if request.column is not None:
        if request.column not in features:
            raise BadSetting(_no_column("column", request.column, dataset, request))
        return request.column
    for fits in (_holds_images, _holds_bytes):
        for name, feature in features.items():
            if fits(feature):
                return name
    raise BadSetting(
        f"fetch.source {request.shown!r}: no column holds images; set fetch.column to one of: "
        f"{', '.join(features)}"
    )


def _holds_images(feature) -> bool:
    return isinstance(feature, Image)


def _holds_bytes(feature) -> bool:
    """Encoded images that no metadata declares: bytes, or the pair of bytes and path."""
    value = feature.get("bytes") if isinstance(feature, dict) else feature
    return isinstance(value, Value) and value.dtype in ("binary", "large_binary")


def photo(value: dict | None, number: int, place: str, max_bytes: int, facts: dict) -> Photo:
    """One row. ``value`` has the encoded bytes, or the path of a file of the same data set."""
    photo_id, path = f"{number:05d}", (value or {}).get("path")
    name = f"row {number}" + (f": {printable(_basename(path))}" if path else "")
    if not isinstance(facts.get("prompt", ""), str):
        return refused(photo_id, name, "its caption is not text; name another fetch.caption_column")
    if value and value["bytes"]:
        return Photo(photo_id, name, partial(bounded, value["bytes"], max_bytes), facts=facts)
    if path and _inside(path, place):
        return Photo(photo_id, name, partial(_read, path, max_bytes), facts=facts)
    reason = "the row holds a path that is no file of the data set" if path else "the row is empty"
    return refused(photo_id, name, reason)


def _basename(path: str) -> str:
    """The file's name, also that of a member of an archive (``zip://a.png::ROOT/train.zip``)."""
    return os.path.basename(path.split("::")[0])


def _inside(path: str, place: str) -> bool:
    """Whether a path that a row names lies in the data set itself.

    A row could name any file of this machine or of its network; only the data set's own are read,
    loose or as members of its archives.
    """
    root = place.rstrip("/") + "/" if os.path.isdir(place) else f"hf://datasets/{place}@"
    *members, file = path.split("::")
    in_archives = all(member.startswith(("zip://", "tar://")) for member in members)
    return in_archives and file.startswith(root) and ".." not in path.split("/")


def _read(path: str, max_bytes: int) -> bytes:
    try:
        with fsspec.open(path, "rb") as file:
            return bounded(file.read(max_bytes + 1), max_bytes)
    except (OSError, Unusable, MemoryError):
        raise
    except Exception as error:
        reason = without_secrets(str(error)) or type(error).__name__
        raise OSError(f"cannot be read: {reason}") from None
