"""The commands that take checkpoints in and give them out. Torch is imported when one runs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from wunderkammer.storage.store import MissingObjectError, open_store
from wunderkammer.storage.versions import Versions
from wunderkammer.subject import SubjectError, load_subjects, subjects_folder


class Format(StrEnum):
    """What a checkpoint can be given out as."""

    SAFETENSORS = "safetensors"
    ONNX = "onnx"
    NVLABS_PICKLE = "nvlabs-pickle"


def import_checkpoint(
    file: Annotated[Path, typer.Argument(help="A pickle of NVlabs StyleGAN2-ADA-PyTorch.")],
    out: Annotated[Path | None, typer.Option(help="FILE.safetensors, if not given.")] = None,
    sha256: Annotated[str | None, typer.Option(help="What FILE has to hash to.")] = None,
    generator_only: Annotated[bool, typer.Option(help="Leave the discriminator out.")] = False,
) -> None:
    """Read a checkpoint of elsewhere, running nothing in it, and write it as safetensors."""
    from wunderkammer.gan.interop.errors import CheckpointFileError
    from wunderkammer.gan.interop.nvlabs import convert
    from wunderkammer.gan.interop.pickle_reader import read_nvlabs_pickle
    from wunderkammer.gan.interop.portable import check_target, write_portable

    target = out or file.with_suffix(".safetensors")
    try:
        check_target(target)
        pickle = read_nvlabs_pickle(file, sha256=sha256)
        portable = convert(pickle, generator_only=generator_only)
        written = write_portable(target, portable)
    except CheckpointFileError as error:
        raise _failed(str(error)) from error
    except OSError as error:
        remedy = "name a pickle that is there and may be read"
        raise _failed(f"{file} can't be read: {error.strerror}; {remedy}") from error
    networks = portable.networks
    typer.echo(
        f"{target}: {networks.kind}, {networks.resolution_px} px, channels: {networks.channels}, "
        f"labels: {networks.num_labels}\nTo train on from it:\n"
        f"  train:\n    start: {{kind: file, path: {target}, sha256: {written}}}"
    )


def export_checkpoint(
    subject: Annotated[str, typer.Argument(help="The subject whose finished checkpoint it is.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    kind: Annotated[Format, typer.Option("--format", help="For whom.")] = Format.SAFETENSORS,
    psi: Annotated[
        float | None, typer.Option(help="Fix the truncation of an ONNX file, e.g. 0.7.")
    ] = None,
) -> None:
    """Write a subject's finished checkpoint as safetensors, ONNX or a pickle for NVlabs' tools."""
    from wunderkammer.gan.interop.finished import NoCheckpointError, export, finished_checkpoint

    try:
        portable = finished_checkpoint(Versions(open_store()), subject)
        export(portable, out, kind=kind.value, truncation_psi=psi)
    except NoCheckpointError as error:
        raise _failed(_why_not_trained(subject) or str(error)) from error
    except (MissingObjectError, ValueError, OSError) as error:
        raise _failed(str(error)) from error
    typer.echo(f"{out}: {kind.value} of {subject}, {portable.provenance['num_images']} images")


def _failed(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(1)


def _why_not_trained(subject: str) -> str | None:
    """What is wrong with the subject's file, so that no refresh could train it; None if nothing."""
    try:
        load_subjects(subjects_folder())[subject]
    except (SubjectError, FileNotFoundError) as error:
        return f"{subject!r} has no finished checkpoint, and can't be trained as it is:\n{error}"
    return None
