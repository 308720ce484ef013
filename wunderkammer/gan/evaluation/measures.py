"""Every distance between real and generated pictures, by name.

Shapes: N pictures, C channels, H rows, W columns, D features.
"""

from collections.abc import Mapping
from functools import partial

import torch

from wunderkammer.gan.evaluation.features import RandomFeatures, features_of
from wunderkammer.gan.evaluation.inception import Inception
from wunderkammer.gan.evaluation.memorisation import Embed, thumbnails
from wunderkammer.gan.evaluation.params import EvaluateParams
from wunderkammer.gan.evaluation.pictures import Floats, Pictures, as_rgb
from wunderkammer.gan.evaluation.sliced_wasserstein import Sizes, patches, pyramid_distances
from wunderkammer.gan.evaluation.two_samples import (
    frechet_distance,
    kernel_distance,
    precision_recall,
)

THUMBNAILS = "thumbnails"
RANDOM_FEATURES = "random_features"
INCEPTION = "inception"

# One network for all subjects and seeds, so that scores on it compare.
FEATURE_SEED = 0
PATCHES_PER_IMAGE = 128
NUM_DIRECTIONS = 512
MAX_PYRAMIDS = 1024
NEIGHBOURS = 3


def embeddings(
    *, channels: int, device: torch.device, inception: Inception | None
) -> dict[str, Embed]:
    """The spaces that pictures are compared in, by name; the last one with its weights only."""
    network = RandomFeatures(channels, seed=FEATURE_SEED).to(device)
    found: dict[str, Embed] = {
        THUMBNAILS: thumbnails,
        RANDOM_FEATURES: partial(features_of, network=network, device=device),
    }
    if inception is not None:
        trained = inception.to(device)

        def embed(images_NCHW: Pictures) -> Floats:
            return features_of(as_rgb(images_NCHW), trained, device=device)

        found[INCEPTION] = embed
    return found


def distances(
    real_NCHW: Pictures,
    fake_NCHW: Pictures,
    fake_features: Mapping[str, Floats],
    *,
    embeds: Mapping[str, Embed],
    params: EvaluateParams,
) -> dict[str, float]:
    """What the section asks for, and FID, KID, precision and recall where Inception is among
    `embeds`.

    `fake_features` are the features of the fakes in each space.
    """
    found: dict[str, float] = {}
    if params.sliced_wasserstein:
        num = min(len(real_NCHW), len(fake_NCHW), MAX_PYRAMIDS)
        found |= _pyramid(real_NCHW[:num], fake_NCHW[:num], seed=params.seed)
    if params.random_features:
        real_ND = embeds[RANDOM_FEATURES](real_NCHW)
        found["distance/random_kid"] = kernel_distance(real_ND, fake_features[RANDOM_FEATURES])
    if INCEPTION in embeds:
        real_ND, fake_ND = embeds[INCEPTION](real_NCHW), fake_features[INCEPTION]
        precision, recall = precision_recall(real_ND, fake_ND, k=NEIGHBOURS)
        found |= {
            "distance/fid": frechet_distance(real_ND, fake_ND),
            "distance/kid": kernel_distance(real_ND, fake_ND),
            "share/precision": precision,
            "share/recall": recall,
        }
    return found


def _pyramid(real_NCHW: Pictures, fake_NCHW: Pictures, *, seed: int) -> dict[str, float]:
    sizes = Sizes(PATCHES_PER_IMAGE, NUM_DIRECTIONS, seed)
    by_side = pyramid_distances(patches(real_NCHW, sizes), patches(fake_NCHW, sizes), sizes)
    mean = sum(by_side.values()) / len(by_side)
    levels = {f"distance/swd_{side}px": value for side, value in by_side.items()}
    return {"distance/swd": mean, **levels}
