"""Labels in the families that have no mapping network.

Shapes: N samples, Z numbers of z, L labels.
"""

import torch
from torch import Tensor, nn

from wunderkammer.gan.networks.interface import PlainMapping


class LabelledMapping(PlainMapping):
    """w is z with its one-hot label beside it (arXiv 1411.1784, section 3.2)."""

    def forward(
        self, z_NZ: Tensor, labels_NL: Tensor | None = None, *, truncation_psi: float = 1.0
    ) -> Tensor:
        """[N, Z] and [N, L] to [N, Z + L].

        Raises:
            ValueError: there are no labels, or a truncation is asked for.
        """
        w_NZ: Tensor = super().forward(z_NZ, truncation_psi=truncation_psi)
        return torch.cat([w_NZ, needed(labels_NL)], dim=1)


def plain_mapping(num_labels: int) -> nn.Module:
    """What takes z, and labels if the networks have any, to the input of the synthesis."""
    return LabelledMapping() if num_labels else PlainMapping()


def chosen_score(scores_NL: Tensor, labels_NL: Tensor | None) -> Tensor:
    """Each sample's score for its own label, [N]; there is one score in all without labels.

    A score a label, of which the sample's is taken (arXiv 1801.04406, appendix on ImageNet).

    Raises:
        ValueError: there are several scores and no labels.
    """
    if scores_NL.shape[1] == 1:
        return scores_NL[:, 0]
    return (scores_NL * needed(labels_NL)).sum(dim=1)


def needed(labels_NL: Tensor | None) -> Tensor:
    """The labels.

    Raises:
        ValueError: there are none.
    """
    if labels_NL is None:
        raise ValueError("this network was trained with labels: give one-hot labels")
    return labels_NL
