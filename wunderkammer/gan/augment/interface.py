"""What every augmentation offers the trainer."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from wunderkammer.gan.draws import Draws


class Augment(nn.Module, ABC):
    """Random changes of images. It has no weights; its constants move with `to`.

    `reals_only`: real pictures alone go through it, before anything else sees them. Otherwise
    every image does on its way into the discriminator, and gradients flow back through it, twice
    where a penalty asks for it.
    """

    reals_only: bool = False

    @abstractmethod
    def forward(self, images_NCSS: Tensor, draws: Draws, p: Tensor) -> Tensor:
        """The images changed: N samples, C channels, sides of S px; about [-1, 1].

        Args:
            images_NCSS: the rows that are ours, on the device of `draws`, float32 or float64.
            draws: where the random numbers come from.
            p: the probability of each transformation, a scalar on the same device; only ADA's
                transformations depend on it.
        """
