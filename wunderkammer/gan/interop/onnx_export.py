"""The generator as an ONNX file, to draw with onnxruntime, in a browser or on a phone.

Inputs: `z` [num, Z] float32 from N(0, 1); `labels` [num, L] float32, one-hot, where it was trained
with labels; `truncation_psi`, a float32 scalar, unless it was fixed at export and where the
network has a w. Output: `images` [num, C, H, W] float32, about [-1, 1]. The noise is the constant
one. Any `num` will do. The metadata has the shapes of the network under `wunderkammer`.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wunderkammer.gan.interop.portable import FORMAT, KEY, Header, write_whole
from wunderkammer.gan.networks.interface import GeneratorNetwork, PlainMapping

OPSET = 20


class _Drawing(nn.Module):
    """What the graph computes. A psi of None is an input of the graph, the last one."""

    def __init__(self, generator: GeneratorNetwork, *, truncation_psi: float | None) -> None:
        super().__init__()
        self.generator = generator
        self.truncation_psi = truncation_psi

    def forward(self, *inputs: Tensor) -> Tensor:
        z_NZ, labels_NL = inputs[0], inputs[1] if self.generator.num_labels else None
        mapping = self.generator.mapping
        if self.truncation_psi is None:
            w, average = mapping(z_NZ, labels_NL), mapping.average
            assert isinstance(average, Tensor)
            w = average + inputs[-1] * (w - average)
        else:
            w = mapping(z_NZ, labels_NL, truncation_psi=self.truncation_psi)
        images_NCHW: Tensor = self.generator.synthesis(w, noise_mode="const", draws=None)
        return images_NCHW


@torch.no_grad()
def write_onnx(
    path: Path, generator: GeneratorNetwork, *, truncation_psi: float | None = None
) -> None:
    """Write `generator` at `path`, whole or not at all.

    Args:
        generator: on the CPU, in float32; it is put in eval mode.
        truncation_psi: fixes the truncation; None makes it an input. A network without a w has
            none, whichever is given.

    Raises:
        ValueError: a truncation is asked of a network that has no w, or the network can't be
            traced for any number of images.
    """
    if truncation_psi is None and isinstance(generator.mapping, PlainMapping):
        truncation_psi = 1.0
    drawing = _Drawing(generator, truncation_psi=truncation_psi).eval()
    inputs = {"z": torch.zeros(2, generator.z_dim)}
    sizes: list[dict[int, Any] | None] = [{0: torch.export.Dim("num")}]
    if generator.num_labels:
        inputs["labels"] = torch.eye(generator.num_labels)[[0, 0]]
        sizes.append({0: torch.export.Dim.AUTO})
    if truncation_psi is None:
        inputs["truncation_psi"] = torch.ones(())
        sizes.append(None)
    # Tracing must find the constants that the first drawing makes.
    drawing(*inputs.values())
    program = torch.onnx.export(
        drawing,
        tuple(inputs.values()),
        dynamo=True,
        verbose=False,
        opset_version=OPSET,
        input_names=list(inputs),
        output_names=["images"],
        dynamic_shapes={"inputs": tuple(sizes)},
    )
    assert program is not None
    num = program.model.graph.inputs[0].shape
    if num is None or isinstance(num[0], int):
        raise ValueError(f"the traced graph draws {num} only, not any number of images")
    header = Header(format=FORMAT, networks=generator.params)
    program.model.metadata_props[KEY] = header.model_dump_json()
    write_whole(path, program.model_proto.SerializeToString())
