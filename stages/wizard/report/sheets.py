"""A contact sheet of masks over their images, to look at before a long run."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from wizard.report.pictures import overlay

GAP, CAPTION = 8, 20


def mask_sheet(
    images: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    captions: Sequence[str],
    columns: int = 8,
    tile: int = 160,
) -> np.ndarray:
    """Tiles of ``tile`` pixels, the hole tinted, a caption under each.

    ``images`` are uint8 H×W×3, ``masks`` bool H×W of the same sizes, ``captions`` one line each;
    a caption too long for its tile is shortened. Returns uint8 H×W×3. Raises ValueError when
    there is nothing to show or the three differ in length.
    """
    if not len(images) == len(masks) == len(captions) or not len(images):
        raise ValueError(
            f"mask sheet: {len(images)} images, {len(masks)} masks and {len(captions)} captions; "
            "give one or more of each, equally many"
        )
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = Image.new(
        "RGB", (GAP + columns * (tile + GAP), GAP + rows * (tile + CAPTION + GAP)), "white"
    )
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for position, (image, mask, caption) in enumerate(zip(images, masks, captions, strict=True)):
        row, column = divmod(position, columns)
        left, top = GAP + column * (tile + GAP), GAP + row * (tile + CAPTION + GAP)
        picture = Image.fromarray(overlay(image, mask))
        picture.thumbnail((tile, tile), Image.Resampling.LANCZOS)
        if max(picture.size) < tile:
            scale = tile / max(picture.size)
            picture = picture.resize(
                [round(side * scale) for side in picture.size], Image.Resampling.BICUBIC
            )
        sheet.paste(picture, (left, top))
        draw.text((left, top + tile + 3), _shorten(caption, font, tile), fill="#222222", font=font)
    return np.asarray(sheet)


def _shorten(caption: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The caption, with an ellipsis for its middle where it is wider than ``width`` pixels."""
    short, keep = caption, len(caption)
    while font.getlength(short) > width and keep > 2:
        keep -= 1
        short = f"{caption[: keep // 2]}…{caption[len(caption) - (keep - keep // 2) :]}"
    return short
