"""What the commands have in common: a recipe by its name, and how a refusal ends."""

import typer

from wunderkammer.subject import Subject, SubjectError, load_subjects, subjects_folder


def recipe_of(name: str) -> Subject:
    """The subject called `name`; the command ends with 2 if there is none, or its file is bad."""
    try:
        return load_subjects(subjects_folder())[name]
    except (SubjectError, FileNotFoundError) as error:
        raise failed(str(error), code=2) from error


def failed(message: str, *, code: int = 1) -> typer.Exit:
    """Say why on standard error; raise what this returns."""
    typer.echo(message, err=True)
    return typer.Exit(code)
