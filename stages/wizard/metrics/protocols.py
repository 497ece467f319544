"""Published protocols of protocols.yaml: their settings, and their numbers beside ours."""

import math
from dataclasses import dataclass
from pathlib import Path

import yaml

# Where quality.json has what papers report.
OURS = {
    "psnr": ("psnr", "mean"),
    "ssim": ("ssim", "mean"),
    "lpips": ("learned", "lpips"),
    "fid": ("learned", "fid"),
}
CONVENTIONS = {
    "psnr": "ours: per image, then the mean, over the whole image",
    "ssim": "ours: Gaussian window, mean over RGB, without a frame of 5 pixels",
    "lpips": "ours: AlexNet",
    "fid": "ours: clean-fid's resizing, all results against all originals",
}


@dataclass(frozen=True)
class Protocol:
    """One protocol; ``settings`` are the blocks of params.yaml that it determines."""

    source: str
    images: str
    masks: str
    settings: dict[str, dict]
    published: dict[str, dict[str, float]]
    differs: list[str]


def load() -> dict[str, Protocol]:
    """All protocols by name."""
    text = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    return {name: Protocol(**fields) for name, fields in yaml.safe_load(text).items()}


def deviations(protocol: Protocol, settings: dict[str, dict]) -> dict[str, object]:
    """The settings that are not the protocol's: dotted key → the value in use."""
    return {
        f"{block}.{key}": settings[block][key]
        for block, wanted in protocol.settings.items()
        for key, value in wanted.items()
        if settings[block][key] != value
    }


def beside(quality: dict, settings: dict[str, dict]) -> dict[str, dict]:
    """Our numbers beside the published ones, for every protocol with the masks in use.

    ``quality`` is that of quality.json, ``settings`` the blocks of params.yaml. Each protocol has
    ``settings_that_differ``, ``numbers`` (metric → ours, published, convention) and ``differs``;
    an empty answer says that no protocol has these masks.
    """
    answer = {}
    for name, protocol in load().items():
        off = deviations(protocol, settings)
        side = protocol.settings["fetch"]["side"]
        if any(key.startswith("mask.") for key in off) or settings["fetch"]["side"] != side:
            continue
        if settings["inpaint"]["grow"]:  # other holes than the protocol's
            continue
        numbers: dict[str, dict] = {}
        for metric in sorted({key for row in protocol.published.values() for key in row}):
            published = {who: row[metric] for who, row in protocol.published.items()}
            numbers[metric] = {"published": published, "convention": CONVENTIONS[metric]}
            ours = _dig(quality, OURS[metric])
            if ours is not None:
                numbers[metric]["ours"] = ours
        answer[name] = {"numbers": numbers, "differs": protocol.differs}
        answer[name]["settings_that_differ"] = {key: str(value) for key, value in off.items()}
    return answer


def _dig(quality: dict, path: tuple[str, ...]) -> float | None:
    for key in path:
        quality = quality.get(key) if isinstance(quality, dict) else None
    return quality if isinstance(quality, (int, float)) and math.isfinite(quality) else None
