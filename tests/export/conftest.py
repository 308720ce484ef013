"""A store with a training set in it, as `deduped_shards` leaves it, without building one."""

import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from export_kit import NUM, SIDE, drawn
from PIL import Image

from wunderkammer.export.collection import Collection, choose
from wunderkammer.manifests import RAW, SHARDS
from wunderkammer.shards.write import ShardImage, class_names, shard_name, write_shards
from wunderkammer.stages import DEDUPED_SHARDS, RAW_SCRAPE
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Draft, Record, Summary, Versions


class Museum:
    """A store with the training set of the subject `moth`."""

    def __init__(self, store: Store, scratch: Path) -> None:
        self.store = store
        self.scratch = scratch

    def publish(
        self,
        *,
        labels: Sequence[str | None] = ("moth", "beetle"),
        families: Sequence[str | None] = (None,),
        channels: int = 3,
        num: int = NUM,
        side: int = SIDE,
        shards_mb: float = 0.003,
    ) -> Record:
        """PNG pictures whose labels and families are these in turn."""
        images = []
        for k in range(num):
            sink = io.BytesIO()
            pixels = drawn(k, channels=channels, side=side)
            Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(sink, "png")
            sha256 = hashlib.sha256(sink.getvalue()).hexdigest()
            label = labels[k % len(labels)]
            family = families[k % len(families)]
            images.append(ShardImage(sink.getvalue(), sha256, label, f"{sha256}.png", family))
        names = class_names(image.label for image in images)
        self.scratch.mkdir(exist_ok=True)
        shards = write_shards(images, folder=self.scratch, names=names, max_shard_mb=shards_mb)
        shard_names = [shard_name(n, num_shards=len(shards)) for n in range(len(shards))]
        manifest = _manifest(images, shard_names, [shard.num_rows for shard in shards])
        self._scrape(images)
        files = dict(zip(shard_names, (shard.path for shard in shards), strict=True))
        made = {"resolution_px": side, "channels": channels, "codec": "png"}
        record = _record(DEDUPED_SHARDS.name, {"shard": {**made, "max_shard_mb": shards_mb}})
        return Versions(self.store).commit(record, Draft("d", Summary(), manifest, files))

    def _scrape(self, images: Sequence[ShardImage]) -> None:
        rows = [
            {"id": f"p{k}", "sha256": f"of {image.sha256}", "author": f"Author {k}"}
            | {"licence": "CC0-1.0", "decision": "kept"}
            for k, image in enumerate(images)
        ]
        raw = pa.Table.from_pylist(rows, schema=RAW)
        Versions(self.store).commit(_record(RAW_SCRAPE.name, {}), Draft("r", Summary(), raw))


def _manifest(images: Sequence[ShardImage], names: list[str], sizes: list[int]) -> pa.Table:
    places = [(n, row) for n, size in zip(names, sizes, strict=True) for row in range(size)]
    rows = [
        {"id": f"p{k}", "sha256": f"of {image.sha256}", "crop_sha256": f"crop {image.sha256}"}
        | {"image_sha256": image.sha256, "label": image.label, "shard": shard, "row": row}
        | {"decision": "kept"}
        for k, (image, (shard, row)) in enumerate(zip(images, places, strict=True))
    ]
    return pa.Table.from_pylist(rows, schema=SHARDS)


def _record(stage: str, sections: dict[str, dict[str, object]]) -> Record:
    return Record(
        subject="moth",
        stage=stage,
        version="",
        data_version="d",
        fingerprint="f",
        code_version="1",
        sections=sections,
        upstreams={},
        files=(),
        summary=Summary(),
        created_at="2026-11-20T00:00:00+00:00",
    )


@pytest.fixture
def museum(tmp_path: Path) -> Museum:
    return Museum(Store(str(tmp_path / "data")), tmp_path / "scratch")


Chosen = Callable[..., Collection]


@pytest.fixture
def chosen(museum: Museum) -> Chosen:
    """Publishes a training set and chooses from it."""

    def make(
        *,
        resolution_px: int | None = None,
        side: str = "all",
        labelled: bool = False,
        held_out: float = 0.0,
        **published: object,
    ) -> Collection:
        return choose(
            museum.store,
            museum.publish(**published),
            resolution_px=resolution_px,
            side=side,
            labelled=labelled,
            held_out=held_out,
            seed=0,
        )

    return make
