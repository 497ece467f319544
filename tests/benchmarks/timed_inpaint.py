"""Run the inpaint stage in the current folder and print, as JSON, where its seconds went.

    python timed_inpaint.py

``model``, ``roundtrip`` and ``baseline`` are the seconds of these runs, from the first file read
to the last one written; ``networks`` are those of the model's run inside UNet, autoencoder and text
encoder. The stage is watched, not changed: its progress display and the networks get clocks around
them.
"""

import functools
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from diffusers import AsymmetricAutoencoderKL, AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel

sys.path.insert(0, str(Path(__file__).parents[2] / "stages"))

from wizard import console

NETWORKS = {
    UNet2DConditionModel: ("forward",),
    CLIPTextModel: ("forward",),
    AutoencoderKL: ("encode", "decode"),
    AsymmetricAutoencoderKL: ("encode", "decode"),
}

seconds, networks = Counter(), Counter()
running = []


def timed_network(call: Callable) -> Callable:
    @functools.wraps(call)
    def timed(*args, **kwargs):
        start = time.perf_counter()
        answer = call(*args, **kwargs)
        networks[running[-1]] += time.perf_counter() - start
        return answer

    return timed


def timed_progress(progress: Callable) -> Callable:
    def timed(items, total, desc: str, *args) -> Iterator:
        running.append(desc.split()[-1])
        start = time.perf_counter()
        yield from progress(items, total, desc, *args)
        seconds[running[-1]] += time.perf_counter() - start

    return timed


if __name__ == "__main__":
    for network, calls in NETWORKS.items():
        for name in calls:
            setattr(network, name, timed_network(getattr(network, name)))
    console.progress = timed_progress(console.progress)
    import inpaint  # takes its progress from console as it is now

    inpaint.main(Path("params.yaml"))
    print(json.dumps(seconds | {"networks": networks["model"]}))
