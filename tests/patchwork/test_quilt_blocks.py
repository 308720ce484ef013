import cv2
import numpy as np
import pytest

from wunderkammer.patchwork.fabrics import PRINTS, Fabric, ink_for, tile
from wunderkammer.patchwork.palettes import PALETTES, luminance
from wunderkammer.patchwork.quilt_blocks import BLOCKS, Block
from wunderkammer.patchwork.quilt_layout import drawn_setting, laid_out
from wunderkammer.patchwork.quilt_sketch import Role

SIDE = 420
BY_LABEL = {block.label: block for block in BLOCKS}


def roles_of(block: Block) -> np.ndarray:
    """Which role covers each pixel of the block; -1 where there is a hole."""
    image = np.full((SIDE, SIDE), 99, np.uint8)
    for patch in block.patches:
        corners = np.round(patch.corners * (SIDE - 1)).astype(np.int32)
        cv2.fillConvexPoly(image, corners, int(patch.role))
    return image


def sampled(block: Block, size: int) -> list[str]:
    """The role at the middle of each square of a `size` by `size` grid, as letters."""
    roles = roles_of(block)
    at = ((np.arange(size) + 0.5) * SIDE / size).astype(int)
    letters = {0: "G", 1: "M", 2: "S", 3: "A", 4: "L", 5: "D"}
    return ["".join(letters[int(roles[y, x])] for x in at) for y in at]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.label)
def test_a_block_is_pieced_without_a_hole(block: Block) -> None:
    assert (roles_of(block) != 99).all()


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.label)
def test_every_patch_is_convex_and_inside_its_block(block: Block) -> None:
    for patch in block.patches:
        assert patch.corners.min() >= -1e-9
        assert patch.corners.max() <= 1 + 1e-9
        assert cv2.isContourConvex(np.round(patch.corners * 8400).astype(np.int32))


def test_there_are_at_least_eight_families_under_names_of_their_own() -> None:
    assert len(BY_LABEL) == len(BLOCKS) >= 8


def test_a_nine_patch_has_dark_corners_and_middle() -> None:
    assert sampled(BY_LABEL["nine_patch"], 3) == ["MGM", "GMG", "MGM"]


def test_a_log_cabin_is_light_on_two_sides_of_its_hearth_and_dark_on_two() -> None:
    rows = sampled(BY_LABEL["log_cabin"], 7)
    assert rows[3][3] == "A"
    assert rows[3][4:] == "LLL"
    assert rows[3][:3] == "DDD"
    assert "".join(row[3] for row in rows) == "LLLADDD"


@pytest.mark.parametrize(
    "label", ["pinwheel", "ohio_star", "friendship_star", "churn_dash", "bear_paw"]
)
def test_these_blocks_look_the_same_after_a_quarter_turn(label: str) -> None:
    roles = roles_of(BY_LABEL[label])
    assert (roles != np.rot90(roles)).mean() < 0.03


def test_a_quarter_turn_of_a_mill_wheel_swaps_light_and_dark() -> None:
    roles = roles_of(BY_LABEL["mill_wheel"])
    assert (roles != np.rot90(roles)).mean() > 0.97


def test_a_pinwheel_is_half_light_and_half_dark_and_no_mirror_image_of_itself() -> None:
    roles = roles_of(BY_LABEL["pinwheel"])
    assert abs((roles == Role.MAIN).mean() - 0.5) < 0.02
    assert (roles != np.fliplr(roles)).mean() > 0.9


def test_a_star_has_four_light_corners_and_eight_dark_points() -> None:
    rows = sampled(BY_LABEL["sawtooth_star"], 8)
    assert [rows[y][x] for y in (0, 7) for x in (0, 7)] == ["G"] * 4
    is_point = (roles_of(BY_LABEL["sawtooth_star"]) == Role.MAIN).astype(np.uint8)
    assert cv2.connectedComponents(cv2.erode(is_point, np.ones((5, 5), np.uint8)))[0] - 1 == 8


@pytest.mark.parametrize("seed", range(40))
def test_a_whole_quilt_stays_inside_its_side_and_an_endless_one_fills_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    block = BLOCKS[seed % len(BLOCKS)]
    setting = drawn_setting(block, rng)
    top = laid_out(block, setting, rng)
    reach = np.abs(top.corners).max()
    if setting.is_whole:
        assert reach == pytest.approx(top.side / 2)
    else:
        assert reach > top.side / 2 * (1.42 if setting.is_on_point else 1.1)


@pytest.mark.parametrize("palette", PALETTES, ids=lambda palette: palette.name)
def test_a_palette_keeps_light_apart_from_dark(palette) -> None:
    lights = [luminance(colour) for colour in palette.lights]
    darks = [luminance(colour) for colour in palette.darks]
    assert min(lights) - max(darks) > 40
    assert len(palette.lights) >= 3
    assert len(palette.darks) >= 3


@pytest.mark.parametrize("kind", PRINTS)
def test_a_print_repeats_without_a_seam_and_keeps_its_ground(kind: str) -> None:
    ground = (60, 80, 140)
    ink = ink_for(ground, partner=(240, 235, 225), strength=0.5)
    cloth = tile(Fabric(ground, ink, kind), np.random.default_rng(1), side_px=64).astype(float)
    wrap = np.abs(cloth[:, 0] - cloth[:, -1]).mean()
    inside = np.abs(np.diff(cloth, axis=1)).mean(axis=(0, 2))
    assert wrap <= max(1.5 * inside.max(), 6)
    assert np.abs(cloth.mean(axis=(0, 1)) - ground).max() < 90
