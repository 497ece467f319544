"""A contact sheet of masks over their images, to look at before a long run."""

from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from wizard.report.pictures import overlay, reduced

GAP, CAPTION = 8, 20


def mask_sheet(
    tiles: Iterable[tuple[np.ndarray, np.ndarray, str]],
    count: int,
    columns: int = 8,
    tile: int = 160,
) -> np.ndarray:
    """Tiles of ``tile`` pixels, the hole tinted, a caption under each.

    ``tiles`` are ``count`` times an image, uint8 H×W×3, its mask, bool H×W, and a caption of one
    line, which is shortened where it is too long; they are taken one after the other, so that
    one image at a time is in memory. Returns uint8 H×W×3.
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    sheet = Image.new(
        "RGB", (GAP + columns * (tile + GAP), GAP + rows * (tile + CAPTION + GAP)), "white"
    )
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for position, (image, mask, caption) in enumerate(tiles):
        row, column = divmod(position, columns)
        left, top = GAP + column * (tile + GAP), GAP + row * (tile + CAPTION + GAP)
        picture = Image.fromarray(overlay(reduced(image, 2 * tile), reduced(mask, 2 * tile)))
        picture.thumbnail((tile, tile), Image.Resampling.LANCZOS)
        if max(picture.size) < tile:
            scale = tile / max(picture.size)
            picture = picture.resize(
                [round(side * scale) for side in picture.size], Image.Resampling.BICUBIC
            )
        sheet.paste(picture, (left, top))
        draw.text((left, top + tile + 3), _shorten(caption, font, tile), fill="#222222", font=font)
    return np.asarray(sheet)


def _shorten(caption: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The caption, with an ellipsis for its middle where it is wider than ``width`` pixels."""
    short, keep = caption, len(caption)
    while font.getlength(short) > width and keep > 2:
        keep -= 1
        short = f"{caption[: keep // 2]}…{caption[len(caption) - (keep - keep // 2) :]}"
    return short
