"""Loops that numba compiles, on first use and once a machine. Importing this imports no numba."""

from collections.abc import Callable
from typing import Any


def compiled(function: Callable[..., Any], signature: Any) -> Callable[..., Any]:
    """`function` compiled for a signature of numba's (a text or its types), or from its cache."""
    from numba import njit

    try:
        machine_code: Callable[..., Any] = njit(signature, cache=True)(function)
    except RuntimeError as error:
        # A read-only install without a writable home folder: compile anew in each process.
        if "cannot cache" not in str(error):
            raise
        machine_code = njit(signature)(function)
    return machine_code
