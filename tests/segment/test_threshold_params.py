"""The settings of kind `threshold`, and what of them reaches a region."""

import pytest
from pydantic import ValidationError

from wunderkammer.segment.params import ThresholdRegionParams
from wunderkammer.segment.settings import ThresholdSettings

OTHER = {
    "methods": ("yen",),
    "contrast_share": 0.5,
    "foreground": "dark",
    "level_light": False,
    "leave_out_annotations": False,
    "max_strip": 0.1,
    "tiles": "inside",
    "smooth": 0.0,
    "close": 0.0,
    "fill_holes": False,
    "num_largest": 2,
    "prefer": "squarest",
    "min_area_px": 100,
    "max_area_px": 100_000,
    "min_area": 0.0,
    "max_area": 1.0,
}


def digest_of(**fields):
    return ThresholdSettings.of(ThresholdRegionParams(**fields)).digest


def test_every_setting_that_reaches_a_region_changes_the_digest():
    assert set(OTHER) == set(ThresholdSettings.__dataclass_fields__)
    digests = {digest_of(**{name: value}) for name, value in OTHER.items()}
    assert len({*digests, digest_of()}) == len(OTHER) + 1


def test_padding_does_not():
    assert set(ThresholdRegionParams.model_fields) - set(OTHER) == {"pad", "pad_px"}
    assert digest_of(pad=0.5, pad_px=9) == digest_of()


@pytest.mark.parametrize(
    "bounds", [{"min_area_px": 500, "max_area_px": 499}, {"min_area": 0.5, "max_area": 0.4}]
)
def test_bounds_that_nothing_fits_are_refused(bounds):
    with pytest.raises(ValidationError, match="so no region can be in bounds"):
        ThresholdRegionParams(**bounds)


def test_a_method_is_needed():
    with pytest.raises(ValidationError, match="at least 1"):
        ThresholdRegionParams(methods=())
