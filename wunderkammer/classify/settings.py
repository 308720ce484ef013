"""A network on this machine: where its file lies, and what of a recipe reaches its numbers."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from wunderkammer.classify.errors import NetworkFileError, NetworkNotFoundError
from wunderkammer.classify.params import BackboneParams, Triple
from wunderkammer.named_files import weights_places
from wunderkammer.params import digest
from wunderkammer.subject import Subject

# Bump when the same crop, network and settings would give other numbers.
CLASSIFY_VERSION = 1

ONNX = ".onnx"
SAFETENSORS = ".safetensors"
PICKLES = (".pth", ".pt", ".bin")
SUFFIXES = (ONNX, SAFETENSORS, *PICKLES)

Head = Literal["classes", "embedding"]


@dataclass(frozen=True)
class NetworkSettings:
    """All that a crop's numbers depend on, besides the crop.

    `path` is where the network lies; it is its hash that counts. `head` is what is wanted of it:
    the probabilities of its classes, or what its last layer sees.
    """

    path: Path
    sha256: str
    architecture: str | None
    output: str | None
    input_px: int | None
    mean: Triple
    std: Triple
    head: Head

    @classmethod
    def of(
        cls, params: BackboneParams, *, subject: Subject, head: Head, section: str
    ) -> "NetworkSettings":
        """The settings of a section (`filter.classify`, say) of a subject.

        Raises:
            NetworkNotFoundError: there is no such file.
            NetworkFileError: it is of another kind, or not the pinned one.
        """
        path = find_network(params, subject=subject, section=section)
        if path.suffix not in SUFFIXES:
            raise NetworkFileError(
                f"{section}.weights={params.weights!r} ends in {path.suffix!r}, allowed: "
                f"{', '.join(SUFFIXES)}; name the file for what it is"
            )
        is_onnx = path.suffix == ONNX
        if is_onnx and params.architecture is not None:
            raise NetworkFileError(
                f"{section}.architecture={params.architecture!r}, but an ONNX file says itself "
                f"what it is; leave it out"
            )
        if not is_onnx and (params.architecture is None or params.output is not None):
            raise NetworkFileError(
                f"{section}.weights={params.weights!r} holds weights only: "
                f"{section}.architecture must name the network, and {section}.output is for ONNX "
                f"files; see torchvision.models for the names"
            )
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if params.sha256 not in (None, sha256):
            raise NetworkFileError(
                f"{section}.weights={params.weights!r} has the SHA-256 {sha256}, not "
                f"{section}.sha256={params.sha256}; get the file again, or drop the pin"
            )
        own = (params.architecture, params.output, params.input_px, params.mean, params.std)
        return cls(path, sha256, *own, head)

    @property
    def digest(self) -> str:
        """The name of these settings (64 hex digits)."""
        plain = {name: value for name, value in asdict(self).items() if name != "path"}
        return digest({**plain, "version": CLASSIFY_VERSION})


def find_network(params: BackboneParams, *, subject: Subject, section: str) -> Path:
    """The file that a section names.

    Raises:
        NetworkNotFoundError: there is none; it says where it was looked for.
    """
    places = weights_places(params.weights, subject=subject)
    for place in places:
        if place.is_file():
            return place
    looked = " and ".join(str(place) for place in places)
    raise NetworkNotFoundError(
        f"{section}.weights={params.weights!r} of {subject.name!r}: there is no file {looked}; "
        f"get it where its authors offer it (it is never downloaded by itself) and put it to "
        f"{places[-1]}"
    )
