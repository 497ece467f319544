"""What a person looks at while and after training: contact sheets and curves."""

import io
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

GAP = 4
TERMS = {
    "autoencoder": ("l1",),
    "refine": ("l1", "discriminator"),
    "denoiser": ("loss",),
    "finish": ("l1", "perceptual", "adversarial", "discriminator"),
}
QUALITY = {
    "hole_psnr": "hole PSNR (dB)",
    "hole_ssim": "hole SSIM",
    "hole_sharpness": "hole sharpness (1 = original)",
}
PROGRESS = QUALITY | {"edge_seam": "seam (levels)"}
LABELS = QUALITY | {"hole_diversity": "diversity (levels)"}


def grid(rows: Sequence[Sequence[np.ndarray] | np.ndarray], zoom: int = 1) -> np.ndarray:
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


def curves(losses: dict[str, list[dict]], progress: list[dict], steps: dict[str, dict]) -> bytes:
    """PNG of training losses, of quality while `finish` trains, and against sampling steps.

    losses: per command its rows with `step` and terms. progress: rows with `step` and the means of
    validation faces as `<kind of hole>_<metric>`. steps: per kind of hole, per method (`model` for
    one step, `steps<n>`), the means of all its results.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 9.6), layout="constrained")
    thirds = figure.subfigures(3, 1, squeeze=False)[:, 0]
    _draw_losses(thirds[0].subplots(1, len(TERMS)), losses)
    _draw_progress(thirds[1].subplots(1, len(PROGRESS)), progress, kinds=steps)
    _draw_steps(thirds[2].subplots(1, len(LABELS)), steps)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _draw_losses(axes, losses: dict[str, list[dict]]) -> None:
    for axis, (name, terms) in zip(axes, TERMS.items(), strict=True):
        for term in terms:
            points = [(row["step"], row[term]) for row in losses.get(name, []) if term in row]
            if points:
                axis.plot(*zip(*points, strict=True), lw=1, label=term.replace("_", " "))
        axis.set(title=name, xlabel="training step", ylabel="loss", yscale="log")
        if axis.lines:
            axis.set_ylim(top=axis.get_ylim()[1] * 4)  # room for the legend above the curves
            axis.legend(frameon=False, loc="upper right")


def _draw_progress(axes, progress: list[dict], kinds: Iterable[str]) -> None:
    for axis, (column, label) in zip(axes, PROGRESS.items(), strict=True):
        for kind in kinds:
            points = [(row["step"], row[f"{kind}_{column}"]) for row in progress]
            axis.plot(*zip(*points, strict=True), lw=1, label=kind)
        axis.set(xlabel="training step of finish", ylabel=label)
        axis.legend(frameon=False)


def _draw_steps(axes, steps: dict[str, dict]) -> None:
    for axis, (column, label) in zip(axes, LABELS.items(), strict=True):
        for kind, methods in steps.items():
            points = sorted(
                (int(name.removeprefix("steps")) if name != "model" else 1, parts["all"][column])
                for name, parts in methods.items()
                if name == "model" or name.startswith("steps")
            )
            axis.plot(*zip(*points, strict=True), marker="o", ms=3, lw=1, label=kind)
            axis.set_xscale("log", base=2)
            axis.set_xticks(*zip(*((n, str(n)) for n, _ in points), strict=True))
        axis.set(xlabel="num_inference_steps", ylabel=label)
        axis.legend(frameon=False)
