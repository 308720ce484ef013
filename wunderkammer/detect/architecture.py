"""What an architecture may say before ultralytics builds a network from it.

Ultralytics looks names up among its modules, evaluates the text of `activation`, and fetches
weights for some layers. An architecture from a file is data of someone else, so only layers,
words and numbers that detectors are made of are let through.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from wunderkammer.detect.errors import DetectorFileError

LAYERS = frozenset(
    {
        *("A2C2f", "AConv", "ADown", "Bottleneck", "C1", "C2", "C2PSA", "C2f", "C2fCIB", "C2fPSA"),
        *("C3", "C3Ghost", "C3TR", "C3k2", "C3x", "CBFuse", "CBLinear", "Concat", "Conv", "DWConv"),
        *("ELAN1", "Focus", "GhostBottleneck", "GhostConv", "PSA", "RepC3", "RepNCSPELAN4"),
        *("SCDown", "SPP", "SPPELAN", "SPPF", "nn.BatchNorm2d", "nn.ConvTranspose2d"),
        *("Silence", "nn.Identity", "nn.MaxPool2d", "nn.Upsample", "nn.ZeroPad2d"),
    }
)
HEADS = frozenset({"Detect", "v10Detect"})
WORDS = frozenset({"nc", "nearest", "bilinear", "None", "True", "False"})
ACTIVATION = re.compile(
    r"(torch\.)?nn\.(SiLU|ReLU|ReLU6|LeakyReLU|Hardswish|Mish|GELU|ELU|Identity)"
    r"\(([0-9]*\.?[0-9]+|inplace=True)?\)"
)
SETTINGS = ("nc", "scales", "scale", "backbone", "head", "activation", "end2end", "reg_max")
MULTIPLES = ("depth_multiple", "width_multiple")

MAX_LAYERS = 200
MAX_CLASSES = 100_000
MAX_NUMBER = 65_536
MAX_DEPTH = 3


def checked_architecture(architecture: Mapping[str, Any]) -> dict[str, Any]:
    """Its settings that ultralytics needs, each known to be harmless, as plain JSON values.

    Raises:
        DetectorFileError: it names a layer, a word or a number that no detector is made of.
    """
    plain = {
        key: architecture[key]
        for key in (*SETTINGS, *MULTIPLES)
        if architecture.get(key) is not None
    }
    for key in ("nc", "backbone", "head"):
        if key not in plain:
            raise DetectorFileError(f"the architecture has no {key!r}")
    _expect(_is_count(plain["nc"], MAX_CLASSES) and plain["nc"] > 0, "nc", plain["nc"])
    _expect(architecture.get("channels", 3) == 3, "channels", architecture.get("channels"))
    activation = plain.get("activation", "nn.SiLU()")
    is_known = isinstance(activation, str) and ACTIVATION.fullmatch(activation) is not None
    _expect(is_known, "activation", activation)
    scales = plain.get("scales", {})
    _expect(isinstance(scales, Mapping), "scales", scales)
    plain["scales"] = {str(name): _scale(numbers) for name, numbers in scales.items()}
    _expect(plain.get("scale", "") in ("", *plain["scales"]), "scale", plain.get("scale"))
    for key in (*MULTIPLES, "end2end", "reg_max"):
        _expect(_is_number(plain.get(key, 1)), key, plain.get(key))
    layers = [*_layers(plain["backbone"]), *_layers(plain["head"])]
    _expect(len(layers) <= MAX_LAYERS, "number of layers", len(layers))
    _expect(layers[-1][2] in HEADS, "head", layers[-1][2])
    _expect(all(layer[2] in LAYERS for layer in layers[:-1]), "layers", [x[2] for x in layers])
    num_backbone = len(plain["backbone"])
    return {**plain, "backbone": layers[:num_backbone], "head": layers[num_backbone:]}


def _layers(rows: Any) -> list[list[Any]]:
    """Rows [from, repeats, layer, arguments], each checked but for the name of its layer."""
    _expect(isinstance(rows, Sequence) and len(rows) > 0, "layers", rows)
    found = []
    for row in rows:
        _expect(isinstance(row, Sequence) and len(row) == 4, "layer", row)
        source, repeats, name, arguments = row
        sources = source if isinstance(source, Sequence) else [source]
        _expect(all(type(s) is int and abs(s) <= MAX_LAYERS for s in sources), "from", source)
        _expect(_is_count(repeats, 100) and repeats > 0, "repeats", repeats)
        _expect(isinstance(name, str), "layer", name)
        _expect(isinstance(arguments, Sequence), "arguments", arguments)
        found.append([_plain(source), repeats, name, [_plain(value) for value in arguments]])
    return found


def _plain(value: Any, depth: int = 0) -> Any:
    if isinstance(value, list | tuple) and depth < MAX_DEPTH:
        return [_plain(item, depth + 1) for item in value]
    is_word = isinstance(value, str) and value in WORDS
    _expect(value is None or is_word or _is_number(value), "argument", value)
    return value


def _scale(numbers: Any) -> list[float]:
    is_triple = isinstance(numbers, Sequence) and len(numbers) == 3
    _expect(is_triple and all(map(_is_number, numbers)), "scales", numbers)
    return list(numbers)


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float) and -MAX_NUMBER <= value <= MAX_NUMBER


def _is_count(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


def _expect(is_right: bool, what: str, value: Any) -> None:
    if not is_right:
        shown = repr(value)[:120]
        raise DetectorFileError(
            f"the architecture's {what} is {shown}, which is not taken: detectors of the YOLO "
            f"family with boxes for RGB pictures are (3, 5u, 6, 8, 9, 10, 11, 12, 26)"
        )
