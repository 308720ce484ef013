"""Crops whose window a person has moved, cut anew as the section `filter` says."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from wunderkammer.build import StageInputs
from wunderkammer.crops.centre import TOO_SMALL, size_cut
from wunderkammer.crops.cuts import MEASURE
from wunderkammer.crops.params import CropParams
from wunderkammer.crops.render import RENDERS, RenderSettings, Window, casualty_row, render_row
from wunderkammer.ledger_map import map_ledgered
from wunderkammer.mask.params import MaskParams
from wunderkammer.review.crop_table import SHOWN, WINDOW
from wunderkammer.review.decision import Box, Decision
from wunderkammer.storage.ledger import Ledger

log = logging.getLogger(__name__)

MEASURED = ("sharpness", "brightness", "contrast", "mask_area", "mask_peak")

Row = dict[str, Any]


def corrected_window(
    decision: Decision, box: Box, *, angle_deg: float, shown_share: tuple[float, float]
) -> Window:
    """What is to be cut out of the picture, in whole px; its padding has the share that it had."""
    picture = decision.proposal
    x0, y0, x1, y1 = (round(edge) for edge in (box.x0, box.y0, box.x1, box.y1))
    return Window(
        picture.sha256,
        picture.width,
        picture.height,
        *(x0, y0, x1, y1),
        angle_deg=angle_deg,
        shown_width=round(shown_share[0] * (x1 - x0)),
        shown_height=round(shown_share[1] * (y1 - y0)),
    )


def recut(inputs: StageInputs, windows: Sequence[Window], *, home: str) -> list[Row]:
    """For each window the columns of its row that change: content and measures, or why not.

    Renders and masks are kept in ledgers below `home`. The rules about what a crop shows are not
    asked again: the person has looked.
    """
    params: CropParams = inputs.subject.spec.filter
    limit = size_cut(params)
    wanted = [window for window in windows if _side(window) >= limit.limit]
    found = _rendered(inputs, wanted, settings=RenderSettings.of(params), home=home)
    if params.mask is not None:
        found = _masked(inputs, found, params=params.mask, home=home)
    small = {"reason": TOO_SMALL, "limit": limit.limit, "detail": limit.words}
    return [
        {**_edges(window), **found.get(window.key, {**small, "measured": _side(window)})}
        for window in windows
    ]


def _rendered(
    inputs: StageInputs, windows: Sequence[Window], *, settings: RenderSettings, home: str
) -> dict[str, Row]:
    ledger = Ledger(
        inputs.store, f"{home}/ledger/{settings.digest}", RENDERS, blob_columns=("crop_sha256",)
    )
    renders = map_ledgered(
        ledger,
        {window.key: window for window in windows},
        fn=partial(render_row, settings=settings, store=inputs.store),
        on_casualty=casualty_row,
        what=f"corrected crops of {inputs.subject.name}",
        log=log,
    )
    return {row["key"]: _columns(row) for row in renders.to_pylist()}


def _masked(
    inputs: StageInputs, found: dict[str, Row], *, params: MaskParams, home: str
) -> dict[str, Row]:
    """`found` with the masked crops in place of the crops."""
    # Loads what runs a network, which few subjects need.
    from wunderkammer.mask.location import find_model
    from wunderkammer.mask.run import mask_ledgered
    from wunderkammer.mask.settings import MaskSettings

    crops = dict.fromkeys(row["crop_sha256"] for row in found.values() if not row["reason"])
    masks = mask_ledgered(
        inputs.store,
        f"{home}/masks",
        crops,
        MaskSettings.of(params, path=find_model(params, subject=inputs.subject)),
        render=RenderSettings.of(inputs.subject.spec.filter),
    )
    of_crop = dict(zip(crops, masks.to_pylist(), strict=True))
    return {
        key: {**row, **_columns(of_crop[row["crop_sha256"]])} if not row["reason"] else row
        for key, row in found.items()
    }


def _columns(row: Row) -> Row:
    """A row of `RENDERS` or `MASKS` as columns of a manifest."""
    sha256 = row.get("masked_sha256") or row.get("crop_sha256")
    columns = {"crop_sha256": sha256} if sha256 else {}
    columns |= {name: row[name] for name in ("phash", "dhash", "sharpness", "reason", "detail")}
    if "mask_sha256" in row:
        columns["mask_sha256"] = row["mask_sha256"]
    return columns | {MEASURE + name: row[name] for name in MEASURED if name in row}


def _edges(window: Window) -> Row:
    edges = (window.x0, window.y0, window.x1, window.y1)
    shown = (window.shown_width, window.shown_height)
    return dict(zip((*WINDOW, *SHOWN), (*edges, *shown), strict=True))


def _side(window: Window) -> float:
    return float(min(window.x1 - window.x0, window.y1 - window.y0))
