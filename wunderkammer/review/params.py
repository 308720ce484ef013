"""The `review` section."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from wunderkammer.params import Params

MAX_REASONS = 9
Reason = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class ReviewParams(Params):
    """What a person has to approve before a model learns from it, on the page of
    `wunderkammer review`.

    `gate` "none" asks for nothing; "sample" asks for a decision on `sample_size` crops drawn with
    `seed`, of which the share `min_accept_rate` must be accepted; with "all" only accepted crops go
    on. Whatever the gate, a crop that was rejected stays out, and one that was corrected goes on as
    corrected. A decision holds for its object in the same picture, whatever the window: two boxes
    are of one object if their intersection over union is at least `min_same_iou` (and their classes
    are the same). Where nothing looked for objects, that is asked of the windows. It holds for the
    same crop of another file, too. `reasons` are those that the keys 1 to 9 reject with.
    """

    gate: Literal["none", "sample", "all"] = "none"
    sample_size: Annotated[int, Field(ge=1)] = 100
    min_accept_rate: Annotated[float, Field(ge=0, le=1)] = 0.9
    seed: Annotated[int, Field(ge=0)] = 0
    min_same_iou: Annotated[float, Field(ge=0.5, le=1)] = 0.9
    # Only the page reads them: no data version.
    reasons: Annotated[tuple[Reason, ...], Field(max_length=MAX_REASONS)] = Field(
        default=("not_the_subject", "several", "cut_off", "blurred", "too_dark", "text_or_frame"),
        exclude=True,
    )

    @field_validator("reasons")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({reason for reason in value if value.count(reason) > 1})
        if twice:
            raise ValueError(f"{twice[0]!r} stands in it twice; each key needs a reason of its own")
        return value
