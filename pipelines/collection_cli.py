"""The commands about a subject's pictures: fetch them, look at a source first, credit them."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.answers import failed, recipe_of
from wunderkammer.scratch import scratch_folder
from wunderkammer.storage.store import open_store
from wunderkammer.storage.versions import Versions
from wunderkammer.subject import Subject, SubjectError


class Collection(StrEnum):
    """Whose pictures are credited."""

    RAW_SCRAPE = "raw_scrape"
    DEDUPED_SHARDS = "deduped_shards"


def scrape(
    subject: Annotated[str, typer.Argument(help="The subject whose source is to be asked.")],
    preview: Annotated[
        int | None,
        # A contact sheet shows no more.
        typer.Option(min=1, max=48, help="Show so many pictures, and keep nothing of them."),
    ] = None,
) -> None:
    """Ask a subject's source for new pictures, or look at what it would give."""
    from wunderkammer.sources.item import SourceError
    from wunderkammer.sources.preview import check_ready

    recipe = recipe_of(subject)
    try:
        check_ready(recipe)
    except (SourceError, ValueError) as error:
        raise failed(f"{subject}: {error}", code=2) from error
    if preview is None:
        _scrape(subject)
    else:
        _preview(recipe, num_images=preview)


def attributions(
    subject: Annotated[str, typer.Argument(help="The subject whose pictures are credited.")],
    out: Annotated[
        Path | None,
        typer.Option(help="The folder to write to; SUBJECT-attributions, if not given."),
    ] = None,
    stage: Annotated[
        Collection, typer.Option(help="All pictures kept, or those in the training set.")
    ] = Collection.RAW_SCRAPE,
) -> None:
    """Write who made a subject's pictures and under which licence, as Markdown and CSV."""
    from wunderkammer.attribution import credits_of, tally, write_credits

    versions = Versions(open_store())
    record = versions.current(subject, stage.value)
    if record is None:
        recipe_of(subject)
        raise failed(
            f"{stage.value} of {subject!r} was never built; run: wunderkammer refresh {subject}"
        )
    credit_rows = credits_of(versions, record)
    folder = out or Path(f"{subject}-attributions")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = write_credits(credit_rows, subject=subject, stage=stage.value, folder=folder)
    except OSError as error:
        remedy = "name a folder that you may write to with --out"
        raise failed(f"{folder} can't be written: {error.strerror}; {remedy}") from error
    typer.echo(f"{subject}: {tally(credit_rows)}")
    for path in written.values():
        typer.echo(f"  {path}")


def _scrape(name: str) -> None:
    from pipelines.instance import open_instance
    from pipelines.refresh import RefreshError, rescrape

    try:
        with open_instance() as instance:
            rescrape(instance, name)
    except (RefreshError, SubjectError) as error:
        raise failed(str(error)) from error
    record = Versions(open_store()).current(name, Collection.RAW_SCRAPE.value)
    assert record is not None
    summary = record.summary
    typer.echo(
        f"{name}: {summary.num_out} pictures kept, {summary.measures.get('new', 0)} of them new, "
        f"{sum(summary.rejections.values())} refused. What follows from them: "
        f"wunderkammer refresh {name}"
    )


def _preview(recipe: Subject, *, num_images: int) -> None:
    from wunderkammer.sources.item import SourceError
    from wunderkammer.sources.preview import preview_source

    scratch = scratch_folder(open_store()) / "previews"
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        found = preview_source(recipe, num_images=num_images, scratch=scratch)
    except SourceError as error:
        raise failed(str(error)) from error
    sheet = scratch / f"{recipe.name}.jpg"
    sheet.write_bytes(found.sheet)
    console = Console()
    for title, columns, rows in found.tables:
        table = Table(*columns, title=title, title_justify="left")
        for row in rows:
            # What strangers wrote is no markup of ours.
            table.add_row(*(Text(cell) for cell in row))
        console.print(table)
    typer.echo(f"{found.headline}\nNothing of it was kept. Look at: {sheet}")
