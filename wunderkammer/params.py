"""The base of every section of a subject file, and the digest that tells two sections apart."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict


class Params(BaseModel):
    """A frozen, strictly typed piece of a recipe; unknown keys and infinite numbers are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def canonical(self) -> dict[str, Any]:
        """The settings that differ from their defaults, and every `kind`, as plain JSON values.

        Defaults are left out so that a new field with a default makes nothing stale; changing a
        default therefore needs a bump of the `code_version` of the stages that read it.
        """
        return _without_defaults(self)


def _without_defaults(params: Params) -> dict[str, Any]:
    plain: dict[str, Any] = params.model_dump(mode="json", exclude_defaults=True)
    for name in type(params).model_fields:
        value = getattr(params, name)
        if name == "kind":
            plain[name] = value
        elif isinstance(value, Params) and name in plain:
            plain[name] = _without_defaults(value)
    return plain


def digest(value: Any) -> str:
    """SHA-256 (hex) of `value` written as canonical JSON: sorted keys, no spaces."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
