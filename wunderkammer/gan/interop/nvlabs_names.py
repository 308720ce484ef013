"""Our names of StyleGAN2's tensors and those of StyleGAN2-ADA-PyTorch, one for one.

The values are laid out alike; only the learning rate of mapping layers can differ, which scales
their weights (see `wunderkammer.gan.interop.nvlabs`).
"""

from wunderkammer.gan.networks.params import StyleGan2Network

_MODULATED = {
    "conv.weight": "weight",
    "conv.affine.weight": "affine.weight",
    "conv.affine.bias": "affine.bias",
    "bias": "bias",
}
_STYLED = {**_MODULATED, "noise_strength": "noise_strength", "noise_const": "noise_const"}
_DENSE = {"weight": "weight", "bias": "bias"}
_WEIGHT = {"weight": "weight"}


def generator_names(params: StyleGan2Network) -> dict[str, str]:
    """NVlabs' name of every tensor of a generator's state dict."""
    names = {"mapping.average": "mapping.w_avg", "synthesis.const": "synthesis.b4.const"}
    names |= _mapping(params.num_labels, params.num_mapping_layers)
    names |= _join("synthesis.conv", "synthesis.b4.conv1", _STYLED)
    names |= _join("synthesis.to_image", "synthesis.b4.torgb", _MODULATED)
    for index, side_px in enumerate(params.sides_px[1:]):
        ours, theirs = f"synthesis.blocks.{index}", f"synthesis.b{side_px}"
        names |= _join(f"{ours}.conv_up", f"{theirs}.conv0", _STYLED)
        names |= _join(f"{ours}.conv", f"{theirs}.conv1", _STYLED)
        names |= _join(f"{ours}.to_image", f"{theirs}.torgb", _MODULATED)
    return names


def discriminator_names(params: StyleGan2Network) -> dict[str, str]:
    """NVlabs' name of every tensor of a discriminator's state dict."""
    names = _join("from_image", f"b{params.resolution_px}.fromrgb", _DENSE)
    for index, side_px in enumerate(params.sides_px[:0:-1]):
        names |= _join(f"blocks.{index}.conv", f"b{side_px}.conv0", _DENSE)
        names |= _join(f"blocks.{index}.conv_down", f"b{side_px}.conv1", _DENSE)
        if params.residual:
            names |= _join(f"blocks.{index}.skip", f"b{side_px}.skip", _WEIGHT)
    for ours, theirs in {"conv": "b4.conv", "dense": "b4.fc", "score": "b4.out"}.items():
        names |= _join(ours, theirs, _DENSE)
    if params.num_labels:
        names |= _mapping(params.num_labels, params.num_label_layers)
    return names


def _mapping(num_labels: int, num_layers: int) -> dict[str, str]:
    names = _join("mapping.embed", "mapping.embed", _DENSE) if num_labels else {}
    for index in range(num_layers):
        names |= _join(f"mapping.layers.{index}", f"mapping.fc{index}", _DENSE)
    return names


def _join(ours: str, theirs: str, parts: dict[str, str]) -> dict[str, str]:
    return {f"{ours}.{a}": f"{theirs}.{b}" for a, b in parts.items()}
