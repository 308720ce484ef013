"""What a training tells of each tick."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wunderkammer.gan.checkpoints.archive import Tick
from wunderkammer.gan.training.speed import ETA_S, S_PER_KIMG, duration


@dataclass(frozen=True)
class TickReport:
    """What a tick says to whoever watches; the grid comes with snapshots only.

    `readings` are of speed and device, when the tick ended.
    """

    tick: Tick
    grid_jpeg: bytes | None
    readings: Mapping[str, float] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """One line for a log."""
        shown = "  ".join(f"{name} {value:.3f}" for name, value in self.tick.measures.items())
        kimg = self.tick.num_images / 1000
        speed = f"{self.tick.images_per_s:.1f} images/s"
        if self.readings:
            left = duration(self.readings[ETA_S])
            speed = f"{speed}  {self.readings[S_PER_KIMG]:.2f} s/kimg  ends in {left}"
        return f"{kimg:.1f} kimg  {speed}  {shown}"


OnTick = Callable[[TickReport], None]
