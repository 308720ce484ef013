"""The command that serves the review page. The library behind it is imported when it runs."""

import getpass
from typing import Annotated

import typer

from wunderkammer.storage.store import MissingObjectError, open_store
from wunderkammer.subject import SubjectError, load_subjects, subjects_folder


def review(
    subject: Annotated[str, typer.Argument(help="The subject whose crops are to be looked at.")],
    reviewer: Annotated[
        str | None, typer.Option(help="Your name beside your decisions; the login's by default.")
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the page; any that is free by default.")
    ] = 0,
) -> None:
    """Accept, reject and correct a subject's crops in a browser, on this machine's loopback."""
    from wunderkammer.crops.centre import size_cut
    from wunderkammer.review.crop_table import NothingToReviewError
    from wunderkammer.review.serve import PortError, serve_review
    from wunderkammer.review.session import Session

    try:
        recipe = load_subjects(subjects_folder())[subject]
    except (SubjectError, FileNotFoundError) as error:
        raise _failed(str(error), code=2) from error
    store = open_store()
    session = Session(
        store,
        subject,
        params=recipe.spec.review,
        min_side_px=round(size_cut(recipe.spec.filter).limit),
        reviewer=reviewer or getpass.getuser(),
    )
    try:
        session.deck()
    except (NothingToReviewError, MissingObjectError) as error:
        raise _failed(str(error)) from error
    except OSError as error:
        raise _failed(f"the crops of {subject!r} can't be read: {error}") from error
    try:
        serve_review(session, store, port=port, say=typer.echo)
    except PortError as error:
        raise _failed(str(error)) from error


def _failed(message: str, *, code: int = 1) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(code)
