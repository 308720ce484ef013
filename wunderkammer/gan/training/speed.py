"""How fast a training goes and when it will end. No torch here: the definitions load it."""

from wunderkammer.gan.checkpoints.archive import Tick

S_PER_KIMG = "speed/s_per_kimg"
ETA_S = "speed/eta_s"


def speed_of(tick: Tick, *, last_image: int) -> dict[str, float]:
    """Seconds a kimg, and seconds to the last image at the speed of `tick`.

    That is the speed of the steps: snapshots and measures come on top.
    """
    images_per_s = max(tick.images_per_s, 1e-9)
    left = max(last_image - tick.num_images, 0)
    return {S_PER_KIMG: 1000 / images_per_s, ETA_S: left / images_per_s}


def duration(seconds: float) -> str:
    """A length of time for people: 45 s, 12 min, 3 h 05 min, 2 d 4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"
