"""The command `wunderkammer`. Dagster is imported only by the commands that run something."""

import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pipelines.checkpoint_cli import export_checkpoint, import_checkpoint
from pipelines.collection_cli import attributions, scrape
from pipelines.detector_cli import check_labels, retrain_detector
from pipelines.export_cli import export
from pipelines.filter_cli import tune
from pipelines.review_cli import review
from pipelines.store_cli import gc, verify
from wunderkammer.gan.evaluation.verdict import memorisation_verdict
from wunderkammer.scratch import scratch_folder
from wunderkammer.stages import STAGES
from wunderkammer.staleness import StepState, assess, steps_to_run
from wunderkammer.storage.store import UnreachableStoreError, open_store
from wunderkammer.storage.versions import Versions
from wunderkammer.subject import SubjectError, SubjectFolder, load_subjects, subjects_folder

app = typer.Typer(
    help="Grow an image collection into a GAN.", no_args_is_help=True, add_completion=False
)
STYLES = {"fresh": "green", "stale": "yellow", "missing": "cyan", "failed": "red"}

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command()
def status(
    subjects: Annotated[list[str] | None, typer.Argument(help="All, if none is named.")] = None,
    as_json: Json = False,
) -> None:
    """Show each asset of each subject: fresh, stale (and why), missing or failed."""
    folder = _load()
    names = subjects or sorted(folder.subjects)
    steps = [step for name in names for step in _assess(folder, name)]
    if as_json:
        typer.echo(json.dumps([asdict(step) for step in steps], indent=1))
    else:
        refused = sorted({Path(p.file).stem for p in folder.problems})
        Console().print(_table(steps, refused=[] if subjects else refused))
    if not subjects:
        _print_problems(folder)


@app.command()
def refresh(
    subjects: Annotated[list[str], typer.Argument(help="The subjects to bring up to date.")],
    dry_run: Annotated[bool, typer.Option(help="Only print what would run, and why.")] = False,
    rescrape: Annotated[bool, typer.Option(help="Ask the source again first.")] = False,
    as_json: Json = False,
) -> None:
    """Bring subjects up to date: run their stale steps, and no other."""
    folder = _load()
    plans = {name: steps_to_run(_assess(folder, name)) for name in subjects}
    if not dry_run:
        for name in subjects:
            plans[name] = _refresh(name, rescrape=rescrape, quiet=as_json)
    if as_json:
        _print_json(plans, is_done=not dry_run)
        return
    for name, steps in plans.items():
        _print_steps(name, steps, is_done=not dry_run)


@app.command()
def plan(
    subject: Annotated[str, typer.Argument(help="The subject whose training is to be planned.")],
    device: Annotated[
        str, typer.Option(envvar="WUNDERKAMMER_DEVICE", help="auto, cpu, cuda or cuda:<index>.")
    ] = "auto",
    as_json: Json = False,
) -> None:
    """Explain how a subject would be trained, how much memory and time it would take. No training.

    The speed is measured for some seconds on the device; all else follows from the recipe.
    """
    from wunderkammer.gan.plan import plan_subject

    try:
        made = plan_subject(_load()[subject], store=open_store(), device=device)
    except (SubjectError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    if as_json:
        typer.echo(json.dumps(asdict(made), indent=1))
        return
    table = Table("setting", "value", "from")
    for choice in made.choices:
        table.add_row(choice.name, choice.value, choice.reason)
    Console().print(table)
    for advice in made.advice:
        typer.echo(f"Advice: {advice}.")


@app.command()
def demo() -> None:
    """Materialize the whole chain for the embedded subject `patchwork`."""
    _refresh("patchwork", rescrape=False, quiet=False)
    _print_finished("patchwork is up to date", "patchwork")
    typer.echo("\nThe Dagster UI: make up, then open http://127.0.0.1:3000")


@app.command()
def up(
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
    tensorboard_port: Annotated[int, typer.Option(help="Port of TensorBoard.")] = 6006,
) -> None:
    """Start the Dagster UI and daemon, and TensorBoard, on this machine's loopback address."""
    from pipelines.serve import serve

    logs = scratch_folder(open_store()) / "tensorboard"
    raise typer.Exit(serve(port=port, tensorboard_port=tensorboard_port, tensorboard_logs=logs))


app.command()(scrape)
app.command()(attributions)
app.command()(tune)
app.command()(review)
app.command()(check_labels)
app.command()(retrain_detector)
app.command()(import_checkpoint)
app.command()(export_checkpoint)
app.command()(gc)
app.command()(verify)
app.command()(export)


def _load() -> SubjectFolder:
    try:
        return load_subjects(subjects_folder())
    except FileNotFoundError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _assess(folder: SubjectFolder, name: str) -> list[StepState]:
    try:
        return assess(folder[name], Versions(open_store()))
    except SubjectError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _refresh(name: str, *, rescrape: bool, quiet: bool) -> list[StepState]:
    from pipelines.instance import open_instance
    from pipelines.refresh import RefreshError
    from pipelines.refresh import refresh as run_stale

    def say(line: str) -> None:
        typer.echo(line, err=quiet)

    try:
        with open_instance() as instance:
            return run_stale(instance, name, rescrape=rescrape, say=say)
    except (RefreshError, SubjectError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _print_json(plans: dict[str, list[StepState]], *, is_done: bool) -> None:
    plain: list[dict[str, Any]] = []
    for name, steps in plans.items():
        ran = [{"asset": step.asset, "cause": step.cause} for step in steps]
        plain.append({"subject": name, "steps": ran})
        if is_done:
            plain[-1]["memorisation"] = _verdict(name)
            plain[-1]["places"] = {what: str(where) for what, where in _places(name)}
    typer.echo(json.dumps(plain[0] if len(plain) == 1 else plain, indent=1))


def _print_steps(name: str, steps: list[StepState], *, is_done: bool) -> None:
    nothing = "" if steps else f", nothing {'was' if is_done else 'would be'} run"
    if is_done:
        _print_finished(f"{name} is up to date{nothing}", name)
    elif nothing:
        typer.echo(f"{name} is up to date{nothing}")
    else:
        for step in steps:
            typer.echo(f"{name}: {step.asset} ({step.cause})")


def _print_finished(title: str, name: str) -> None:
    typer.echo(f"\n{title}. Look at:")
    for what, where in _places(name):
        typer.echo(f"  {what:<18}{where}")
    typer.echo(f"Memorisation: {_verdict(name)}")


def _verdict(name: str) -> str:
    return memorisation_verdict(_load()[name], open_store())[1]


def _print_problems(folder: SubjectFolder) -> None:
    for problem in folder.problems:
        typer.echo(str(problem), err=True)


def _table(steps: list[StepState], *, refused: list[str]) -> Table:
    table = Table("subject", "asset", "state", "cause")
    for step in steps:
        first = step.asset == STAGES[0].name
        state = f"[{STYLES[step.state]}]{step.state}[/]"
        table.add_row(step.subject if first else "", step.asset, state, step.cause)
    for name in refused:
        table.add_row(name, "", "[red]refused[/]", "its file is wrong, see below")
    return table


def _places(name: str) -> list[tuple[str, Path | str]]:
    """The files of a finished subject that a person wants to see."""
    store = open_store()
    versions = Versions(store)
    wanted = {
        "the film": ("interpolation_video", "film.mp4"),
        "its poster": ("interpolation_video", "poster.jpg"),
        "its credits": ("interpolation_video", "attributions.md"),
        "the checkpoint": ("trained_checkpoint", "checkpoint.safetensors"),
        "the sample grid": ("trained_checkpoint", "grid.jpg"),
        "the loss": ("trained_checkpoint", "loss.png"),
        "nearest pictures": ("evaluation", "memorisation.jpg"),
        "its course": ("evaluation", "course.png"),
        "crops kept": ("filtered_crops", "kept.jpg"),
        "crops refused": ("filtered_crops", "rejected.jpg"),
        "the training set": ("deduped_shards", "kept.jpg"),
        "its duplicates": ("deduped_shards", "rejected.jpg"),
    }
    found: list[tuple[str, Path | str]] = []
    for what, (stage, file) in wanted.items():
        record = versions.current(name, stage)
        if record is not None and file in record.files:
            key = versions.key(record, file)
            found.append((what, store.path(key) or store.address(key)))
    return found


def main() -> None:
    """The command `wunderkammer`. A store that can't be reached is told in a line."""
    # In the background of a script SIGINT is ignored; Dagster, which takes SIGTERM for the same,
    # would then ignore both.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app()
    except UnreachableStoreError as error:
        sys.exit(
            f"the store {open_store().location} can't be used: {str(error).splitlines()[0][:300]}; "
            f"check WUNDERKAMMER_DATA and the credentials, region and endpoint of its provider "
            f"(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL for s3://)"
        )


if __name__ == "__main__":
    main()
