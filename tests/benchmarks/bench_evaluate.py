"""Time of measuring 1,000 results at 256×256, beside what people write themselves.

    python tests/benchmarks/bench_evaluate.py [results]

Reads and scores the same PNG files in each way, three rounds in turn, medians. Prints a table,
checks that SSIM and PSNR agree, and writes bench_evaluate.json into the current folder.
"""

import json
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

sys.path.insert(0, str(Path(__file__).parents[2] / "stages"))

from wizard import images, metrics, records  # noqa: E402
from wizard.metrics import pixel  # noqa: E402
from wizard.runners import local  # noqa: E402

SIDE, ROUNDS, RING = 256, 3, 8


def main(results: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = [make(Path(folder), number) for number in range(results)]
        ways = {
            "every metric, all cores": lambda: list(local.run(every_metric, files)),
            "every metric, one core": lambda: list(map(every_metric, files)),
            "SSIM and PSNR, one core": lambda: list(map(ours, files)),
            "scikit-image loop": lambda: list(map(scikit_image, files)),
            "torchmetrics loop": partial(torchmetrics, files),
        }
        seconds = {name: [] for name in ways}
        for _ in range(ROUNDS):
            values = {}
            for name, score_all in ways.items():
                start = time.perf_counter()
                values[name] = score_all()
                seconds[name].append(time.perf_counter() - start)
    np.testing.assert_allclose(
        values["SSIM and PSNR, one core"], values["scikit-image loop"], atol=1e-9
    )
    median = {name: statistics.median(times) for name, times in seconds.items()}
    reference = median["scikit-image loop"]
    print(f"{results} results, {SIDE}×{SIDE}, {local.cores()} cores, median of {ROUNDS}")
    for name, time_taken in median.items():
        print(f"{name:26}{time_taken:8.1f} s {reference / time_taken:6.2f} × scikit-image loop")
    report = {"results": results, "cores": local.cores(), "seconds": median}
    records.write_atomic("bench_evaluate.json", (json.dumps(report, indent=2) + "\n").encode())


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
    original, result, _ = read(files)
    similarity = pixel.ssim_map(original, result)[5:-5, 5:-5].mean()
    return similarity, pixel.psnr(original.astype(np.int16) - result)


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


def torchmetrics(all_files: list[tuple[Path, Path, Path]]) -> list[tuple[float, float]]:
    import torch
    from torchmetrics.functional import image

    scores = []
    for files in all_files:
        original, result, _ = (torch.tensor(one) for one in read(files))
        pair = [one.permute(2, 0, 1)[None].float() for one in (result, original)]
        ssim = image.structural_similarity_index_measure(*pair, data_range=255.0)
        psnr = image.peak_signal_noise_ratio(*pair, data_range=255.0)
        scores.append((ssim.item(), psnr.item()))
    return scores


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
