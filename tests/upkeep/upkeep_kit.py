"""A small store as the stages leave one, without the stages."""

from dataclasses import dataclass

import pyarrow as pa

from wunderkammer.crops.render import RENDERS
from wunderkammer.manifests import CROPS, KEPT, RAW, conformed
from wunderkammer.sources.ingest import FACTS
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Draft, Record, Summary, Versions

DAY_S = 86_400.0


@dataclass
class House:
    """Builds of `raw_scrape` and `filtered_crops` of one subject."""

    store: Store
    subject: str = "cat"

    @property
    def blobs(self):
        return Blobs(self.store)

    @property
    def versions(self):
        return Versions(self.store)

    def ledger(self, stage, name):
        schema, column = (FACTS, "sha256") if stage == "raw_scrape" else (RENDERS, "crop_sha256")
        prefix = f"{Versions.home(self.subject, stage)}/ledger/{name}"
        return Ledger(self.store, prefix, schema, blob_columns=(column,))

    def scrape(self, names):
        """A version of pictures, each with its name as its bytes; returns their hashes by name."""
        hashes = {name: self.blobs.put(name.encode()) for name in names}
        rows = [
            {"key": name, "sha256": sha256, "num_bytes": len(name)}
            for name, sha256 in hashes.items()
        ]
        self.ledger("raw_scrape", "facts").append(pa.Table.from_pylist(rows, FACTS))
        rows = [
            {"id": name, "sha256": sha256, "num_bytes": len(name), "decision": KEPT}
            for name, sha256 in hashes.items()
        ]
        manifest = pa.Table.from_pylist(rows, RAW)
        self.commit("raw_scrape", "scrape", f"raw {sorted(names)}", manifest, {})
        return hashes

    def crop(self, pictures, size):
        """A version of crops of these pictures; returns their hashes by name."""
        attempt = self.versions.begin(self.subject, "filtered_crops", f"crops {size}")
        crops = self.render(pictures, size)
        self.publish(pictures, crops, size)
        self.versions.succeed(self.subject, "filtered_crops", attempt.fingerprint)
        return crops

    def render(self, pictures, size):
        """What a run does for each picture: what its ledger has is not made again."""
        ledger = self.ledger("filtered_crops", f"size{size}")
        known = {row["key"]: row["crop_sha256"] for row in ledger.rows().to_pylist()}
        rows, crops = [], {}
        for name, sha256 in pictures.items():
            key = f"{sha256}:{size}"
            crops[name] = known.get(key) or self.blobs.put(f"{name} at {size}".encode())
            if key not in known:
                rows.append({"key": key, "crop_sha256": crops[name]})
        if rows:
            ledger.append(pa.Table.from_pylist(rows, RENDERS))
        return crops

    def draft(self, pictures, crops, size):
        rows = [
            {"id": name, "sha256": pictures[name], "crop_sha256": crops[name], "decision": KEPT}
            for name in crops
        ]
        manifest = conformed(pa.Table.from_pylist(rows), CROPS)
        return Draft(f"crops {size} {sorted(crops)}", Summary(), manifest)

    def publish(self, pictures, crops, size):
        draft = self.draft(pictures, crops, size)
        raw = self.versions.current(self.subject, "raw_scrape")
        upstreams = {} if raw is None else {"raw_scrape": raw.data_version}
        manifest = draft.manifest
        self.commit("filtered_crops", f"crops {size}", draft.data_version, manifest, upstreams)

    def commit(self, stage, fingerprint, data_version, manifest, upstreams, files=()):
        number = len(self.versions.records(self.subject, stage))
        record = Record(
            subject=self.subject,
            stage=stage,
            version="",
            data_version=data_version,
            fingerprint=fingerprint,
            code_version="1",
            sections={},
            upstreams=upstreams,
            files=(),
            summary=Summary(),
            created_at=f"2026-01-01T00:00:{number:02}+00:00",
        )
        draft = Draft(data_version, Summary(), manifest, dict(files))
        return self.versions.commit(record, draft)

    def readable(self):
        """Read the versions in force, and every blob that a row or a manifest names."""
        for stage, column in (("raw_scrape", "sha256"), ("filtered_crops", "crop_sha256")):
            record = self.versions.current(self.subject, stage)
            if record is not None:
                for sha256 in self.versions.manifest(record)[column].to_pylist():
                    self.blobs.get(sha256)
            for name in {
                key.split("/")[4]
                for key in self.store.keys(f"{Versions.home(self.subject, stage)}/ledger")
            }:
                ledger = self.ledger(stage, name)
                ledger.blob_columns = ()
                for sha256 in ledger.rows()[column].to_pylist():
                    self.blobs.get(sha256)
