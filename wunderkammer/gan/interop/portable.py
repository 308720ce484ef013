"""One file for the networks of a checkpoint, to give away and to start from (docs/checkpoints.md).

A `.safetensors` file with the tensors `average.*`, and where present `generator.*` and
`discriminator.*`, named as in their state dicts; its metadata has one key, `wunderkammer`, with
JSON: `format`, `networks` (`NetworkParams`) and `provenance`.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from wunderkammer.gan.checkpoints.published import below
from wunderkammer.gan.interop.errors import PortableFileError, UnwritableFileError
from wunderkammer.gan.networks.build import build_networks
from wunderkammer.gan.networks.params import NetworkParams
from wunderkammer.params import Params

KEY = "wunderkammer"
FORMAT = 1
PREFIXES = ("average", "generator", "discriminator")


class Header(Params):
    """The JSON under the key `wunderkammer`."""

    format: int
    networks: NetworkParams
    provenance: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Portable:
    """Networks of a checkpoint: `average.*`, and where present `generator.*`, `discriminator.*`.

    `provenance` says where they came from, for people. `sha256` is the file's (hex), empty for
    what was never a file.
    """

    networks: NetworkParams
    tensors: Mapping[str, Tensor]
    provenance: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""

    def network(self, prefix: str) -> dict[str, Tensor]:
        """The state dict of one network; empty if it is not there."""
        return below(self.tensors, f"{prefix}.")


def expected_tensors(params: NetworkParams, prefix: str) -> dict[str, Tensor]:
    """The state dict that the network under `prefix` has to have; tensors have no content."""
    with torch.device("meta"):
        generator, discriminator = build_networks(params)
    return (discriminator if prefix == "discriminator" else generator).state_dict()


def check_portable(portable: Portable) -> None:
    """That every tensor is there, of its shape, and no other.

    Raises:
        PortableFileError: it is not so.
    """
    present = {name.split(".", 1)[0] for name in portable.tensors}
    unknown = present - set(PREFIXES)
    if unknown or "average" not in present:
        raise PortableFileError(
            f"has tensors of {sorted(present)}; 'average' is needed, 'generator' and "
            f"'discriminator' may be there"
        )
    for prefix in sorted(present):
        found = {name: tuple(t.shape) for name, t in portable.network(prefix).items()}
        expected = expected_tensors(portable.networks, prefix)
        wanted = {name: tuple(t.shape) for name, t in expected.items()}
        for name in sorted(found.keys() | wanted.keys()):
            if found.get(name) != wanted.get(name):
                raise PortableFileError(
                    f"{prefix}.{name} has shape {found.get(name)}, expected {wanted.get(name)} "
                    f"(None: absent)"
                )


def write_portable(path: Path, portable: Portable) -> str:
    """Write the file at `path`, whole or not at all. Returns its SHA-256 (hex).

    Raises:
        PortableFileError: the tensors are not those of the networks.
    """
    check_portable(portable)
    header = Header(format=FORMAT, networks=portable.networks, provenance=dict(portable.provenance))
    tensors = {name: t.detach().cpu().contiguous() for name, t in portable.tensors.items()}
    content = save(tensors, metadata={KEY: header.model_dump_json()})
    write_whole(path, content)
    return hashlib.sha256(content).hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that others see nothing, or all of it.

    Raises:
        UnwritableFileError: there is no room, no right or no folder to.
    """
    check_target(path)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UnwritableFileError(
            f"{path} can't be written: {error.strerror} ({len(content):,} bytes); "
            f"mend that, or name another place"
        ) from error


def check_target(path: Path) -> None:
    """That a file can be named so, before it is worked for.

    Raises:
        UnwritableFileError: its folder is not there, or it is a folder itself.
    """
    if path.is_dir():
        raise UnwritableFileError(f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise UnwritableFileError(
            f"{path} can't be written: there is no folder {path.parent}; make it, or name another"
        )


def read_portable(path: Path, *, sha256: str | None = None) -> Portable:
    """The networks in the file at `path`.

    Args:
        sha256: what the file has to hash to (hex); None takes any.

    Raises:
        PortableFileError: it is damaged, of another kind or format, or has another hash.
        FileNotFoundError: there is none.
    """
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise PortableFileError(f"{path} hashes to {found}, not to {sha256}; get it again")
    try:
        header = Header.model_validate_json(_metadata(content))
        if header.format != FORMAT:
            raise PortableFileError(
                f"format {header.format}; this version reads format {FORMAT}: update it"
            )
        portable = Portable(header.networks, load(content), header.provenance, found)
        check_portable(portable)
    except (SafetensorError, ValidationError, PortableFileError) as error:
        raise PortableFileError(f"{path}: {error}") from error
    return portable


def _metadata(content: bytes) -> str:
    """The text under our key: 8 bytes of length, then JSON with `__metadata__`."""
    try:
        (length,) = struct.unpack_from("<Q", content)
        described: dict[str, Any] = json.loads(content[8 : 8 + length])
        text = described["__metadata__"][KEY]
    except (struct.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise PortableFileError(
            f"not a portable checkpoint: no key {KEY!r} in its metadata; `wunderkammer "
            f"import-checkpoint` makes one from an NVlabs pickle"
        ) from error
    if not isinstance(text, str):
        raise PortableFileError(f"not a portable checkpoint: {KEY!r} is not text")
    return text
