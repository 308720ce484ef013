"""Many small pictures with captions on one JPEG, for a person to look over."""

import io
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt

from PIL import Image, ImageDraw, ImageFont

from wunderkammer.images.decode import DecodeError, decode_rgb

MAX_TILES = 48
MAX_COLUMNS = 8
TILE_PX = 128
CAPTION_LINES = 2
MIN_LETTERS = 2
LINE_PX = 14
GAP_PX = 8
TITLE_PX = 30
MAX_PIXELS = 178_956_970

PAPER = (250, 250, 248)
INK = (40, 40, 40)
GREY = (214, 214, 210)

QUALITIES = (88, 80, 70, 60, 50, 40, 30)
MIN_SHEET_PX = 64


@dataclass(frozen=True)
class Tile:
    """A picture file's bytes, or None where there is none to show, and at most two lines."""

    image: bytes | None
    caption: str


def contact_sheet(tiles: Sequence[Tile], *, title: str, max_bytes: int = 200_000) -> bytes:
    """A JPEG of the first 48 tiles, of at most `max_bytes` (quality goes first, then size).

    A tile without a picture, or with one that can't be decoded, shows its caption on grey.
    """
    shown = tiles[:MAX_TILES]
    num_columns = max(4, min(MAX_COLUMNS, ceil(sqrt(len(shown) * 4 / 3))))
    num_rows = ceil(len(shown) / num_columns)
    step_x, step_y = TILE_PX + GAP_PX, TILE_PX + CAPTION_LINES * LINE_PX + GAP_PX
    size = (GAP_PX + num_columns * step_x, TITLE_PX + GAP_PX + num_rows * step_y)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(16), ImageFont.load_default(11)
    draw.text((GAP_PX, GAP_PX), _fit(title, large, size[0] - 2 * GAP_PX), INK, large)
    for number, tile in enumerate(shown):
        row, column = divmod(number, num_columns)
        x, y = GAP_PX + column * step_x, TITLE_PX + GAP_PX + row * step_y
        _paste(sheet, tile.image, x, y)
        for line, text in enumerate(_lines(tile.caption, small)):
            place = (x, y + TILE_PX + 1 + line * LINE_PX)
            draw.text(place, text, INK, small)
    return _encode_within(sheet, max_bytes)


def _paste(sheet: Image.Image, image: bytes | None, x: int, y: int) -> None:
    sheet.paste(GREY, (x, y, x + TILE_PX, y + TILE_PX))
    if image is None:
        return
    try:
        rgb = decode_rgb(image, max_pixels=MAX_PIXELS, background=PAPER, min_side_px=TILE_PX)
    except DecodeError:
        return
    picture = Image.fromarray(rgb)
    scale = TILE_PX / max(picture.size)
    # A picture smaller than its tile is enlarged in whole pixels, so that it shows as it is.
    small = scale > 1
    width, height = (
        max(1, round(side * (int(scale) if small else scale))) for side in picture.size
    )
    method = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    picture = picture.resize((width, height), method, reducing_gap=None if small else 2.0)
    sheet.paste(picture, (x + (TILE_PX - width) // 2, y + (TILE_PX - height) // 2))


def _lines(caption: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    return [_fit(line, font, TILE_PX) for line in caption.splitlines()[:CAPTION_LINES]]


def _fit(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width_px: int) -> str:
    """The text on one line, its middle left out where it is too wide."""
    # Names of files may hold lone surrogates and control characters, which no font draws.
    text = text.encode(errors="replace").decode()
    text = "".join(letter if letter.isprintable() else "?" for letter in text)[:400]
    if len(text) <= MIN_LETTERS or font.getlength(text) <= width_px:
        return text

    def shown_px(num_letters: int) -> float:
        return font.getlength(_shortened(text, num_letters))

    # The more letters, the wider.
    numbers = range(MIN_LETTERS, len(text))
    place = bisect_right(numbers, float(width_px), key=shown_px)
    return _shortened(text, numbers[max(place - 1, 0)])


def _shortened(text: str, num_letters: int) -> str:
    return text[: ceil(num_letters / 2)] + "…" + text[len(text) - num_letters // 2 :]


def _encode_within(sheet: Image.Image, max_bytes: int) -> bytes:
    while True:
        for quality in QUALITIES:
            sink = io.BytesIO()
            sheet.save(sink, "JPEG", quality=quality, optimize=True)
            if len(sink.getvalue()) <= max_bytes:
                return sink.getvalue()
        width, height = round(sheet.width * 0.7), round(sheet.height * 0.7)
        if width < MIN_SHEET_PX:
            return sink.getvalue()
        sheet = sheet.resize((width, max(1, height)), Image.Resampling.LANCZOS)
