"""What all stage assets share: their place in the graph, and how a build becomes a result."""

import base64
from collections.abc import Callable, Mapping
from mimetypes import guess_type
from typing import Any

import dagster as dg

from assets.recipe import section_key
from pipelines.automation import SYNC
from pipelines.partitions import SUBJECTS
from resources.subjects import SubjectFiles
from resources.warehouse import Warehouse
from wunderkammer.build import Builder, Built, build_stage
from wunderkammer.review.journal import has_decisions
from wunderkammer.stages import Stage, chain
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import MANIFEST, Record, Versions

OWNERS = ["team:wunderkammer"]
PICTURES = (".jpg", ".png")
MAX_PICTURE_BYTES = 200_000
# The data version of a stage that a recipe does not ask for.
ABSENT = "none"


class Rebuild(dg.Config):
    """Launchpad settings of every stage."""

    force: bool = False


Compute = Callable[..., dg.MaterializeResult[None]]


def stage_asset(
    stage: Stage, *, group: str, kinds: set[str], pool: str | None = None
) -> Callable[[Compute], dg.AssetsDefinition]:
    """`@dg.asset` with what follows from the stage: dependencies, code version, automation."""
    sections = [section_key(name) for name in (*stage.sections, *stage.externals)]
    return dg.asset(
        name=stage.name,
        deps=[*sections, *(dg.AssetKey(name) for name in stage.upstreams)],
        code_version=stage.code_version,
        partitions_def=SUBJECTS,
        automation_condition=SYNC,
        owners=OWNERS,
        group_name=group,
        kinds=kinds,
        pool=pool,
    )


def materialize_stage(
    context: dg.AssetExecutionContext,
    stage: Stage,
    builder: Builder,
    *,
    subject_files: SubjectFiles,
    warehouse: Warehouse,
    force: bool,
    links: Mapping[str, str] | None = None,
) -> dg.MaterializeResult[None]:
    """Build the stage of this partition's subject, unless it is built, and show it.

    Of a stage that the recipe does not ask for there is nothing, whatever it would read.
    """
    subject = subject_files.load()[context.partition_key]
    store = warehouse.open()
    if stage not in chain(subject.spec, has_decisions=has_decisions(store, subject.name)):
        context.log.info("the recipe of %s asks for no %s", subject.name, stage.name)
        return dg.MaterializeResult(data_version=dg.DataVersion(ABSENT))
    built = build_stage(stage, subject, store=store, builder=builder, force=force)
    if built.was_fresh:
        context.log.info("%s of %s is up to date, nothing was run", stage.name, subject.name)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(built.record.data_version),
        metadata={
            **_metadata(built, store),
            **{name: dg.MetadataValue.url(url) for name, url in (links or {}).items()},
        },
    )


def is_asked_for_alone(context: dg.AssetExecutionContext) -> bool:
    """Whether a person or a schedule asked for this asset and no other.

    The automation asks for single assets too, but only to bring them up to date.
    """
    run = context.run
    is_automated = run.tags.get("dagster/from_automation_condition") == "true"
    is_alone = run.job_name == "rescrape" or run.asset_selection == {context.asset_key}
    return is_alone and not is_automated


def picture(content: bytes, name: str) -> dg.MetadataValue[str]:
    """A small picture file, as Markdown that the Dagster UI shows in place."""
    encoded = base64.b64encode(content).decode()
    return dg.MetadataValue.md(f"![{name}](data:{guess_type(name)[0]};base64,{encoded})")


def _metadata(built: Built, store: Store) -> Mapping[str, Any]:
    record = built.record
    summary = record.summary
    metadata: dict[str, Any] = {
        "cache": "hit" if built.was_fresh else "miss",
        "num_in": summary.num_in,
        "num_out": summary.num_out,
        "num_rejected": sum(summary.rejections.values()),
    }
    if summary.rejections:
        metadata["rejections"] = _table(summary.rejections, "reason")
    metadata |= _pictures(record, Versions(store))
    metadata |= {f"measure/{name}": _shown(value) for name, value in summary.measures.items()}
    metadata |= {f"seconds/{name}": value for name, value in summary.timings_s.items()}
    metadata |= _places(record, store)
    return metadata


def _shown(value: Any) -> Any:
    """A table for numbers by name, or for such by name again; anything else as it is."""
    if not isinstance(value, Mapping) or not value:
        return value
    inner = list(value.values())
    is_flat = all(isinstance(one, int | float) for one in inner)
    is_nested = all(isinstance(one, Mapping) for one in inner)
    return _table(value, "name") if is_flat or is_nested else value


def _table(counts: Mapping[str, Any], name: str) -> dg.MetadataValue[Any]:
    """A row a key; a column `count`, or one for each of the keys below."""
    rows = [
        {name: key, **(value if isinstance(value, Mapping) else {"count": value})}
        for key, value in counts.items()
    ]
    kinds = {column: _kind(value) for row in rows for column, value in row.items()}
    columns = [dg.TableColumn(column, kind) for column, kind in kinds.items()]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows], dg.TableSchema(columns))


def _kind(value: Any) -> str:
    return {int: "int", float: "float"}.get(type(value), "string")


def _pictures(record: Record, versions: Versions) -> dict[str, dg.MetadataValue[str]]:
    names = [name for name in record.files if name.endswith(PICTURES)]
    contents = {name: versions.read(record, name) for name in names}
    return {
        f"picture/{name.rpartition('.')[0]}": picture(content, name)
        for name, content in contents.items()
        if len(content) <= MAX_PICTURE_BYTES
    }


def _places(record: Record, store: Store) -> dict[str, dg.MetadataValue[str]]:
    shown = [name for name in record.files if name == MANIFEST or name.endswith((".mp4", ".md"))]
    key = Versions(store).key
    return {
        f"file/{name}": dg.MetadataValue.path(store.address(key(record, name))) for name in shown
    }
