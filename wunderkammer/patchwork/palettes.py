"""Fabric colours that quilts of several periods really put together, sorted by value.

A pieced pattern is read through light and dark, so each palette keeps its lights, mediums and
darks apart; `accents` are the small loud pieces. Colours are sRGB, written as in CSS.
"""

from dataclasses import dataclass

import numpy as np

Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class Palette:
    """Colours of one kind of quilt, by their value."""

    name: str
    lights: tuple[Rgb, ...]
    mediums: tuple[Rgb, ...]
    darks: tuple[Rgb, ...]
    accents: tuple[Rgb, ...]


def _colours(text: str) -> tuple[Rgb, ...]:
    return tuple(
        (int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16)) for code in text.split()
    )


def _palette(name: str, *, lights: str, mediums: str, darks: str, accents: str) -> Palette:
    return Palette(name, *(_colours(text) for text in (lights, mediums, darks, accents)))


PALETTES: tuple[Palette, ...] = (
    _palette(
        "indigo and white",
        lights="f4f1ea eae8e2 dfe4ea",
        mediums="7f96b8 6a86ad 93a6bf",
        darks="1f2d52 2a3b66 18233f 33497a",
        accents="c9d5e6 1f2d52",
    ),
    _palette(
        "turkey red and white",
        lights="f6f2e9 f2ebdd efe9e2",
        mediums="d4817a c96b63 d99a90",
        darks="9e1b22 b0252a 861820",
        accents="9e1b22 e8c9b8",
    ),
    _palette(
        "red and green",
        lights="f3ecd9 efe6cf f5f0e2",
        mediums="b9b070 c48a5a 8fa06a",
        darks="2f5a36 8f1f26 24482c a82a2c",
        accents="d9a12f c7372f",
    ),
    _palette(
        "civil war browns",
        lights="e8d9bd ddc9a6 e5d3b8 d9c6ae",
        mediums="a98355 b58f6b 9c7a5b a5785f",
        darks="5a3824 4a2f23 6b3a2c 3e3a3a",
        accents="8c3b2e b4762f",
    ),
    _palette(
        "double pink and chocolate",
        lights="f3e3dc efdcd3 f5ebe2",
        mediums="d98a93 cf7380 e0a0a4",
        darks="4b2a21 5d352a 3b231d",
        accents="c9556a 8a5a3c",
    ),
    _palette(
        "feedsack pastels",
        lights="f7f1e3 f3ead6 fbf6ec",
        mediums="f0b7b0 a9d3c0 f2d98c a8c6e3 cbb3da f3bd8e",
        darks="d9727a 5fa58c d9a63a 5f8fc4 9a78b8 d9824f",
        accents="d9576a 3f8f78 e0b23c",
    ),
    _palette(
        "amish solids",
        lights="a9b7d0 c79fb5 8fb5b0 b7a8cf",
        mediums="4f7fae a84a6c 3f8f8a 7a5aa0",
        darks="16151c 1d1a2b 2b1a2b 141d26",
        accents="b0263a 6a2f86 1f6f8a",
    ),
    _palette(
        "cheddar and indigo",
        lights="f3e8cf efe2c4 f5eddb",
        mediums="d99a3a cf8f34 e0a94f",
        darks="22335c 2c3f6b 1a2747",
        accents="d07a1f 8f2a24",
    ),
    _palette(
        "country blues and tan",
        lights="ece2cc e3d6ba efe7d6",
        mediums="8fa3b5 a89878 7f97a8",
        darks="2f4560 3c4f5e 5a4634",
        accents="9c3a34 c2a05a",
    ),
    _palette(
        "autumn harvest",
        lights="f0e2c4 e8d5ae f2e8d2",
        mediums="c98a3f b5713a a8a052 d0a04a",
        darks="6e2a1e 55401f 4a4a24 7f3a1c",
        accents="c2491f d9a12a",
    ),
    _palette(
        "lavender garden",
        lights="f2eef4 e9e3ee eef0e6",
        mediums="b39cc9 a6b890 c4a9cf",
        darks="54407a 4d6b45 6a4a8c",
        accents="d9c24f 8c3f7a",
    ),
    _palette(
        "modern brights on white",
        lights="fbfaf7 f4f4f2 f8f6f0",
        mediums="f2a03d 46b3b0 ef6f8c a4c93f",
        darks="d83a5c 1f7f96 e0611f 6a3f9c 2f8f4f",
        accents="f2c81f d83a5c",
    ),
    _palette(
        "grey and mustard",
        lights="f1f0ec e4e4e1 f5f3ee",
        mediums="a9adb0 bfa85a 98a0a5",
        darks="3d4449 4b5358 2f3438",
        accents="d6a51f e0b83a",
    ),
    _palette(
        "batik jewels",
        lights="cfe0d6 d6d0e4 e2d6c0",
        mediums="3f9c8c 8a5aa8 c2662f 3a86b0",
        darks="123f57 3a1a55 0f4a3f 5a1638",
        accents="d98a1f c22f6a",
    ),
    _palette(
        "sea and sand",
        lights="efe6d3 e6ecea f3eee0",
        mediums="86b3b0 c9b48a 7aa5b8",
        darks="1f4f5f 2a5f66 35506b",
        accents="d9745a e0b96a",
    ),
    _palette(
        "shirtings and madder",
        lights="ebe6dd e2dccf dfe0df",
        mediums="c08a6a b5a08a a87f72",
        darks="7a2e22 4a2320 3a3f4a",
        accents="a8402a 2f3a52",
    ),
)


def luminance(colour: Rgb) -> float:
    """Rec. 709 luma of the encoded values, 0 (black) to 255 (white)."""
    red, green, blue = colour
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def dyed(colour: Rgb, rng: np.random.Generator) -> Rgb:
    """The colour as another dye lot would have it: up to 8 levels lighter, warmer or so."""
    shifted = np.asarray(colour) + rng.uniform(-5, 5) + rng.uniform(-4, 4, 3)
    red, green, blue = np.clip(shifted, 4, 251).astype(int).tolist()
    return red, green, blue
