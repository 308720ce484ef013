"""The command that shows what each rule of a subject's filter does."""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from wunderkammer.crops.params import FilterParams
from wunderkammer.scratch import scratch_folder
from wunderkammer.stages import FILTERED_CROPS
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import open_store
from wunderkammer.storage.versions import Versions
from wunderkammer.subject import (
    Subject,
    SubjectError,
    did_you_mean,
    load_subjects,
    subjects_folder,
)


def tune(
    subject: Annotated[str, typer.Argument(help="The subject whose filter is looked at.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Try another value: --set min_cover=0.4. Nothing is changed."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The HTML file to write.")] = None,
) -> None:
    """Show what each rule of the filter removes, and what lies at its border. Renders nothing."""
    from wunderkammer.crops.rules import all_cuts
    from wunderkammer.crops.tune import effects, num_passing, tune_page

    try:
        recipe = load_subjects(subjects_folder())[subject]
        params = _changed(recipe, changes or [])
    except (SubjectError, ValueError, FileNotFoundError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    store = open_store()
    record = Versions(store).current(subject, FILTERED_CROPS.name)
    if record is None:
        remedy = f"run: wunderkammer refresh {subject}"
        typer.echo(f"filtered_crops of {subject!r} was never built; {remedy}", err=True)
        raise typer.Exit(1)
    manifest = Versions(store).manifest(record)
    cuts = all_cuts(params)
    table = Table("rule", "limit", "measured", "removes", "removes alone")
    for effect in effects(manifest, cuts):
        sign = "at least" if effect.cut.at_least is not None else "at most"
        table.add_row(
            f"{effect.cut.reason}: {effect.cut.words}",
            f"{sign} {effect.cut.limit:g}",
            *(str(n) for n in (effect.num_measured, effect.num_removed, effect.num_alone)),
        )
    Console().print(table)
    typer.echo(f"{num_passing(manifest, cuts)} of {manifest.num_rows} candidates pass these rules")
    path = out or scratch_folder(store) / "tune" / f"{subject}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tune_page(manifest, cuts, subject=subject, blobs=Blobs(store)))
    typer.echo(f"  {path}")


def _changed(subject: Subject, changes: list[str]) -> FilterParams:
    """The filter section with some settings changed.

    Raises:
        ValueError: a change is not `name=value`, the section can't be so, or it is no limit of a
            rule alone: the candidates themselves would be others.
    """
    from wunderkammer.crops.rules import all_cuts
    from wunderkammer.crops.tune import MORE_THAN_LIMITS

    before = subject.spec.filter
    section: dict[str, Any] = before.model_dump(mode="json")
    for change in changes:
        name, sign, value = change.partition("=")
        if not sign:
            raise ValueError(f"--set {change!r} is not allowed: write name=value")
        if name not in type(before).model_fields:
            meant = did_you_mean(name, type(before).model_fields)
            raise ValueError(f"--set {change!r} is not allowed: no setting {name!r}{meant}")
        section[name] = yaml.safe_load(value)
    try:
        adapter: TypeAdapter[FilterParams] = TypeAdapter(FilterParams)
        tried = adapter.validate_python(section, strict=False)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        told = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
        raise ValueError(f"--set {where}={first['input']} is not allowed: {told}") from error
    for name in (change.partition("=")[0] for change in changes):
        value = getattr(tried, name)
        alone = before.model_copy(update={name: value})
        is_limit = name not in MORE_THAN_LIMITS and all_cuts(alone) != all_cuts(before)
        if value != getattr(before, name, None) and not is_limit:
            raise ValueError(
                f"--set {name}={value} is not allowed: {name} is no limit of a rule alone, it "
                f"makes other candidates; change the recipe and run: wunderkammer refresh "
                f"{subject.name} (what was found in the pictures is remembered)"
            )
    return tried
