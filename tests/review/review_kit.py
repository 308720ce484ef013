"""A store with crops to review, made without a scrape."""

import hashlib
import io
import json
import secrets

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw

from wunderkammer.manifests import CROPS, RAW
from wunderkammer.review.params import ReviewParams
from wunderkammer.review.session import Session, Wishes
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.versions import Draft, Record, Summary, Versions

SUBJECT = "quilt"
WIDTH, HEIGHT, SIDE = 120, 90, 60
WEIGHTS = hashlib.sha256(b"weights").hexdigest()


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def picture(number, size=(WIDTH, HEIGHT)):
    """A JPEG of a disc on a ground, both of colours that the number chooses."""
    rng = np.random.default_rng(number)
    image = Image.new("RGB", size, tuple(int(c) for c in rng.integers(0, 256, 3)))
    width, height = size
    colour = tuple(int(c) for c in rng.integers(0, 256, 3))
    centre, radius = (width // 2, height // 2), min(size) // 3
    ImageDraw.Draw(image).circle(centre, radius, fill=colour)
    sink = io.BytesIO()
    image.save(sink, "JPEG")
    return sink.getvalue()


def record(stage, data_version, upstreams):
    return Record(
        subject=SUBJECT,
        stage=stage,
        version="",
        data_version=data_version,
        fingerprint=sha(stage + data_version),
        code_version="1",
        sections={},
        upstreams=upstreams,
        files=(),
        summary=Summary(),
        created_at="2026-01-01T00:00:00+00:00",
    )


def publish(store, stage, table, *upstreams):
    draft = Draft(sha(str(table.to_pylist())), Summary(), table)
    names = {upstream.stage: upstream.data_version for upstream in upstreams}
    return Versions(store).commit(record(stage, draft.data_version, names), draft)


def fill(store, num_crops, *, with_pictures=True, with_objects=True, **changes):
    """Publish `raw_scrape` and `filtered_crops`; `changes` are columns of the latter."""
    raw, crops = [], []
    for number in range(num_crops):
        content = picture(number) if with_pictures else f"picture {number}".encode()
        sha256 = Blobs(store).put(content) if with_pictures else sha(f"picture {number}")
        x0 = (WIDTH - SIDE) // 2
        raw.append(
            {
                "id": f"quilt-{number:05}",
                "sha256": sha256,
                "source": ("flickr", "commons")[number % 2],
                "licence": ("CC-BY-4.0", "CC0-1.0", None)[number % 3],
                "author": f"Ann & <Bob> {number}",
                "landing_page": f"https://example.org/{number}",
                "decision": "kept",
            }
        )
        crops.append(
            {
                "id": f"quilt-{number:05}",
                "picture_id": f"quilt-{number:05}",
                "sha256": sha256,
                # The picture stands for the crop: what is cut is for another stage to test.
                "crop_sha256": sha256 if with_pictures else sha(f"crop {number}"),
                "source_width": WIDTH,
                "source_height": HEIGHT,
                "box_x0": x0,
                "box_y0": 10,
                "box_x1": x0 + SIDE,
                "box_y1": 10 + SIDE,
                "phash": number,
                "sharpness": float((number * 37) % 101),
                "label": ("log_cabin", "nine_patch")[number % 2],
                "source": raw[-1]["source"],
                "licence": raw[-1]["licence"],
                "decision": "kept",
            }
        )
    scraped = publish(store, "raw_scrape", pa.Table.from_pylist(raw, schema=RAW))
    table = pa.Table.from_pylist(crops, schema=CROPS)
    if with_objects:
        changes = {**objects(num_crops), **changes}
    for name, values in changes.items():
        place = table.column_names.index(name) if name in table.column_names else None
        if place is None:
            table = table.append_column(name, pa.array(values))
        else:
            table = table.set_column(place, name, pa.array(values, table[name].type))
    return publish(store, "filtered_crops", table, scraped)


def objects(num_crops):
    """Columns of a detector's proposals."""
    return {
        "object_x0": [35.0] * num_crops,
        "object_y0": [15.0] * num_crops,
        "object_x1": [85.0] * num_crops,
        "object_y1": [65.0] * num_crops,
        "class_name": ["quilt"] * num_crops,
        "proposed_by": [WEIGHTS] * num_crops,
        "measure/confidence": [((number * 53) % 97 + 2) / 100 for number in range(num_crops)],
    }


def session(store, *, reviewer="ann", **params):
    return Session(store, SUBJECT, params=ReviewParams(**params), min_side_px=20, reviewer=reviewer)


def wish(row, decision="accept", **changes):
    return {"id": secrets.token_hex(16), "row": row, "decision": decision, **changes}


def decide(session, *wishes, since=0):
    """What the page would send, and the answer."""
    version = session.deck().crops.version
    body = {"version": version, "since": since, "decisions": wishes}
    return session.decide(Wishes.model_validate_json(json.dumps(body)))
