"""The stage `evaluation`: how good a finished training is, and whether it copies."""

import json
import logging
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np
import torch
from pydantic import JsonValue

from wunderkammer.build import StageInputs
from wunderkammer.gan.checkpoints.published import load_generator
from wunderkammer.gan.evaluation.copies import Search, copies_sheet, nearest_table, search_copies
from wunderkammer.gan.evaluation.course import course_of, course_plot
from wunderkammer.gan.evaluation.inception import SHA256_PREFIX, Inception, load_inception
from wunderkammer.gan.evaluation.material import Material, read_material
from wunderkammer.gan.evaluation.measures import INCEPTION, distances, embeddings
from wunderkammer.gan.evaluation.memorisation import MIN_TRAINING
from wunderkammer.gan.evaluation.params import EvaluateParams
from wunderkammer.gan.evaluation.pictures import Pictures
from wunderkammer.gan.evaluation.samples import draw_pictures
from wunderkammer.gan.evaluation.verdict import MEASURES_FILE
from wunderkammer.params import digest
from wunderkammer.stages import TRAINED_CHECKPOINT
from wunderkammer.storage.tables import from_parquet, to_parquet
from wunderkammer.storage.versions import Draft, Summary

log = logging.getLogger(__name__)

SIGNIFICANT_DIGITS = 5


def evaluate(inputs: StageInputs) -> Draft:
    """Draw pictures with the published generator and measure them against the real ones.

    Raises:
        OtherPicturesError: the shards have changed since the training.
        InceptionFileError: the weights file that the recipe names is missing or another one.
        NotFiniteError: the generator draws NaN.
    """
    params, start = inputs.subject.spec.evaluate, perf_counter()
    inception = _inception(inputs, params)
    record = inputs.upstreams[TRAINED_CHECKPOINT.name]
    description = json.loads(inputs.versions.read(record, "checkpoint.json"))
    material = read_material(inputs, labels=tuple(description.get("labels", ())))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tensors = inputs.versions.read(record, "checkpoint.safetensors")
    generator = load_generator(tensors, description["generator"]).to(device)
    loaded = perf_counter()
    log.info("%s: draws %d pictures on %s", inputs.subject.name, params.num_fakes, device)
    fake_NCHW = draw_pictures(
        generator,
        params.num_fakes,
        labels_N=material.labels_for(params.num_fakes, seed=params.seed),
        seed=params.seed,
    )
    drawn = perf_counter()
    content, files = measure(
        material, fake_NCHW, params, inception=inception, device=device, subject=inputs.subject.name
    )
    num_images = int(description["num_images"])
    stats = from_parquet(inputs.versions.read(record, "stats.parquet"))
    course = course_of(stats, num_images=num_images, final=content["measures"])
    timings = {"load": loaded - start, "draw": drawn - loaded, "measure": perf_counter() - drawn}
    content["num_images"] = num_images
    return Draft(
        data_version=digest(content),
        summary=Summary(
            num_in=len(material.training_NCHW),
            num_out=params.num_fakes,
            timings_s={name: round(seconds, 3) for name, seconds in timings.items()},
            measures=_shown(content, device=device),
        ),
        files={
            **files,
            MEASURES_FILE: json.dumps(content, indent=1, sort_keys=True).encode(),
            "measures.parquet": to_parquet(course),
            "course.png": course_plot(course, num_images=num_images),
        },
    )


def measure(
    material: Material,
    fake_NCHW: Pictures,
    params: EvaluateParams,
    *,
    inception: Inception | None,
    device: torch.device,
    subject: str,
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """All that the section asks for, as JSON values, and the files of the search for copies."""
    embeds = embeddings(channels=fake_NCHW.shape[1], device=device, inception=inception)
    fake_features = {space: embed(fake_NCHW) for space, embed in embeds.items()}
    chosen = material.some_training(len(fake_NCHW), seed=params.seed)
    found = distances(
        material.training_NCHW[chosen], fake_NCHW, fake_features, embeds=embeds, params=params
    )
    content: dict[str, Any] = {
        "num_fakes": len(fake_NCHW),
        "num_reals": len(chosen),
        "inception": None,
    }
    if inception is not None:
        weights = {"weights_sha256_prefix": SHA256_PREFIX, "resize": inception.resize}
        content["inception"] = weights
    files: dict[str, bytes] = {}
    if params.memorisation and len(material.training_NCHW) >= MIN_TRAINING:
        search = search_copies(material, fake_features, embeds, params.seed)
        content["memorisation"] = _verdict(search)
        found |= {f"copies/{space}": v.share for space, v in search.verdicts.items()}
        files["memorisation.jpg"] = copies_sheet(
            search, fake_NCHW, material.training_NCHW, subject=subject
        )
        files["nearest.parquet"] = to_parquet(nearest_table(search, material.sha256s))
    content["measures"] = {name: _rounded(value) for name, value in found.items()}
    return content, files


def _inception(inputs: StageInputs, params: EvaluateParams) -> Inception | None:
    if params.inception_weights is None:
        return None
    path = inputs.subject.resolve(params.inception_weights)
    return load_inception(path, resize=params.inception_resize)


def _verdict(search: Search) -> dict[str, Any]:
    return {
        "is_memorised": search.is_memorised,
        "verdict": search.words,
        "reference": search.reference,
        "num_references": search.num_references,
        "spaces": {
            space: {
                "share": _rounded(verdict.share),
                "expected": _rounded(verdict.expected),
                "threshold": _rounded(verdict.threshold),
                "median_score": _rounded(float(np.median(search.nearest[space].score_N))),
                "is_memorised": verdict.is_memorised,
            }
            for space, verdict in search.verdicts.items()
        },
    }


def _shown(content: Mapping[str, Any], *, device: torch.device) -> dict[str, JsonValue]:
    shown: dict[str, JsonValue] = {**content["measures"], "device": str(device)}
    if "memorisation" in content:
        shown["verdict"] = content["memorisation"]["verdict"]
    if content["inception"] is not None:
        shown[f"{INCEPTION}_resize"] = content["inception"]["resize"]
    return shown


def _rounded(value: float) -> float:
    """Threads may add up in another order; the digits that they change are no content."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
