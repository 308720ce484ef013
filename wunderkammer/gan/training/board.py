"""The history of a training for TensorBoard."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from wunderkammer.gan.checkpoints.archive import Tick


class Board:
    """Event files in `folder`; steps are images shown.

    A resumed training purges what lies beyond its checkpoint, so that no point shows twice; in an
    empty folder (another machine, a cleared scratch) it first writes the history again.
    """

    def __init__(self, folder: Path, *, history: Iterable[Tick], num_images: int) -> None:
        is_new = not any(folder.glob("events.out.tfevents.*"))
        purge_step = num_images + 1 if num_images else None
        self._writer = SummaryWriter(str(folder), purge_step=purge_step)
        for past in history if is_new else ():
            self.add(past)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    def add(self, tick: Tick) -> None:
        """The scalars of a tick."""
        for name, value in tick.measures.items():
            self._writer.add_scalar(name, value, tick.num_images)
        self._writer.add_scalar("time/images_per_s", tick.images_per_s, tick.num_images)
        self._writer.add_scalar("memory/mb", tick.memory_mb, tick.num_images)

    def picture(self, name: str, pixels_HWC: np.ndarray, *, num_images: int) -> None:
        """An image."""
        self._writer.add_image(name, pixels_HWC, num_images, dataformats="HWC")
        self._writer.flush()
