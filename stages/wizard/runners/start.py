"""The one place where work is sent to this machine or to a cluster."""

from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

from wizard.console import BadSetting
from wizard.runners import local


def workers(
    runner: str,
    make: Callable[[], Any],
    threads: int | str = 1,
    parcel: tuple[Callable[[], Any], dict[str, Path]] | None = None,
    **cluster,
) -> AbstractContextManager:
    """Objects that do one kind of work, as a context: ``about()``, ``map(method, calls)``.

    For ``runner`` "local", or where nothing can be sent, it is what ``make()`` gives, in this
    process, called from ``threads`` threads. For "ray" it is ``parcel`` that is sent: another
    ``make``, to be called in each process of a cluster in a folder that holds certain files, and
    those files by their names there. ``cluster`` are the options of ``on_ray.Workers``.

    Raises BadSetting when Ray is not installed, or as ``on_ray.Workers`` does.
    """
    if runner == "local" or parcel is None:
        return closing(local.Worker(make, threads))
    try:
        from wizard.runners import on_ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise BadSetting(
            "runtime.runner = ray: Ray is not installed; pip install -r requirements-ray.txt"
        ) from None
    return closing(on_ray.Workers(*parcel, **cluster))
