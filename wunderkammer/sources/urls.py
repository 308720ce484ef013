"""A list of URLs: what was fetched once is never fetched again, what failed is tried anew."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from wunderkammer.sources.item import SourceError, printable
from wunderkammer.sources.listing import Listing, Page, Position, Record
from wunderkammer.sources.params import UrlsParams
from wunderkammer.storage.tables import values

COLUMNS = (
    "url",
    "landing_page",
    "author",
    "licence",
    "licence_url",
    "title",
    "label",
    "group",
)
SPELLINGS = {"license": "licence", "license_url": "licence_url"}
USER_INFO = re.compile(r"^([^/\\?#]*[/\\]{2})[^/\\?#]*@")


class Urls(Listing):
    """The URLs of a CSV or Parquet file, in its order.

    The id is the URL. Refused at once: an empty one ("no_url"), one given before
    ("duplicate_url"), one with a user name or password ("user_info_in_url", taken out of the id).
    """

    lists_all = True
    obeys_robots = True

    def __init__(self, params: UrlsParams, *, path: Path) -> None:
        self.params = params
        self.path = path

    async def pages(self, start: Position, *, known: Callable[[str], bool]) -> AsyncIterator[Page]:
        """One page with every row.

        Raises:
            SourceError: the list can't be read, has no column `url`, or no row.
        """
        records = tuple(_listed(self._rows()))
        yield Page(records=records, position={}, is_last=True, total=len(records))

    def _rows(self) -> Iterator[dict[str, Any]]:
        where = f"scrape.path={self.params.path!r}: {str(self.path)!r}"
        if not self.path.is_file():
            raise SourceError(f"{where} is not a file; correct the path, or mount the disk")
        try:
            table = _read(self.path)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{where} is no readable CSV or Parquet file: {error}") from error
        if "url" not in table.column_names:
            names = ", ".join(table.column_names)
            raise SourceError(f"{where} has no column 'url' (its columns: {names}); rename one")
        if table.num_rows == 0:
            raise SourceError(f"{where} lists no URL; add rows below the header")
        columns = {n: values(table[n]) for n in COLUMNS if n in table.column_names}
        for row in zip(*columns.values(), strict=True):
            yield dict(zip(columns, row, strict=True))


def _read(path: Path) -> pa.Table:
    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    if is_parquet:
        table = pq.read_table(path)
    else:
        names = [*COLUMNS, *SPELLINGS]
        table = pacsv.read_csv(
            path,
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types={
                    spelt: pa.string() for n in names for spelt in (n, n.upper(), n.capitalize())
                },
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
    known: dict[str, pa.ChunkedArray] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        plain = name.strip().lower()
        known.setdefault(SPELLINGS.get(plain, plain), column)
    wanted = {
        n: column.cast(pa.string()) if n in COLUMNS else column for n, column in known.items()
    }
    return pa.table(wanted)


def _listed(rows: Iterator[dict[str, Any]]) -> Iterator[Record]:
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        text = (row.pop("url") or "").strip()
        url = USER_INFO.sub(r"\1", text)
        name = printable(url) or f"\\row {number}"
        count = seen[name] = seen.get(name, 0) + 1
        refused = None
        if not text:
            refused = "no_url", f"row {number}"
        elif url != text:
            refused = "user_info_in_url", "a user name or password in a URL is not sent"
        elif count > 1:
            refused = "duplicate_url", f"row {number}"
        id_ = name if count == 1 else f"{name}\\#{count}"
        yield Record(**row, url=url, id=id_, refused=refused)
