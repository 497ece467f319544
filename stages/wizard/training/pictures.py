"""What a person looks at while and after training: contact sheets and curves."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

GAP = 4


def grid(rows: Sequence[Sequence[np.ndarray]], zoom: int = 1) -> np.ndarray:
    """Equal-sized pictures in rows with white gaps, each pixel `zoom` times as large.

    Pictures are uint8 H×W×3; so is the result. Shorter rows end in white.
    """
    height, width = rows[0][0].shape[0] * zoom + GAP, rows[0][0].shape[1] * zoom + GAP
    sheet = np.full((len(rows) * height, max(map(len, rows)) * width, 3), 255, np.uint8)
    for top, row in enumerate(rows):
        for left, picture in enumerate(row):
            large = picture.repeat(zoom, 0).repeat(zoom, 1)
            place = sheet[top * height :, left * width :]
            place[: large.shape[0], : large.shape[1]] = large
    return sheet


def jpeg(picture: np.ndarray, quality: int = 88) -> bytes:
    """A picture (uint8 H×W×3) as JPEG bytes, for sheets, where size matters more than bits."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def curves(losses: dict[str, list[dict]], sampler: list[dict]) -> bytes:
    """PNG of the training losses and of quality against sampling steps.

    losses: per command its rows with `step` and terms. sampler: rows with `steps`, `start`,
    `guidance`, `hole_psnr`, `hole_ssim`, `hole_sharpness`; a line for each start and guidance.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.4), layout="constrained")
    axes = figure.subplots(2, 3)
    shown = {"autoencoder": ("l1",), "refine": ("l1", "discriminator"), "denoiser": ("loss",)}
    for axis, (name, terms) in zip(axes[0], shown.items(), strict=True):
        for term in terms:
            points = [(row["step"], row[term]) for row in losses.get(name, []) if term in row]
            if points:
                axis.plot(*zip(*points, strict=True), lw=1, label=term)
        axis.set(title=name, xlabel="training step", ylabel="loss", yscale="log")
        axis.legend(frameon=False)
    labels = {
        "hole_psnr": "hole PSNR (dB)",
        "hole_ssim": "hole SSIM",
        "hole_sharpness": "hole sharpness (1 = original)",
    }
    lines = sorted({(row["start"], row["guidance"]) for row in sampler})
    for axis, (metric, label) in zip(axes[1], labels.items(), strict=True):
        for start, guidance in lines:
            points = sorted(
                (row["steps"], row[metric])
                for row in sampler
                if (row["start"], row["guidance"]) == (start, guidance)
            )
            axis.plot(
                *zip(*points, strict=True), marker="o", ms=3, lw=1, label=f"{start}, g {guidance:g}"
            )
        counts = sorted({row["steps"] for row in sampler})
        axis.set(xlabel="num_inference_steps", ylabel=label, xscale="log")
        axis.set_xticks(counts, labels=[str(count) for count in counts])
        axis.minorticks_off()
    axes[1][0].legend(frameon=False, fontsize=7)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
