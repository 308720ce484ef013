"""The command that writes a subject's training set for other tools."""

import logging
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.answers import failed, recipe_of
from wunderkammer.stages import DEDUPED_SHARDS
from wunderkammer.storage.store import Store, open_store
from wunderkammer.storage.versions import Record, Versions

if TYPE_CHECKING:
    from wunderkammer.export.collection import Collection


class ExportFormat(StrEnum):
    """What a training set can be written as."""

    NVLABS_ZIP = "nvlabs-zip"
    WEBDATASET = "webdataset"
    IMAGEFOLDER = "imagefolder"
    HDF5 = "hdf5"
    TFRECORDS = "tfrecords"


class Split(StrEnum):
    """Which of its pictures."""

    ALL = "all"
    TRAIN = "train"
    HELD_OUT = "held-out"


Kind = Annotated[
    ExportFormat,
    typer.Option(
        "--format",
        help="nvlabs-zip for NVlabs' trainers; webdataset: tar files; imagefolder: a folder a "
        "label; hdf5 and tfrecords: every side from 4 px up.",
    ),
]
Out = Annotated[Path | None, typer.Option(help="The new folder; SUBJECT-FORMAT, if not given.")]
Resolution = Annotated[
    int | None,
    typer.Option(metavar="PX", help="A smaller side, a power of two, by means of areas."),
]
WhichSplit = Annotated[
    Split, typer.Option(help="All pictures, or one side of the recipe's train.held_out.")
]
Labelled = Annotated[bool, typer.Option("--labelled", help="Leave out pictures without a label.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an earlier export.")]


def export(
    subject: Annotated[str, typer.Argument(help="The subject whose training set it is.")],
    kind: Kind,
    out: Out = None,
    resolution: Resolution = None,
    split: WhichSplit = Split.ALL,
    labelled: Labelled = False,
    force: Force = False,
) -> None:
    """Write a subject's training set for other tools, with its labels and credits."""
    from wunderkammer.export.collection import ExportError, choose
    from wunderkammer.export.write import check_target, write_export
    from wunderkammer.shards.read import ShardError

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    store = open_store()
    record = _record(store, subject)
    train = None if split is Split.ALL else recipe_of(subject).spec.train
    target = out or Path(f"{subject}-{kind.value}")
    try:
        check_target(target, replace=force)
        collection = choose(
            store,
            record,
            resolution_px=resolution,
            side=split.value,
            labelled=labelled,
            held_out=0.0 if train is None else train.held_out,
            seed=0 if train is None else train.seed,
        )
        write_export(collection, kind=kind.value, target=target, replace=force)
    except (ExportError, ShardError) as error:
        raise failed(str(error)) from error
    _tell(collection, target)


def _record(store: Store, subject: str) -> Record:
    record = Versions(store).current(subject, DEDUPED_SHARDS.name)
    if record is None:
        recipe_of(subject)
        raise failed(
            f"{DEDUPED_SHARDS.name} of {subject!r} was never built; run: wunderkammer refresh "
            f"{subject}"
        )
    return record


def _tell(collection: "Collection", target: Path) -> None:
    typer.echo(
        f"{target}: {collection.num_images} pictures of {collection.subject} at "
        f"{collection.resolution_px} px"
    )
    if 0 < collection.num_unlabelled < collection.num_images:
        typer.echo(
            f"{collection.num_unlabelled} of them have no label, so labels have no numbers, only "
            f"names; to leave these pictures out: --labelled"
        )
