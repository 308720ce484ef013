"""A subject whose source a test chooses, and pictures to scrape."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from PIL import Image

from wunderkammer.build import Built, build_stage
from wunderkammer.sources.scrape import scrape_images
from wunderkammer.stages import RAW_SCRAPE
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions
from wunderkammer.subject import load_subject

RECIPE = {
    "filter": {"kind": "whole", "size_px": 16},
    "shard": {"resolution_px": 16},
    "train": {"kind": "stylegan2", "total_kimg": 0.064, "tick_kimg": 0.032},
}


def picture(number: int, side: int = 4, file_format: str = "PNG") -> bytes:
    """A small picture, another one for each number."""
    sink = io.BytesIO()
    red, green, blue = number % 256, number // 256 % 256, 90
    Image.new("RGB", (side, side), (red, green, blue)).save(sink, file_format)
    return sink.getvalue()


def page_image(number: int, file_format: str = "PNG", share: float = 0.25) -> bytes:
    """A page in colour of which this share is dark, another one for each number."""
    sink = io.BytesIO()
    page = Image.new("RGB", (20, 20), (255, 250, 200))
    page.paste((number % 100, 10, 10), (0, 0, 20, round(20 * share)))
    page.save(sink, file_format)
    return sink.getvalue()


class Scraper:
    """Scrapes a source for the subject `spoons`, again and again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = Store(str(root / "data"))

    def __call__(self, **section: object) -> Built:
        file = self.root / "spoons.yaml"
        file.write_text(yaml.safe_dump({"scrape": section, **RECIPE}))
        subject = load_subject(file)
        return build_stage(RAW_SCRAPE, subject, store=self.store, builder=scrape_images, force=True)

    def rows(self, built: Built) -> dict[str, dict[str, object]]:
        """The manifest by id; an id that stands twice fails."""
        rows = Versions(self.store).manifest(built.record).to_pylist()
        by_id = {row["id"]: row for row in rows}
        assert len(by_id) == len(rows)
        return by_id

    def reasons(self, built: Built) -> dict[str, str]:
        """Why each rejected item was rejected, by id."""
        rows = self.rows(built).values()
        return {row["id"]: row["reason"] for row in rows if row["decision"] == "rejected"}

    def kept(self, built: Built) -> set[str]:
        """The ids of the kept items."""
        return {id_ for id_, row in self.rows(built).items() if row["decision"] == "kept"}


def stream_here(
    fn, batches: Iterator[Sequence[object] | None], *, workers
) -> Iterator[list[tuple[object, object]]]:
    for batch in batches:
        yield [(item, fn(item)) for item in batch or ()]
