"""Photographs in Parquet files: one, several by a pattern, here or behind a URL."""

import os

from wizard.sources import hub
from wizard.sources.photo import Collection, Request


def collect(request: Request) -> Collection:
    """The rows of the files in their order; the id is the row's number.

    A row must hold the encoded image itself: paths in rows are not followed. ``request.column``
    as for a Hub data set. Raises BadSetting or OSError.
    """
    files = os.path.expanduser(request.source)
    dataset = hub.open_stream(request.shown, "parquet", data_files=[files], split="train")
    return Collection(request.shown, request.count, hub.rows(dataset, "", request, {}))
