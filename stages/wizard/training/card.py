"""The tables of a model card, from what `assess.py validate` measured."""

import re
from collections.abc import Callable
from itertools import chain
from typing import cast

from wizard.records import Unusable
from wizard.training.validation import KINDS

MEASURES = ("hole_psnr", "hole_ssim", "hole_sharpness")
NAMES = {
    "model": "**this model**",
    "before": "the model before `finish`",
    "mean": "mean colour",
    "baseline": "Telea",
    "navier-stokes": "Navier–Stokes",
    "biharmonic": "biharmonic",
    "roundtrip": "*autoencoder's own loss*",
}
SIDE_BY_SIDE = ("model", "baseline", "biharmonic")


def fill_in(card: str, facts: dict) -> str:
    """The card with its tables written anew between `<!-- table: <name> -->` and `<!-- end -->`.

    ``facts`` is the content of train.json. The tables are its kinds of holes, each with `sets` and
    `steps` added to the name for those by set of photographs and by steps, `progress`, `parts`,
    `arms` and `ablation`. Raises Unusable when the card has no place for one of them.
    """
    tables = {"ablation": _ablation(facts["ablation"]), "progress": _progress(facts["progress"])}
    tables |= {name: _both_kinds("", facts[name]) for name in ("parts", "arms")}
    for kind, methods in facts["validation"].items():
        tables |= {kind: _by_hole(methods), f"{kind} sets": _by_set(methods)}
        tables[f"{kind} steps"] = _steps(facts["steps"][kind])
    for name, rows in tables.items():
        place = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.S)
        if not place.search(card):
            raise Unusable(f"the model card has no line <!-- table: {name} -->")
        lines = "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
        between = cast(
            Callable[[re.Match[str]], str],
            lambda found, lines=lines: f"{found[1]}\n{lines}\n{found[2]}",
        )
        card = place.sub(between, card)
    return card


def _by_hole(methods: dict[str, dict]) -> list[list[str]]:
    bins = methods["model"]["by_hole"]
    heads = [f"all ({methods['model']['all']['count']})"]
    heads += [f"{name} ({numbers['count']})" for name, numbers in bins.items()]
    table = [["", *heads], ["---"] * (1 + len(heads))]
    for name, label in NAMES.items():
        parts = [methods[name]["by_hole"][part] for part in bins]
        table.append([label, _with_interval(methods[name]["all"]), *map(_cell, parts)])
    return table


def _by_set(methods: dict[str, dict]) -> list[list[str]]:
    table = [["set", *(NAMES[name] for name in SIDE_BY_SIDE)], ["---"] * (1 + len(SIDE_BY_SIDE))]
    for part, numbers in methods["model"]["by_set"].items():
        cells = [_cell(methods[name]["by_set"][part]) for name in SIDE_BY_SIDE]
        table.append([f"{part} ({numbers['count']})", *cells])
    return table


def _steps(methods: dict[str, dict]) -> list[list[str]]:
    table = [["steps", "PSNR / SSIM / sharpness", "diversity (levels)"], ["---"] * 3]
    for name, parts in methods.items():
        if name == "model" or name.startswith("steps"):
            means = parts["all"]
            steps = name.removeprefix("steps") if name != "model" else "1"
            table.append([steps, _cell(means), f"{means['hole_diversity']:.1f}"])
    return table


def _progress(rows: list[dict]) -> list[list[str]]:
    """About a dozen measurements of `finish`, evenly over its steps, and the last."""
    every = 1000 * (1 + rows[-1]["step"] // 12_000)
    first_of = {row["step"] // every: row for row in reversed(rows)}
    chosen = [*reversed(first_of.values()), rows[-1]]
    measured = (*MEASURES, "edge_seam")
    means = {
        f"{row['step']:,}": {
            kind: {name: row[f"{kind}_{name}"] for name in measured} for kind in KINDS
        }
        for row in chosen
    }
    return _both_kinds("step", means)


def _both_kinds(title: str, rows: dict[str, dict[str, dict]]) -> list[list[str]]:
    """Means by kind of hole, with the seam, which is no measure of the other tables."""
    heads = (f"{kind}{what}" for kind in KINDS for what in ("", ": seam"))
    table = [[title, *heads], ["---"] * (1 + 2 * len(KINDS))]
    for name, means in rows.items():
        cells = ((_cell(means[kind]), f"{means[kind]['edge_seam']:.1f}") for kind in KINDS)
        table.append([name, *chain(*cells)])
    return table


def _ablation(arms: dict[str, dict]) -> list[list[str]]:
    table = [["decoder", "PSNR (dB)", "SSIM", "sharpness"], ["---"] * 4]
    for name, means in arms.items():
        # The whole image was the hole here.
        psnr, ssim, sharpness = (means[measure] for measure in MEASURES)
        table.append([name, f"{psnr:.2f}", f"{ssim:.4f}", f"{sharpness:.2f}"])
    return table


def _cell(means: dict[str, float]) -> str:
    psnr, ssim, sharpness = (means[name] for name in MEASURES)
    return f"{psnr:.2f} / {ssim:.3f} / {sharpness:.2f}"


def _with_interval(means: dict) -> str:
    """The means, and below them half the widths of their 95% intervals."""
    ends = (means["intervals"][name] for name in MEASURES)
    psnr, ssim, sharpness = ((high - low) / 2 for low, high in ends)
    return f"{_cell(means)} (± {psnr:.2f} / {ssim:.3f} / {sharpness:.2f})"
