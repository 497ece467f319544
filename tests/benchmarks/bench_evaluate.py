"""Time of measuring results at 256×256, beside what people write themselves.

    python tests/benchmarks/bench_evaluate.py [--pairs 1000] [--rounds 3]

Reads and scores the same PNG files in each way, in turn: with the stage's every metric over all
cores and in one process, and SSIM and PSNR alone by our code, by scikit-image and by torchmetrics.
Ours measures them in the hole and in its ring too, the others over the image only. Checks that
their values agree, prints a table and writes results/evaluate.json.
"""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import measure
import numpy as np
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from wizard import images, metrics
from wizard.metrics import pixel
from wizard.runners import local

SIDE, RING = 256, 8


def main() -> None:
    options = measure.arguments(__doc__, pairs=1000, rounds=3)
    with tempfile.TemporaryDirectory() as folder:
        files = [make(Path(folder), number) for number in range(options.pairs)]
        values = {}
        ways = {
            "every metric, a process a core": lambda: list(local.run(every_metric, files)),
            "every metric, one process": lambda: list(map(every_metric, files)),
            "SSIM and PSNR, a process a core": lambda: list(local.run(ours, files)),
            "SSIM and PSNR, one process": lambda: list(map(ours, files)),
            "scikit-image loop": lambda: list(map(scikit_image, files)),
            "torchmetrics loop": lambda: list(map(torchmetrics, files)),
        }
        ways = {name: partial(timed, way, name, values) for name, way in ways.items()}
        seconds = measure.in_turn(ways, options.rounds)
    check_values(values)
    print(f"{options.pairs} results of {SIDE}×{SIDE}, {measure.cores()} cores")
    report = {"pairs": options.pairs, "rounds": options.rounds}
    report |= measure.compare({"whole": seconds}, "SSIM and PSNR, one process")
    machine = measure.machine("opencv-python-headless", "scikit-image", "torchmetrics", "torch")
    measure.write(options.output, "evaluate", report | {"machine": machine})


def timed(way: Callable[[], list], name: str, values: dict[str, list]) -> float:
    """Seconds of one way; its values are kept under its name."""
    start = time.perf_counter()
    values[name] = way()
    return time.perf_counter() - start


def check_values(values: dict[str, list]) -> None:
    """Ours are scikit-image's; torchmetrics computes in single precision and keeps the frame."""
    own = np.array(values["SSIM and PSNR, one process"])
    np.testing.assert_array_equal(own, values["SSIM and PSNR, a process a core"])
    np.testing.assert_allclose(own, values["scikit-image loop"], atol=1e-9)
    np.testing.assert_allclose(own[:, 1], np.array(values["torchmetrics loop"])[:, 1], atol=1e-3)


def make(folder: Path, number: int) -> tuple[Path, Path, Path]:
    """An original, a result and a mask as the stages write them: a quarter of the image filled."""
    rng = np.random.default_rng(number)
    top, left = rng.integers(0, SIDE, 2)
    original = astronaut()[top : top + SIDE, left : left + SIDE]
    mask = np.zeros((SIDE, SIDE), bool)
    top, left = rng.integers(0, SIDE // 2, 2)
    mask[top : top + SIDE // 2, left : left + SIDE // 2] = True
    noisy = (original + rng.normal(0, 15, original.shape)).clip(0, 255).astype(np.uint8)
    contents = {"original": original, "mask": mask, "result": None}
    contents["result"] = images.composite(original, noisy, mask)
    paths = []
    for name, array in contents.items():
        path = folder / f"{number:05d}_{name}.png"
        path.write_bytes(images.encode(array))
        paths.append(path)
    return tuple(paths)


def read(files: tuple[Path, Path, Path]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    original, mask, result = files
    return images.load(original), images.load(result), images.load_mask(mask)


def every_metric(files: tuple[Path, Path, Path]) -> dict:
    return metrics.score(*read(files), RING)


def ours(files: tuple[Path, Path, Path]) -> tuple[float, float]:
    values = pixel.score(*read(files), RING)
    return values["ssim"], values["psnr"]


def scikit_image(files: tuple[Path, Path, Path]) -> tuple[float, float]:
    original, result, _ = read(files)
    ssim = structural_similarity(
        original,
        result,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=2,
    )
    return ssim, peak_signal_noise_ratio(original, result)


def torchmetrics(files: tuple[Path, Path, Path]) -> tuple[float, float]:
    import torch
    from torchmetrics.functional import image

    original, result, _ = (torch.tensor(one) for one in read(files))
    pair = [one.permute(2, 0, 1)[None].float() for one in (result, original)]
    ssim = image.structural_similarity_index_measure(*pair, data_range=255.0)
    psnr = image.peak_signal_noise_ratio(*pair, data_range=255.0)
    return ssim.item(), psnr.item()


if __name__ == "__main__":
    main()
