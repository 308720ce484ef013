"""The `train.augment` section. No torch here: the definitions load this module.

No setting mirrors a subject that must not be mirrored: `train.mirror` alone allows it.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from wunderkammer.params import Params

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Range = tuple[float, float]

Single = Literal[
    "mirror_h",
    "mirror_v",
    "rotation_90",
    "translation_px",
    "zoom",
    "rotation",
    "stretch",
    "translation",
    "translation_x",
    "translation_y",
    "brightness",
    "contrast",
    "luma_flip",
    "hue",
    "saturation",
    "filter",
    "noise",
    "cutout",
]
Group = Literal["blit", "geom", "color", "filter", "noise", "cutout"]
Preset = Literal[
    "blit", "geom", "color", "filter", "noise", "cutout", "bg", "bgc", "bgcf", "bgcfn", "bgcfnc"
]

GROUPS: dict[str, frozenset[str]] = {
    "blit": frozenset({"mirror_h", "rotation_90", "translation_px"}),
    "geom": frozenset({"zoom", "rotation", "stretch", "translation"}),
    "color": frozenset({"brightness", "contrast", "luma_flip", "hue", "saturation"}),
    "filter": frozenset({"filter"}),
    "noise": frozenset({"noise"}),
    "cutout": frozenset({"cutout"}),
}
_ORDER = tuple(GROUPS)
PRESETS: dict[str, tuple[str, ...]] = {
    "bg": _ORDER[:2],
    "bgc": _ORDER[:3],
    "bgcf": _ORDER[:4],
    "bgcfn": _ORDER[:5],
    "bgcfnc": _ORDER,
}
MIRRORS = frozenset({"mirror_h", "mirror_v"})


class NoAugment(Params):
    """Real and generated images reach the discriminator as they are."""

    kind: Literal["none"] = "none"


class _Transforms(Params):
    """`transforms`: a preset of the paper, or a list of single transformations and groups.

    A preset's letters are the groups' first: blit, geom, color, filter, noise, cutout. The order
    in a list means nothing; they are always applied in the paper's.
    """

    transforms: Preset | tuple[Single | Group, ...] = "bgc"

    @field_validator("transforms", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if isinstance(value, str) and value in get_args(Preset):
            return value
        names = (*get_args(Single), *(name for name in GROUPS if name not in get_args(Single)))
        if isinstance(value, list | tuple) and value and all(name in names for name in value):
            if len(set(value)) == len(value):
                return tuple(value)
            raise ValueError("a name is given twice; give each once")
        raise ValueError(
            f"allowed: one of {', '.join(get_args(Preset))}, or a list of {', '.join(names)}"
        )


class AdaAugment(_Transforms):
    """Adaptive discriminator augmentation (arXiv 2006.06676) of real and generated images alike.

    Every `interval` steps p moves towards what holds the overfitting measure at `target`, at a
    pace that takes it from 0 to 1 in `speed_kimg`. `metric` "rt" is the mean sign of the scores
    of training images, "rv" where held-out images score between training and generated ones; "rv"
    needs `train.held_out`.
    """

    kind: Literal["ada"]
    target: Fraction = 0.6
    metric: Literal["rt", "rv"] = "rt"
    speed_kimg: Positive = 500.0
    interval: Annotated[int, Field(ge=1)] = 4
    initial_p: Fraction = 0.0


class FixedAugment(_Transforms):
    """The same transformations at a probability that stays.

    `strength` multiplies every magnitude: spreads, ranges, the side of a cutout.
    """

    kind: Literal["fixed"]
    p: Fraction
    strength: Positive = 1.0


class DiffAugment(Params):
    """DiffAugment (arXiv 2006.10738): each transformation of `policy` on every image."""

    kind: Literal["diffaugment"]
    policy: Annotated[
        tuple[Literal["color", "translation", "cutout"], ...], Field(min_length=1)
    ] = ("color", "translation", "cutout")


class RealsAffine(Params):
    """With probability `p`: a zoom by a factor of the range `scale`, a turn and a shear by up to
    so many degrees to either side."""

    p: Fraction = 1.0
    scale: Range = (1.0, 1.0)
    rotate_deg: Annotated[float, Field(ge=0, le=180)] = 0.0
    shear_deg: Annotated[float, Field(ge=0, lt=90)] = 0.0

    @field_validator("scale")
    @classmethod
    def _ordered(cls, value: Range) -> Range:
        return _range(value, low=0.1, high=10.0)


class RealsBlur(Params):
    """With probability `p`: a Gaussian whose standard deviation is of the range `sigma_px`."""

    p: Fraction = 1.0
    sigma_px: Range

    @field_validator("sigma_px")
    @classmethod
    def _ordered(cls, value: Range) -> Range:
        return _range(value, low=0.0, high=16.0)


class RealsAugment(Params):
    """Classic augmentation: of the real pictures only, before the networks see them.

    The generator learns to make augmented pictures. `mirror_h` and `mirror_v` are probabilities,
    `crop` is the range of what is cut off at each side as a share of it, `brightness` that of a
    factor on the light (0 is black).
    """

    kind: Literal["reals"]
    mirror_h: Fraction = 0.0
    mirror_v: Fraction = 0.0
    affine: RealsAffine | None = None
    crop: Range | None = None
    blur: RealsBlur | None = None
    brightness: Range | None = None

    @field_validator("crop")
    @classmethod
    def _crop_leaves_something(cls, value: Range | None) -> Range | None:
        return None if value is None else _range(value, low=0.0, high=0.45)

    @field_validator("brightness")
    @classmethod
    def _ordered(cls, value: Range | None) -> Range | None:
        return None if value is None else _range(value, low=0.0, high=10.0)

    @model_validator(mode="after")
    def _does_something(self) -> "RealsAugment":
        if self.canonical() == {"kind": self.kind}:
            raise ValueError("nothing is switched on; name a transformation, or set kind: none")
        return self


AugmentParams = Annotated[
    NoAugment | AdaAugment | FixedAugment | DiffAugment | RealsAugment,
    Field(discriminator="kind"),
]


def transform_names(params: AdaAugment | FixedAugment, *, mirror: bool) -> frozenset[str]:
    """The single transformations that `params.transforms` stands for.

    A mirrored picture stays mirrored when it is turned, so without `mirror` neither flip is left;
    turns are no flips and stay.

    Raises:
        ValueError: a list names a flip, and `mirror` does not allow it.
    """
    check_mirror(params, mirror=mirror)
    given = params.transforms
    parts = PRESETS.get(given, (given,)) if isinstance(given, str) else given
    names = frozenset[str]().union(*(GROUPS.get(part, {part}) for part in parts))
    return names if mirror else names - MIRRORS


def check_mirror(params: AugmentParams, *, mirror: bool) -> None:
    """Refuse a flip that is asked for by name where `train.mirror` does not allow one.

    The presets and groups have a flip of their own, which is left out instead.

    Raises:
        ValueError: with the flip and the remedy.
    """
    named: frozenset[str] = frozenset()
    if isinstance(params, RealsAugment):
        named = frozenset(name for name in MIRRORS if getattr(params, name))
    elif isinstance(params, AdaAugment | FixedAugment) and not isinstance(params.transforms, str):
        named = MIRRORS.intersection(params.transforms)
    if named and not mirror:
        raise ValueError(
            f"augment asks for {', '.join(sorted(named))}, but train.mirror is false; "
            f"set train.mirror: true where a mirrored picture is a likely one, or leave it out"
        )


def _range(value: Range, *, low: float, high: float) -> Range:
    if not low <= value[0] <= value[1] <= high:
        raise ValueError(f"allowed: two numbers, the smaller first, from {low} to {high}")
    return value
