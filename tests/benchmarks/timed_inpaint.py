"""Run the inpaint stage in the current folder and print, as JSON, where its seconds went.

    python timed_inpaint.py

``model``, ``roundtrip`` and ``baseline`` are the seconds of these runs, from the first file read
to the last one written; ``pipeline`` are those inside diffusers' pipeline. The stage is watched,
not changed: its progress display and the pipeline's call get clocks around them.
"""

import functools
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from diffusers import StableDiffusionInpaintPipeline

sys.path.insert(0, str(Path(__file__).parents[2] / "stages"))

from wizard import console

seconds = Counter()


def timed_call(call: Callable) -> Callable:
    @functools.wraps(call)
    def timed(*args, **kwargs):
        start = time.perf_counter()
        answer = call(*args, **kwargs)
        seconds["pipeline"] += time.perf_counter() - start
        return answer

    return timed


def timed_progress(progress: Callable) -> Callable:
    def timed(items, total, desc: str, *args) -> Iterator:
        start = time.perf_counter()
        yield from progress(items, total, desc, *args)
        seconds[desc.split()[-1]] += time.perf_counter() - start

    return timed


if __name__ == "__main__":
    StableDiffusionInpaintPipeline.__call__ = timed_call(StableDiffusionInpaintPipeline.__call__)
    console.progress = timed_progress(console.progress)
    import inpaint  # takes its progress from console as it is now

    inpaint.main(Path("params.yaml"))
    print(json.dumps(seconds))
