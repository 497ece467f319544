"""Where photographs come from: one file per kind of source, one line each in the table below."""

import os
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module

from wizard.console import BadSetting
from wizard.sources.photo import Collection, Photo, Request, plain_path, refused

# kind of source → the settings beyond start and count that it listens to
SOURCES = {
    "samples": (),
    "ffhq": ("revision", "metadata"),
    "files": (),
    "parquet": ("column", "caption_column"),
    "hub": ("revision", "column", "caption_column"),
}
# kinds with a `check` of their own; their files import nothing heavy at the top
WITH_CHECK = ("samples", "ffhq")


def kind(source: str) -> str:
    """Which line of the table ``fetch.source`` means.

    A name that could be a path and exists is a path; what is left is taken for a Hub id.
    """
    if source in ("samples", "ffhq"):
        return source
    if plain_path(source).lower().endswith(".parquet"):
        return "parquet"
    is_path = (
        os.path.exists(source)
        or source.startswith((".", "/", "~"))
        or source.count("/") > 1
        or any(character in source for character in ":*?[\\")
        or source.lower().endswith((".zip", ".tar", ".tgz", ".tar.gz"))
    )
    return "files" if is_path else "hub"


def check(request: Request) -> None:
    """Whether the fetch settings fit each other, asked before any work and without the source.

    Raises BadSetting, which names the setting and what is allowed.
    """
    name = kind(request.source)
    for setting in ("revision", "column", "caption_column", "metadata"):
        value = getattr(request, setting)
        if value is not None and setting not in SOURCES[name]:
            raise BadSetting(
                f"fetch.{setting} = {value!r}: has no meaning for fetch.source "
                f"{request.shown!r} (a source of kind {name}); set it to null"
            )
    if name in WITH_CHECK:
        import_module(f"wizard.sources.{name}").check(request)


def collect(request: Request) -> Collection:
    """Open a source; its photographs are read only as they are iterated.

    Ids are unique: a second photograph under an id that was given before fails. Raises BadSetting
    or OSError, in one line, when the source cannot be what the settings say.
    """
    check(request)
    name = kind(request.source)
    collection = import_module(f"wizard.sources.{name}").collect(request)
    return replace(collection, photos=_distinct(collection.photos))


def _distinct(photos: Iterator[Photo]) -> Iterator[Photo]:
    times: dict[str, int] = {}
    for photo in photos:
        times[photo.id] = times.get(photo.id, 0) + 1
        if times[photo.id] > 1:
            reason = f"the name was used before in this source; the first, {photo.id}, was taken"
            yield refused(f"{photo.id}-again{times[photo.id]}", photo.name, reason)
        else:
            yield photo
