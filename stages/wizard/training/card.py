"""The tables of a model card, from what `train.py validate` measured."""

import re

MEASURES = ("hole_psnr", "hole_ssim", "hole_sharpness")
NAMES = {
    "model": "**this model**",
    "one step": "this model, one step from noise",
    "mean": "mean colour",
    "telea": "Telea",
    "navier-stokes": "Navier–Stokes",
    "biharmonic": "biharmonic",
    "round trip": "*autoencoder round trip (ceiling)*",
}


def fill_in(card: str, facts: dict) -> str:
    """The card with its tables written anew between `<!-- table: <name> -->` and `<!-- end -->`.

    ``facts`` is the content of train.json; the tables are its kinds of holes, ``sampler`` and
    ``ablation``. Raises ValueError when the card has no place for one of them.
    """
    tables = {kind: _by_fraction(rows) for kind, rows in facts["validation"].items()}
    tables |= {"sampler": _sampler(facts["sampler"]), "ablation": _ablation(facts["ablation"])}
    for name, rows in tables.items():
        place = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.S)
        if not place.search(card):
            raise ValueError(f"the model card has no line <!-- table: {name} -->")
        lines = "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
        card = place.sub(lambda found, lines=lines: f"{found[1]}\n{lines}\n{found[2]}", card)
    return card


def _by_fraction(rows: dict[str, dict]) -> list[list[str]]:
    bins = rows["model"]
    heads = [f"{name} ({numbers['count']})" for name, numbers in bins.items()]
    table = [["", *heads], ["---"] * (1 + len(heads))]
    for name, label in NAMES.items():
        table.append([label, *(_cell(rows[name][part]) for part in bins)])
    return table


def _sampler(curve: list[dict]) -> list[list[str]]:
    steps = sorted({way["steps"] for way in curve})
    heads = [f"{count} step{'s' if count > 1 else ''}" for count in steps]
    table = [["start, guidance", *heads], ["---"] * (1 + len(heads))]
    ways = {(way["start"], way["guidance"], way["steps"]): _cell(way) for way in curve}
    for start, guidance in dict.fromkeys((way["start"], way["guidance"]) for way in curve):
        cells = [ways.get((start, guidance, count), "–") for count in steps]
        table.append([f"{start}, {guidance:g}", *cells])
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
