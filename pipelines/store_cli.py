"""The commands that look after the store: what nothing needs goes, what has rotted is found."""

import logging
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from wunderkammer.storage.lease import LeaseError
from wunderkammer.storage.store import open_store

if TYPE_CHECKING:
    from wunderkammer.upkeep.collect import Garbage

GRACE_H = 24.0
HOUR_S = 3600.0
SHOWN = 20
UNITS = ("bytes", "kB", "MB", "GB", "TB")


def gc(
    dry_run: Annotated[bool, typer.Option(help="Only say what would go.")] = False,
    keep: Annotated[
        int, typer.Option(help="Versions of each stage that stay besides the one in force.")
    ] = 1,
    grace_hours: Annotated[
        float, typer.Option(help="What is younger stays, for a run may be about to name it.")
    ] = GRACE_H,
) -> None:
    """Remove versions, given-up trainings and blobs that nothing references. Runs may go on."""
    from wunderkammer.upkeep.collect import collect, find_garbage

    store = open_store()
    try:
        act = find_garbage if dry_run else collect
        garbage = act(store, keep=keep, grace_s=grace_hours * HOUR_S)
    except (LeaseError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    _print(garbage, verb="would go" if dry_run else "removed")


def verify(
    subject: Annotated[
        str | None, typer.Argument(help="All, and every blob, if not given.")
    ] = None,
    mend_: Annotated[
        bool,
        typer.Option("--mend", help="Move what is damaged aside, so that a refresh makes it anew."),
    ] = False,
) -> None:
    """Hash all that the store holds; exit status 1 if anything is damaged, cut short or missing."""
    from wunderkammer.upkeep.mend import mend
    from wunderkammer.upkeep.verify import NothingHeldError
    from wunderkammer.upkeep.verify import verify as verify_store

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    store = open_store()
    try:
        found = verify_store(store, subject=subject)
        left = mend(found.faults, store) if mend_ and found.faults else []
    except (LeaseError, NothingHeldError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    for fault in found.faults:
        whose = "" if fault.holding is None else f" ({fault.holding.stage})"
        typer.echo(f"{fault.kind}: {fault.key}{whose}: {fault.detail}")
    typer.echo(f"{found.num_objects} objects, {len(found.faults)} faults")
    if not found.faults:
        return
    remedies = dict.fromkeys(fault.remedy for fault in found.faults)
    for remedy in remedies:
        if f"{remedy} --rescrape" not in remedies:
            typer.echo(f"  {remedy.rpartition('&& ')[2] if mend_ else remedy}")
    for busy in dict.fromkeys(f.holding.subject for f in left if f.holding is not None):
        typer.echo(f"{busy!r} has a run under way: its faults were left; mend them later", err=True)
    raise typer.Exit(1)


def _print(garbage: "Garbage", *, verb: str) -> None:
    for lot in garbage.lots[:SHOWN]:
        typer.echo(f"{lot.what} {lot.name}: {_amount(lot.num_bytes)}")
    if len(garbage.lots) > SHOWN:
        typer.echo(f"… and {len(garbage.lots) - SHOWN} more")
    counts = Counter({"blob": len(garbage.blobs)}) + Counter(lot.what for lot in garbage.lots)
    what = ", ".join(f"{count} {name}{'s' * (count > 1)}" for name, count in counts.items())
    typer.echo(f"{verb}: {what or 'nothing'}, {_amount(garbage.num_bytes)}")
    for note in garbage.notes:
        typer.echo(note)


def _amount(num_bytes: float) -> str:
    for unit in UNITS:
        if num_bytes < 1000 or unit == UNITS[-1]:
            break
        num_bytes /= 1000
    return f"{num_bytes:.3g} {unit}" if num_bytes % 1 else f"{num_bytes:.0f} {unit}"
