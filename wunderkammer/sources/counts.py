"""What a scrape has brought, counted: by source, licence and outcome, in pictures and bytes."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import JsonValue

from wunderkammer.manifests import KEPT, REJECTED, kept
from wunderkammer.sources.limits import MB

# More would be a list, not a table to look at; a licence is a text of anybody's making.
MAX_ROWS = 24
MAX_NAME_CHARS = 80
OTHERS = "all others"
NO_LICENCE = "no known licence"
SAYS_NOTHING = ("", "unknown")


def new_rows(manifest: pa.Table, previous: pa.Table) -> pa.Table:
    """The kept rows of `manifest` whose content `previous`, the version before it, did not keep."""
    before = previous["sha256"].filter(pc.equal(previous["decision"], KEPT))
    known = pc.is_in(manifest["sha256"], value_set=before.combine_chunks())
    return manifest.filter(pc.and_not(pc.equal(manifest["decision"], KEPT), known))


def scrape_counts(manifest: pa.Table, previous: pa.Table, *, kind: str) -> dict[str, JsonValue]:
    """The measures of a version of `raw_scrape`, for a person and for a curve over time.

    `kind` names the source of rows that name none. The numbers of one version after the other make
    the curves; the tables are of this version.
    """
    rows, new = kept(manifest), new_rows(manifest, previous)
    gone = new_rows(previous, manifest)
    sources = source_counts(manifest, new=new, kind=kind)
    return {
        "new": new.num_rows,
        "gone": gone.num_rows,
        "total_mb": _mb(rows),
        "new_mb": _mb(new),
        "sources": {name: dict(counts) for name, counts in sources.items()},
        "licences": _licences(rows),
        "outcomes": _outcomes(manifest),
        **{f"kept from {name}": counts["kept"] for name, counts in sources.items()},
    }


def named_sources(rows: pa.Table, *, kind: str) -> pa.ChunkedArray:
    """The source of each row."""
    return pc.fill_null(rows["source"], kind)


def told(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts without blanks around them, null where they say nothing."""
    plain = pc.utf8_trim_whitespace(column)
    says_nothing = pc.is_in(pc.utf8_lower(plain), value_set=pa.array(SAYS_NOTHING))
    return pc.if_else(says_nothing, pa.scalar(None, pa.string()), plain)


def licence_counts(rows: pa.Table) -> dict[str, int]:
    """How many rows each licence has, most frequent first."""
    return _folded(_counted(pc.fill_null(told(rows["licence"]), NO_LICENCE)))


def source_counts(
    manifest: pa.Table, *, new: pa.Table, kind: str
) -> dict[str, dict[str, int | float]]:
    """Kept, new and rejected pictures and the megabytes of each source, the largest first."""
    sources = named_sources(manifest, kind=kind)
    is_kept = pc.equal(manifest["decision"], KEPT)
    num_kept = _counted(sources.filter(is_kept))
    num_rejected = _counted(sources.filter(pc.equal(manifest["decision"], REJECTED)))
    num_new = _counted(named_sources(new, kind=kind))
    rows = pa.table({"source": sources, "num_bytes": manifest["num_bytes"]}).filter(is_kept)
    sums = rows.group_by("source").aggregate([("num_bytes", "sum")])
    num_bytes = dict(
        zip(sums["source"].to_pylist(), sums["num_bytes_sum"].to_pylist(), strict=True)
    )
    names = sorted({*num_kept, *num_rejected}, key=lambda name: (-num_kept.get(name, 0), name))
    return {
        name: {
            "kept": num_kept.get(name, 0),
            "new": num_new.get(name, 0),
            "rejected": num_rejected.get(name, 0),
            "mb": round((num_bytes.get(name) or 0) / MB, 3),
        }
        for name in names[:MAX_ROWS]
    }


def _licences(rows: pa.Table) -> dict[str, JsonValue]:
    return dict(licence_counts(rows))


def _outcomes(manifest: pa.Table) -> dict[str, JsonValue]:
    rejected = manifest.filter(pc.equal(manifest["decision"], REJECTED))
    reasons = _folded(_counted(pc.fill_null(rejected["reason"], REJECTED)))
    return {KEPT: kept(manifest).num_rows, **reasons}


def _counted(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each value stands there, the most frequent first."""
    counted = pc.value_counts(column.combine_chunks())
    pairs = ((row["values"], row["counts"]) for row in counted.to_pylist())
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def _folded(counts: Mapping[str, int]) -> dict[str, int]:
    """The first of the counts by name, the rest as one."""
    names = list(counts)
    shown: dict[str, int] = {}
    for name in names[:MAX_ROWS]:
        short = name if len(name) <= MAX_NAME_CHARS else name[: MAX_NAME_CHARS - 1] + "…"
        shown[short] = shown.get(short, 0) + counts[name]
    rest = sum(counts[name] for name in names[MAX_ROWS:])
    return {**shown, OTHERS: rest} if rest else shown


def _mb(rows: pa.Table) -> float:
    return round((pc.sum(rows["num_bytes"]).as_py() or 0) / MB, 3)
