"""Whether a large photograph is filled better in windows than scaled down and up again.

    apt-get download lomiri-wallpapers-16.04
    dpkg -x lomiri-wallpapers-16.04_*.deb package
    python tests/benchmarks/bench_windows.py --photographs package/usr/share/backgrounds

Of that Debian package, whose photographs are under CC BY, CC BY-SA and CC0, ten of 4 to 13
megapixels are taken. Each gets a rectangle and, apart from that, scratches, of 5% of its area each.
The embedded model and the biharmonic method fill them in windows, as the pipeline does, and in the
way of a tool without windows: the whole photograph scaled down until its longer side is what the
method works at, filled, scaled up, and put into the hole. Both ways are measured in the hole at
full size. Prints and writes results/windows.json: means, and what windows gain, photograph by
photograph, with 95% intervals that resample photographs.
"""

from pathlib import Path

import measure
import numpy as np
from PIL import Image

from wizard import images, masks, names, params, records
from wizard.methods import CALL
from wizard.metrics import intervals, pixel, sharpness
from wizard.models import filling

PACKAGE = "lomiri-wallpapers-16.04 20.04.0-2"
PHOTOGRAPHS = (
    "Bridge_by_Sander_Klootwijk.jpg",
    "Dragonfly_by_Bolly.jpg",
    "Picture_0B_by_freespace.jpg",
    "Wine_by_Jakkub_Mede.jpg",
    "aitzgorri_by_Aitzol_Berasategi.jpg",
    "free_by_Peter_Nerlich.jpg",
    "friends_by_Aitzol_Berasategi.jpg",
    "greentock_by_Peter_Nerlich.jpg",
    "life_by_Aitzol_Berasategi.jpg",
    "picosdeeuropa_by_Aitzol_Berasategi.jpg",
)
HOLES = {"a rectangle": "rectangles", "scratches": "scratches"}
SHARE = 0.05
METRICS = ("hole_ssim", "hole_psnr", "hole_sharpness")
RESAMPLES = 2000
RING_PX = 8
BOX, LANCZOS = Image.Resampling.BOX, Image.Resampling.LANCZOS


def main() -> None:
    options = measure.arguments(__doc__, photographs=Path())
    settings = params.load(measure.ROOT / "params.yaml")
    fillers = {
        "embedded model": embedded(settings.inpaint.methods()["model"]),
        "biharmonic": filling.load("biharmonic", "mean", 1),
    }
    prompt = (settings.inpaint.prompt, settings.inpaint.negative_prompt)
    scores: dict[tuple[str, str], list[list[dict]]] = {}
    for name in PHOTOGRAPHS:
        path = options.photographs / name
        image = images.read(path.read_bytes(), settings.fetch.max_pixels, to_srgb=True).pixels
        for hole, shape in HOLES.items():
            seed = records.seed(settings.mask.seed, hole, name)
            mask = masks.draw(shape, np.random.default_rng(seed), *image.shape[:2], SHARE)
            for method, filler in fillers.items():
                made = [way(filler, image, mask, seed, prompt) for way in (windows, scaled)]
                scores.setdefault((hole, method), []).append(
                    [score(image, one, mask) for one in made]
                )
        print(name, image.shape[1], "×", image.shape[0])
    report = {
        "package": PACKAGE,
        "photographs": list(PHOTOGRAPHS),
        "hole_share": SHARE,
        "sides": {method: filler.backend.side for method, filler in fillers.items()},
        "holes": {},
    }
    for (hole, method), pairs in scores.items():
        report["holes"].setdefault(hole, {})[method] = compare(pairs)
    show(report["holes"])
    report["machine"] = measure.machine("torch", "diffusers", "scikit-image", "pillow")
    measure.write(options.output, "windows", report)


def embedded(method: params.Method) -> filling.Filler:
    """The embedded model with the settings of params.yaml."""
    return filling.load(
        method.backend,
        method.prefill,
        batch_size=8,
        model=str(measure.ROOT / method.model),
        device="cpu",
        dtype="float32",
        **method.model_dump(
            include=CALL | {"revision", "variant", "scheduler", "prompt", "negative_prompt"}
        ),
    )


def windows(filler: filling.Filler, image, mask, seed: int, prompt) -> np.ndarray:
    """The photograph (uint8 H×W×3), its hole (bool H×W) filled in windows."""
    (filled,) = filler.fill([image], [mask], [seed], [prompt])
    return images.composite(image, filled, mask)


def scaled(filler: filling.Filler, image, mask, seed: int, prompt) -> np.ndarray:
    """The same, filled as a whole at a size at which the method needs no windows.

    What the hole touches of a small pixel is hole, so that it sees nothing of what is hidden.
    """
    height, width = mask.shape
    scale = filler.backend.side / max(mask.shape)
    size = (round(width * scale), round(height * scale))
    small = np.asarray(Image.fromarray(image).resize(size, BOX))
    touched = np.asarray(Image.fromarray(mask.astype(np.float32)).resize(size, BOX)) > 0
    (filled,) = filler.fill([small], [touched], [seed], [prompt])
    large = np.asarray(Image.fromarray(filled).resize((width, height), LANCZOS))
    return images.composite(image, large, mask)


def score(image: np.ndarray, result: np.ndarray, mask: np.ndarray) -> dict[str, float | None]:
    values = pixel.score(image, result, mask, RING_PX)
    return values | sharpness.score(image, result, mask, RING_PX)


def compare(pairs: list[list[dict]]) -> dict[str, dict]:
    """Of each metric the means of both ways, and what windows gain in its unit: of a metric with a
    best value, how much nearer to it they are.
    """
    table = {}
    photographs = np.arange(len(pairs))
    for metric in METRICS:
        values = np.array([[way[metric] for way in pair] for pair in pairs], float)
        loss = names.metric(metric).loss(values)
        gain = loss[:, 1] - loss[:, 0]
        columns = np.column_stack([values, gain])
        low, high = intervals.bootstrap_means(columns, photographs, RESAMPLES, seed=0)
        told = [
            {"mean": mean, "low": float(a), "high": float(b)}
            for mean, a, b in zip(np.nanmean(columns, axis=0).tolist(), low, high, strict=True)
        ]
        table[metric] = dict(zip(("windows", "scaled", "gain"), told, strict=True))
        table[metric]["better_on"] = int((gain > 0).sum())
        table[metric]["of"] = int((~np.isnan(gain)).sum())
    return table


def show(holes: dict[str, dict[str, dict]]) -> None:
    for hole, methods in holes.items():
        for method, table in methods.items():
            for metric, one in table.items():
                gain = one["gain"]
                print(
                    f"{hole:12}{method:16}{metric:15}"
                    f"{one['windows']['mean']:8.3f} scaled {one['scaled']['mean']:8.3f} gain "
                    f"{gain['mean']:.3f} [{gain['low']:.3f}, {gain['high']:.3f}] "
                    f"on {one['better_on']} of {one['of']}"
                )


if __name__ == "__main__":
    main()
