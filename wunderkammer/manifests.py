"""The columns of each image stage's manifest: a row an image, kept or not, and why."""

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

KEPT = "kept"
REJECTED = "rejected"

# Reasons of a rejection that may be gone the next time, on a machine less busy or a disk restored.
TRANSIENT = ("crashed_worker", "timed_out", "out_of_memory", "unreadable", "damaged_member")

RAW = pa.schema(
    [
        ("id", pa.string()),
        ("sha256", pa.string()),
        ("num_bytes", pa.int64()),
        ("format", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("source", pa.string()),
        ("url", pa.string()),
        ("landing_page", pa.string()),
        ("author", pa.string()),
        ("licence", pa.string()),
        ("licence_url", pa.string()),
        ("title", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("label", pa.string()),
        ("group", pa.string()),
        ("taken_at", pa.string()),
        ("fetched_at", pa.string()),
        ("headers", pa.string()),
        ("decision", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)

# A picture each, with its boxes in px of the upright picture, the surest first; the lists of a
# picture that could not be looked at are null.
DETECTIONS = pa.schema(
    [
        ("id", pa.string()),
        ("sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("x0", pa.list_(pa.float64())),
        ("y0", pa.list_(pa.float64())),
        ("x1", pa.list_(pa.float64())),
        ("y1", pa.list_(pa.float64())),
        ("confidence", pa.list_(pa.float64())),
        ("class_index", pa.list_(pa.int32())),
        ("class_name", pa.list_(pa.string())),
        ("weights_sha256", pa.string()),
        ("decision", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)

# A candidate each; columns `measure/<name>` follow. `shown_` is how much of a padded window shows
# its picture (0: all of it). `object_` is the box in px that it was cut around, and `class_name`
# what that was taken for, null where nothing looked. `proposed_by` is the SHA-256 of the detector's
# weights, else `threshold:` or `page:` and a digest of the settings that found it, else `centre`.
CROPS = pa.schema(
    [
        ("id", pa.string()),
        ("picture_id", pa.string()),
        ("sha256", pa.string()),
        ("crop_sha256", pa.string()),
        ("mask_sha256", pa.string()),
        ("source_width", pa.int32()),
        ("source_height", pa.int32()),
        ("box_x0", pa.int32()),
        ("box_y0", pa.int32()),
        ("box_x1", pa.int32()),
        ("box_y1", pa.int32()),
        ("angle_deg", pa.float64()),
        ("shown_width", pa.int32()),
        ("shown_height", pa.int32()),
        ("object_x0", pa.float64()),
        ("object_y0", pa.float64()),
        ("object_x1", pa.float64()),
        ("object_y1", pa.float64()),
        ("class_name", pa.string()),
        ("proposed_by", pa.string()),
        ("phash", pa.uint64()),
        ("dhash", pa.uint64()),
        ("sharpness", pa.float64()),
        ("num_bytes", pa.int64()),
        ("label", pa.string()),
        ("group", pa.string()),
        ("source", pa.string()),
        ("licence", pa.string()),
        ("decision", pa.string()),
        ("reason", pa.string()),
        ("measured", pa.float64()),
        ("limit", pa.float64()),
        ("detail", pa.string()),
    ]
)

# A crop each: what it duplicates, by how many bits and how found (`dedupe.leaders.WAYS`), or the
# family that it belongs to; what proposed it, as in `CROPS`, and who has approved it, if anybody.
SHARDS = pa.schema(
    [
        ("id", pa.string()),
        ("sha256", pa.string()),
        ("crop_sha256", pa.string()),
        ("image_sha256", pa.string()),
        ("phash", pa.uint64()),
        ("dhash", pa.uint64()),
        ("label", pa.string()),
        ("duplicate_of", pa.string()),
        ("distance", pa.int32()),
        ("found_by", pa.string()),
        ("likeness", pa.float64()),
        ("family", pa.string()),
        ("shard", pa.string()),
        ("row", pa.int32()),
        ("proposed_by", pa.string()),
        ("reviewer", pa.string()),
        ("decision", pa.string()),
        ("reason", pa.string()),
    ]
)


def conformed(manifest: pa.Table, schema: pa.Schema) -> pa.Table:
    """`manifest` with the columns of `schema`; those that it was written without are null."""
    known = set(manifest.column_names)
    columns = [
        manifest[field.name].cast(field.type)
        if field.name in known
        else pa.nulls(manifest.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def kept(manifest: pa.Table) -> pa.Table:
    """The rows that go on to the next stage."""
    return manifest.filter(pc.equal(manifest["decision"], KEPT))


def rejections(manifest: pa.Table) -> dict[str, int]:
    """How many rows each reason has rejected, most frequent first."""
    rejected = manifest.filter(pc.equal(manifest["decision"], REJECTED))
    return dict(Counter(rejected["reason"].to_pylist()).most_common())
