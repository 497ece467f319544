"""Published protocols of protocols.yaml: their settings, and their numbers beside ours."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wizard.console import bare

# What papers report: where quality.json has ours, if anywhere, and the convention behind it.
MEASURES: dict[str, tuple[tuple[str, ...], str]] = {
    "psnr": (("psnr", "mean"), "ours: per image, then the mean, over the whole image"),
    "ssim": (
        ("ssim", "mean"),
        "ours: Gaussian window, mean over RGB, without a frame of 5 pixels",
    ),
    "lpips": (("learned", "lpips"), "ours: AlexNet"),
    "clip": (("learned", "clip"), "ours: 100 times the cosine, by the network of evaluate.clip"),
    "fid": (
        ("learned", "fid"),
        "ours: clean-fid's resizing, all results against all originals",
    ),
    "p_ids": (("learned", "p_ids"), "ours: a share from 0 to 1, on the Inception of FID"),
    "u_ids": (("learned", "u_ids"), "ours: a share from 0 to 1, on the Inception of FID"),
    "outside_psnr": (
        ("raw", "outside_psnr"),
        "theirs and ours: outside the hole before paste-back, error summed over the channels",
    ),
    "outside_mse": (
        ("raw", "outside_mse"),
        "theirs and ours: outside the hole before paste-back, error summed over the channels",
    ),
    "outside_lpips": (
        (),
        "theirs: SqueezeNet, the hole black, before paste-back; not measured here",
    ),
}


@dataclass(frozen=True)
class Protocol:
    """One protocol; ``settings`` are the blocks of params.yaml that it determines, ``numbers`` says
    where the published ones were read.
    """

    source: str
    images: str
    masks: str
    settings: dict[str, dict]
    numbers: str
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
    ``settings_that_differ``, without the secrets that a URL may hold, ``numbers`` (metric → ours
    and published, as far as there are such, and the convention) and ``differs``; an empty answer
    says that no protocol has these masks.
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
        for metric, (place, convention) in MEASURES.items():
            published = {
                who: row[metric] for who, row in protocol.published.items() if metric in row
            }
            ours = _dig(quality, place)
            if published or ours is not None:
                numbers[metric] = {"published": published, "convention": convention}
            if ours is not None:
                numbers[metric]["ours"] = ours
        answer[name] = {"numbers": numbers, "differs": protocol.differs}
        answer[name]["settings_that_differ"] = {key: bare(str(value)) for key, value in off.items()}
    return answer


def _dig(quality: dict, path: tuple[str, ...]) -> float | None:
    found: Any = quality
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, (int, float)) and math.isfinite(found) else None
