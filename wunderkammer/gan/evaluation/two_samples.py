"""How far apart two sets of features are: KID, FID, precision and recall.

Shapes: N real features, M fake ones, D numbers of each.
"""

from collections.abc import Iterator

import numpy as np

from wunderkammer.gan.evaluation.pictures import Floats

ROWS_AT_ONCE = 1024


def kernel_distance(real_ND: Floats, fake_MD: Floats) -> float:
    """Squared maximum mean discrepancy with the cubic kernel of KID, unbiased (arXiv 1801.01401).

    k(x, y) = (x · y / D + 1)³; E k(x, x') + E k(y, y') - 2 E k(x, y) over pairs of different rows.
    Being unbiased, it may be a little below 0 for equal distributions.

    Raises:
        ValueError: a set has fewer than two rows.
    """
    num, num_fake = len(real_ND), len(fake_MD)
    if min(num, num_fake) < 2:
        raise ValueError(f"{num} real and {num_fake} fake features; at least 2 of each are needed")
    among_real = (_kernel_sum(real_ND, real_ND) - _kernel_diagonal(real_ND)) / (num * (num - 1))
    among_fake = _kernel_sum(fake_MD, fake_MD) - _kernel_diagonal(fake_MD)
    between = _kernel_sum(real_ND, fake_MD) / (num * num_fake)
    return among_real + among_fake / (num_fake * (num_fake - 1)) - 2 * between


def frechet_distance(real_ND: Floats, fake_MD: Floats) -> float:
    """Fréchet distance of the Gaussians with both sets' means and covariances (arXiv 1706.08500).

    By torchmetrics. Biased for few rows: compare values of equal numbers only.
    """
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Given(torch.nn.Module):
        num_features = real_ND.shape[1]

        def forward(self, features_ND: torch.Tensor) -> torch.Tensor:
            return features_ND

    metric = FrechetInceptionDistance(feature=Given()).set_dtype(torch.float64)
    metric.update(torch.from_numpy(real_ND), real=True)
    metric.update(torch.from_numpy(fake_MD), real=False)
    return float(metric.compute())


def precision_recall(real_ND: Floats, fake_MD: Floats, *, k: int) -> tuple[float, float]:
    """The share of fakes among the reals, and of reals among the fakes (arXiv 1904.06991).

    A point is among a set if it is no farther from one of its points than that one's k-th nearest
    neighbour in the set.

    Raises:
        ValueError: a set has no k-th neighbour.
    """
    if min(len(real_ND), len(fake_MD)) <= k:
        raise ValueError(
            f"{len(real_ND)} real and {len(fake_MD)} fake features; a neighbourhood of k={k} needs "
            f"more than {k} of each"
        )
    return _share_among(fake_MD, real_ND, k=k), _share_among(real_ND, fake_MD, k=k)


def squared_distances(x_ND: Floats, y_MD: Floats) -> Floats:
    """Squared Euclidean distances of all pairs [N, M]."""
    norms_N, norms_M = (np.einsum("nd,nd->n", x, x) for x in (x_ND, y_MD))
    squared_NM: Floats = x_ND @ y_MD.T
    squared_NM *= -2
    squared_NM += norms_N[:, None]
    squared_NM += norms_M
    return np.maximum(squared_NM, 0, out=squared_NM)


def _share_among(points_ND: Floats, set_MD: Floats, *, k: int) -> float:
    # Around the mean, float32 keeps more digits of the differences.
    centre_D = set_MD.mean(axis=0)
    points_ND, set_MD = points_ND - centre_D, set_MD - centre_D
    # The nearest of all, at no distance, is the point itself.
    radius_M = np.concatenate(
        [np.partition(squared_distances(rows, set_MD), k, axis=1)[:, k] for rows in _blocks(set_MD)]
    )
    inside = [
        (squared_distances(rows, set_MD) <= radius_M).any(axis=1) for rows in _blocks(points_ND)
    ]
    return float(np.concatenate(inside).mean())


def _kernel_sum(x_ND: Floats, y_MD: Floats) -> float:
    return sum(_cubic_sum(rows @ y_MD.T, x_ND.shape[1]) for rows in _blocks(x_ND))


def _kernel_diagonal(x_ND: Floats) -> float:
    return _cubic_sum(np.einsum("nd,nd->n", x_ND, x_ND), x_ND.shape[1])


def _cubic_sum(products: Floats, num_dims: int) -> float:
    scaled = products / np.float32(num_dims) + np.float32(1)
    return float((scaled * scaled * scaled).sum(dtype=np.float64))


def _blocks(x_ND: Floats) -> Iterator[Floats]:
    for start in range(0, len(x_ND), ROWS_AT_ONCE):
        yield x_ND[start : start + ROWS_AT_ONCE]
