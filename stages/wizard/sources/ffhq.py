"""FFHQ (Karras et al., CVPR 2019) from its mirrors on the Hub: 70,000 aligned faces.

The data set is licensed CC BY-NC-SA 4.0, each photograph by its author; the official metadata
file, https://github.com/NVlabs/ffhq-dataset, names author and licence of each.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from wizard.console import BadSetting
from wizard.sources.photo import Collection, Photo, Request, refused


@dataclass(frozen=True)
class Mirror:
    """A copy on the Hub; ``revision`` is the commit that this project knows, if any."""

    name: str
    revision: str | None = None
    is_original: bool = False


# Every image of this revision was found equal to the official pixel MD5 by a public project.
ORIGINAL = Mirror("gaunernst/ffhq-1024-wds", "d74f1f1f59e3bbe975bee29872b9bef827314577", True)
MIRRORS = {
    128: Mirror("nuwandaa/ffhq128"),
    256: Mirror("merkol/ffhq-256"),
    512: ORIGINAL,
    1024: ORIGINAL,
}


def check(request: Request) -> None:
    """Raise BadSetting for a size that no mirror has, and without a commit to read."""
    if request.side not in MIRRORS:
        raise BadSetting(
            f"fetch.side = {request.side}: ffhq comes at {', '.join(map(str, MIRRORS))}; for "
            "another size name a mirror or folder as fetch.source"
        )
    mirror = MIRRORS[request.side]
    if not (request.revision or mirror.revision):
        raise BadSetting(
            f"fetch.revision is null: no commit of {mirror.name} is pinned for size "
            f"{request.side}; set one from https://huggingface.co/datasets/{mirror.name}/commits/"
            "main, or 'main' for the newest, whose commit the manifest then records"
        )


def collect(request: Request) -> Collection:
    """``count`` images from number ``start`` on, at 128, 256, 512 or 1024 pixels.

    The id is FFHQ's own number where the mirror names its images by it, else the row's position,
    which the makers of the small mirrors say nothing about. With ``request.metadata``, the path of
    the official ffhq-dataset-v2.json, title, author and licence enter the manifest, and images
    of the 1024 mirror must have the official pixel MD5. Skipping to ``start`` reads what lies
    before it. Raises BadSetting or OSError.
    """
    from wizard.sources import hub  # heavy, and of no use to check

    mirror = MIRRORS[request.side]
    revision = request.revision or mirror.revision
    # Read first: a wrong path should not wait for the network.
    official = _metadata(request.metadata) if request.metadata else {}
    collection = hub.collect(replace(request, source=mirror.name, revision=revision))
    return replace(collection, photos=_named(collection.photos, mirror, official))


def _named(photos: Iterator[Photo], mirror: Mirror, official: dict) -> Iterator[Photo]:
    for photo in photos:
        number = _number(photo)
        photo = replace(photo, id=f"{number:05d}")
        if number in official:
            md5, facts = official[number]
            photo = replace(photo, facts=photo.facts | facts, pixel_md5=md5)
        elif official:
            photo = refused(photo.id, photo.name, f"fetch.metadata has no image {number}")
        yield photo if mirror.is_original else replace(photo, pixel_md5=None)


def _number(photo: Photo) -> int:
    """FFHQ's number: the file name in the mirror if that is a number, else the row's position."""
    stem = photo.name.rpartition(": ")[2].partition(".")[0]
    return int(stem) if stem.isdecimal() and len(stem) == 5 else int(photo.id)


def _metadata(path: str) -> dict[int, tuple[str, dict]]:
    """What the official file says about each image: its pixel MD5 and the photograph's facts."""
    # Landmarks are most of its 255 MB; they are dropped while it is parsed.
    heavy = ("face_landmarks", "in_the_wild", "thumbnail")
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(
                file, object_pairs_hook=lambda pairs: {k: v for k, v in pairs if k not in heavy}
            )
        return {int(number): _facts(entry) for number, entry in content.items()}
    except OSError as error:
        raise BadSetting(f"fetch.metadata {path!r}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadSetting(
            f"fetch.metadata {path!r}: not FFHQ's ffhq-dataset-v2.json ({error})"
        ) from None


def _facts(entry: dict) -> tuple[str, dict]:
    about = entry["metadata"]
    facts = {
        "title": about["photo_title"], "author": about["author"], "licence": about["license"],
    }  # fmt: skip
    return entry["image"]["pixel_md5"], facts
