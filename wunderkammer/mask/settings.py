"""What of the `mask` settings reaches a crop's pixels; no bound of the area does."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from wunderkammer.mask.errors import SegmenterFileError
from wunderkammer.mask.model_file import read_model
from wunderkammer.mask.params import Fill, MaskParams
from wunderkammer.mask.presets import PRESETS, Normalisation, preset_for
from wunderkammer.params import digest

# Bump when the same crop, model and settings would give other pixels or measures.
MASK_VERSION = 2


@dataclass(frozen=True)
class MaskSettings:
    """All that a masked crop depends on, besides the crop and its codec.

    `path` is where the model lies; it is the model's hash that counts.
    """

    path: Path
    model_sha256: str
    normalisation: Normalisation
    fill: Fill
    colour: tuple[int, int, int]
    blur_px: float
    threshold: float | None
    feather_px: float

    @classmethod
    def of(cls, params: MaskParams, *, path: Path) -> "MaskSettings":
        """The settings of a section whose model lies at `path`.

        Raises:
            SegmenterFileError: the model can't be used, is not the pinned one, or takes another
                size than `input_px`.
        """
        _, file = read_model(path)
        if params.sha256 not in (None, file.sha256):
            raise SegmenterFileError(
                f"mask.model={params.model!r} has the SHA-256 {file.sha256}, not "
                f"mask.sha256={params.sha256}; get the file again, or drop the pin"
            )
        if None not in (params.input_px, file.input_px) and params.input_px != file.input_px:
            raise SegmenterFileError(
                f"mask.input_px={params.input_px}, but {path.name} takes pictures of "
                f"{file.input_px} px only; leave mask.input_px out"
            )
        preset = PRESETS[preset_for(params.preset, file=path, input_px=file.input_px)]
        normalisation = replace(
            preset,
            mean=params.mean or preset.mean,
            std=params.std or preset.std,
            input_px=file.input_px or params.input_px or preset.input_px,
        )
        return cls(
            path=path,
            model_sha256=file.sha256,
            normalisation=normalisation,
            fill=params.fill,
            colour=params.colour,
            blur_px=params.blur_px,
            threshold=params.threshold,
            feather_px=params.feather_px,
        )

    def digest(self, *, codec: str, quality: int) -> str:
        """The name of these settings with those of the crop's file (64 hex digits)."""
        plain = {name: value for name, value in asdict(self).items() if name != "path"}
        if self.fill != "colour":
            del plain["colour"]
        if self.fill != "blur":
            del plain["blur_px"]
        return digest({**plain, "codec": codec, "quality": quality, "version": MASK_VERSION})
