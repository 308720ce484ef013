"""Keys of sources, from the environment by name; never written or shown."""

import os
from collections.abc import Mapping


class MissingKeyError(ValueError):
    """A source needs a key that the environment lacks."""


def key_from_environment(
    variable: str, *, what: str, where: str, environ: Mapping[str, str] = os.environ
) -> str:
    """The value of `variable`.

    `what` names the key for a person ("a Flickr API key"), `where` the page that gives one.

    Raises:
        MissingKeyError: it is not set, or it can't be part of a request; the message names the
            variable and where to get a key, never a value.
    """
    value = environ.get(variable, "").strip()
    if not value:
        raise MissingKeyError(
            f"this source needs {what}: set the environment variable {variable}; "
            f"you get one at {where}"
        )
    if not value.isascii() or not value.isprintable() or " " in value:
        raise MissingKeyError(
            f"{variable} holds a space or a character that no key has; copy {what} again "
            f"from {where}"
        )
    return value
