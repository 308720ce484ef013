"""Decisions for the tests, by few words."""

import secrets

from review_kit import HEIGHT, WIDTH, sha

from wunderkammer.review.decision import Box, Decision, Proposal


def box(x0, y0, x1, y1):
    return Box(x0=float(x0), y0=float(y0), x1=float(x1), y1=float(y1))


def proposal(number=0, window=(30, 10, 90, 70), crop="", **changes):
    return Proposal(
        crop_sha256=sha(crop or f"crop {number} {window}"),
        sha256=sha(f"picture {number}"),
        width=WIDTH,
        height=HEIGHT,
        window=box(*window),
        **changes,
    )


def decision(kind="accept", *, order=1, about=None, reviewer="ann", **changes):
    return Decision(
        id=secrets.token_hex(16),
        order=order,
        time="2026-01-01T00:00:00+00:00",
        reviewer=reviewer,
        decision=kind,
        proposal=about or proposal(),
        **changes,
    )


def undo(undone, *, order=None, reviewer="ann"):
    return decision(
        "undo",
        order=order or undone.order + 1,
        about=undone.proposal,
        reviewer=reviewer,
        undoes=undone.id,
    )
