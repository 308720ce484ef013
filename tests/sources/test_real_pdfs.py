"""PDFs that this project did not make, read page by page; see `WUNDERKAMMER_REAL_DATA`."""

import json

from test_real_files import real_folder

from wunderkammer.images.decode import probe
from wunderkammer.sources.container_params import PageParams
from wunderkammer.sources.containers import ContainerItem, Containers
from wunderkammer.sources.item import RefusedItem, UnreadableItemError
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store

MAX_PIXELS = 20_000_000


def outcome(item) -> str:
    if isinstance(item, RefusedItem):
        return item.reason
    try:
        probe(item.read(), max_pixels=MAX_PIXELS)
    except UnreadableItemError as error:
        return error.reason
    return "drawn"


def test_of_real_pdfs_all_pages_are_found_and_the_first_is_drawn_or_its_reason_told(tmp_path):
    folder = real_folder("pages")
    expected = json.loads((folder / "pdfium_expected.json").read_text())
    store = Store(str(tmp_path))
    found = [
        ContainerItem(id=name, form="pdf", sha256=Blobs(store).put((folder / name).read_bytes()))
        for name in expected
    ]
    params = PageParams(dpi=72, grey=True)
    containers = Containers(
        params, store=store, ledger="ledger", max_bytes=10**8, max_pixels=MAX_PIXELS
    )
    for container, items in zip(found, containers.open(found), strict=True):
        facts = expected[container.id]
        password = "password" in facts.get("msg", "")
        wanted = {
            "ok": "blank_page" if facts.get("blank") else "drawn",
            "huge": "too_many_pixels",
            "fail": "encrypted" if password else "damaged_pdf",
        }
        assert outcome(items[0]) == wanted[facts["status"]], container.id
        assert len(items) == facts.get("pages", 1), container.id
