"""The commands about a subject's own detector. What they need is imported when one runs."""

from typing import Annotated

import typer

from wunderkammer.storage.store import open_store
from wunderkammer.storage.versions import Versions
from wunderkammer.subject import Subject, SubjectError, load_subjects, subjects_folder

Name = Annotated[str, typer.Argument(help="The subject whose detector it is.")]


def check_labels(subject: Name) -> None:
    """Report how consistent a subject's labels are, without training on them."""
    from wunderkammer.detect.training.subject_labels import (
        REPORT_FILES,
        report_key,
        subject_labels,
    )
    from wunderkammer.detect.training.subject_labels import check_labels as check
    from wunderkammer.labels.table import LabelsError

    recipe, store = _recipe(subject), open_store()
    try:
        found = subject_labels(recipe, store)
        typer.echo(found.files[REPORT_FILES[0]].decode())
        for name in REPORT_FILES:
            typer.echo(store.address(report_key(subject, name)))
        check(found, recipe, store)
    except (LabelsError, FileNotFoundError) as error:
        raise _failed(str(error)) from error


def retrain_detector(subject: Name) -> None:
    """Train a subject's detector anew, on the labels as they are now, and crop with it.

    The next `wunderkammer review` shows first what the new detector is least sure of.
    """
    from pipelines.instance import open_instance
    from pipelines.refresh import RefreshError, retrain

    _recipe(subject)
    try:
        with open_instance() as instance:
            ran = retrain(instance, subject, say=typer.echo)
    except (RefreshError, SubjectError) as error:
        raise _failed(str(error)) from error
    record = Versions(open_store()).current(subject, ran[0].asset)
    assert record is not None
    measures = record.summary.measures
    typer.echo(
        f"\nmAP50 {measures['mAP50']}, mAP50-95 {measures['mAP50-95']} on "
        f"{measures['pictures_held_out']} pictures held out\n"
        f"Look at what it finds: wunderkammer review {subject}"
    )


def _recipe(name: str) -> Subject:
    """The subject, which trains a detector."""
    try:
        recipe = load_subjects(subjects_folder())[name]
    except (SubjectError, FileNotFoundError) as error:
        raise _failed(str(error), code=2) from error
    if recipe.spec.detector.kind == "none":
        raise _failed(
            f"{name!r} trains no detector; give {name}.yaml a section `detector` of the kind "
            f"'yolo', with labels",
            code=2,
        )
    return recipe


def _failed(message: str, *, code: int = 1) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(code)
