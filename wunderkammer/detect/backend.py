"""The ways to compute a detector's numbers, and the choice of one."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from wunderkammer.detect.boxes import HeadFacts

Pictures = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float32]


class Backend(Protocol):
    """A detector that is ready to run.

    Attributes:
        name: for the log and for people: "openvino, bfloat16".
    """

    name: str
    facts: HeadFacts

    def run(self, x_NHWC: Pictures) -> tuple[Numbers, Numbers]:
        """Distances (N, 4·bins, A) and class logits (N, classes, A) of RGB pictures of one size."""
