"""Images per second of large checkpoints on a GPU, beside the loop that one would write.

    python tests/benchmarks/bench_gpu.py [--rounds 3] [--compiled 1]

Random weights in the published architectures (architectures.py): Stable Diffusion 1.5 inpainting at
512×512 in 50 steps, XL at 1024×1024 in 30, with guidance, in bfloat16. What the inpaint stage does
with a batch (prefill, padding, pipeline, paste-back; not the reading and writing of files) is
timed at several batch sizes, eager and compiled; the loop calls diffusers' pipeline with one image
at a time, in the same two ways. Beside images per second: the share of the rate at which this
device multiplies matrices, from the operations that PyTorch counts, and the peak of its memory.
Prints a table and writes results/gpu.json.

Without a GPU it takes hours; ``--tiny 1`` shrinks everything, to see that it runs. Its figures then
mean nothing.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import architectures
import diffusers
import measure
import numpy as np
import torch
from PIL import Image
from skimage.data import astronaut
from torch.utils.flop_counter import FlopCounterMode

from wizard import devices, images, models
from wizard.models import filling

# Side, steps, strength (XL's checkpoints do not start from pure noise) and batch sizes.
CASES = {
    "Stable Diffusion 1.5": (architectures.stable_diffusion, 512, 50, 1.0, (1, 4, 16)),
    "Stable Diffusion XL": (architectures.stable_diffusion_xl, 1024, 30, 0.9999, (1, 4)),
}
PROMPT, GUIDANCE = "a portrait photograph of a face", 7.5


def main() -> None:
    options = measure.arguments(__doc__, rounds=3, compiled=1, tiny=0)
    device = torch.device(devices.pick("auto"))
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    name = torch.cuda.get_device_name() if device.type == "cuda" else "no GPU"
    rate = multiplication_rate(device, dtype, 256 if options.tiny else 8192)
    print(f"{name}: {rate / 1e12:.1f} TFLOP/s in matrix multiplication, {dtype}")
    report = {"device": name, "dtype": str(dtype), "matrix_tflops": rate / 1e12}
    for case, (make, side, steps, strength, batches) in CASES.items():
        if options.tiny:
            side, steps, batches = 64, 2, (1, 2)
        with tempfile.TemporaryDirectory() as folder:
            torch.manual_seed(0)
            architectures.save(make(bool(options.tiny)).to(dtype), Path(folder))
            call = {"num_inference_steps": steps, "strength": strength}
            one = Case(Path(folder), side, call | {"guidance_scale": GUIDANCE}, device, dtype)
            operations = one.operations()
            found = {}
            for way, batch, fill in one.ways(batches, bool(options.compiled)):
                seconds, memory = timed(fill, batch, options.rounds, device)
                share = operations / seconds / rate
                print(f"{case:22}{way:28}{1 / seconds:9.3f} images/s {share:7.1%}")
                found[way] = {"images_per_second": 1 / seconds, "share_of_matrix_rate": share}
                found[way]["peak_memory_mib"] = memory
        report[case] = {"side": side, "steps": steps, "tera_operations": operations / 1e12}
        report[case] |= found
    report |= {"rounds": options.rounds, "machine": measure.machine("torch", "diffusers")}
    measure.write(options.output, "gpu", report)


class Case:
    """One checkpoint and the ways to fill with it."""

    def __init__(
        self, folder: Path, side: int, call: dict, device: torch.device, dtype: torch.dtype
    ):
        self.folder, self.side, self.call = folder, side, call
        self.device, self.dtype = device, dtype
        self.portrait = np.asarray(Image.fromarray(astronaut()).resize((side, side)))
        self.mask = np.zeros((side, side), bool)
        self.mask[side // 4 : -side // 4, side // 4 : -side // 4] = True

    def ways(
        self, batches: tuple[int, ...], compiled: bool
    ) -> Iterator[tuple[str, int, Callable[[], object]]]:
        """Name, images per call, and the call; one model is in memory at a time."""
        for compile in (False, True)[: 1 + compiled]:
            mode = "compiled" if compile else "eager"
            yield f"loop, {mode}", 1, self.loop(compile)
            for batch in batches:
                yield f"batches of {batch}, {mode}", batch, self.ours(batch, compile)

    def ours(self, batch: int, compile: bool) -> Callable[[], object]:
        backend = models.load(
            "diffusers",
            model=str(self.folder),
            revision=None,
            variant=None,
            scheduler=None,
            device=str(self.device),
            dtype=str(self.dtype).removeprefix("torch."),
            compile=compile,
            prompt=PROMPT,
            negative_prompt="",
            **self.call,
        )
        filler = filling.Filler(backend, "telea", batch)
        rows = [self.portrait] * batch, [self.mask] * batch, range(batch), [(PROMPT, "")] * batch
        return lambda: [
            images.composite(self.portrait, one, self.mask) for one in filler.fill(*rows)
        ]

    def loop(self, compile: bool) -> Callable[[], object]:
        pipe = diffusers.AutoPipelineForInpainting.from_pretrained(
            self.folder, dtype=self.dtype, safety_checker=None, requires_safety_checker=False
        ).to(self.device)
        pipe.set_progress_bar_config(disable=True)
        if compile:
            pipe.unet.compile_repeated_blocks()
        size = {"height": self.side, "width": self.side}
        image, mask = Image.fromarray(self.portrait), Image.fromarray(self.mask)
        return lambda: pipe(PROMPT, image=image, mask_image=mask, **size, **self.call).images

    def operations(self) -> int:
        """Floating-point operations of one result, as PyTorch counts them."""
        with FlopCounterMode(display=False) as counter:
            self.loop(compile=False)()
        return counter.get_total_flops()


def timed(
    fill: Callable[[], object], batch: int, rounds: int, device: torch.device
) -> tuple[float, float]:
    """Seconds per image, the median of rounds after one to warm up, and peak memory in MiB."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(1 + rounds):
        start = time.perf_counter()
        fill()  # ends with pixels on the CPU, so nothing is still under way
        seconds.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else 0
    return statistics.median(seconds[1:]) / batch, peak / 2**20


def multiplication_rate(device: torch.device, dtype: torch.dtype, side: int) -> float:
    """Operations per second in the best of ten products of two square matrices."""
    matrix = torch.randn(side, side, device=device, dtype=dtype)
    seconds = []
    for _ in range(11):
        start = time.perf_counter()
        product = matrix @ matrix
        product[0, 0].item()  # waits for the device
        seconds.append(time.perf_counter() - start)
    return 2 * side**3 / min(seconds[1:])


if __name__ == "__main__":
    main()
