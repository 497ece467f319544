"""Scores in bins, as CSV that `dvc plots` draws with the project's own histogram template.

Bins have a fixed width and start at multiples of it, so that those of two revisions lie over each
other. Binned, because DVC puts every data point into its page: 70,000 rows would make 26 MB.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable

WIDTHS = {"ssim": 0.01, "psnr": 0.5}


def histogram(values: Iterable[float], width: float) -> bytes:
    """CSV with the columns ``from``, ``to`` (the bin, its upper edge excluded), ``count`` and
    ``share`` (percent of the values); empty bins between the first and the last are rows of 0.
    """
    counts = Counter(int((value + width * 1e-6) // width) for value in values)
    total = counts.total()
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(["from", "to", "count", "share"])
    for index in range(min(counts), max(counts) + 1) if counts else ():
        edges = [f"{edge * width:g}" for edge in (index, index + 1)]
        table.writerow([*edges, counts[index], f"{100 * counts[index] / total:.4f}"])
    return buffer.getvalue().encode()
