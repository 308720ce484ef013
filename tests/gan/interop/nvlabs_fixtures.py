"""Tiny networks with NVlabs' names of tensors, and what the papers say that they draw.

`draw` and `judge` follow the equations with weights of their own for each sample, in float64, and
share nothing with the code that they test.
"""

import math

import numpy as np
import torch
from pickle_emitters import checkpoint, network
from torch.nn import functional

SIZES = {"z_dim": 6, "w_dim": 5, "img_resolution": 16, "img_channels": 3}
CHANNELS = {"channel_base": 64, "channel_max": 7}
FEATURES = {4: 7, 8: 7, 16: 4}
FILTER = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64


class Weights(dict):
    """Random tensors by name."""

    def __init__(self, seed):
        super().__init__()
        self.random = np.random.default_rng(seed)

    def add(self, name, *shape, scale=1.0):
        self[name] = np.float32(self.random.normal(size=shape) * scale)

    def dense(self, name, num_in, num_out, *, rate=1.0, bias=0.2):
        self.add(f"{name}.weight", num_out, num_in, scale=1 / rate)
        self.add(f"{name}.bias", num_out, scale=bias / rate)

    def conv(self, name, num_in, num_out, size, *, bias=True):
        self.add(f"{name}.weight", num_out, num_in, size, size)
        if bias:
            self.add(f"{name}.bias", num_out, scale=0.2)
        self[f"{name}.resample_filter"] = FILTER

    def modulated(self, name, num_in, num_out, size, *, side=None):
        self.conv(name, num_in, num_out, size)
        self.dense(f"{name}.affine", SIZES["w_dim"], num_in)
        if side:
            self.add(f"{name}.noise_const", side, side)
            self.add(f"{name}.noise_strength", scale=0.5)


def generator_weights(*, num_labels=0, num_layers=2, rate=0.01, channels=3, seed=0):
    weights, width = Weights(seed), SIZES["w_dim"]
    num_in = SIZES["z_dim"] + (width if num_labels else 0)
    if num_labels:
        weights.dense("mapping.embed", num_labels, width)
    for index in range(num_layers):
        weights.dense(f"mapping.fc{index}", width if index else num_in, width, rate=rate)
    weights.add("mapping.w_avg", width)
    weights.add("synthesis.b4.const", FEATURES[4], 4, 4)
    for side, here in FEATURES.items():
        if side > 4:
            below = FEATURES[side // 2]
            weights.modulated(f"synthesis.b{side}.conv0", below, here, 3, side=side)
        weights.modulated(f"synthesis.b{side}.conv1", here, here, 3, side=side)
        weights.modulated(f"synthesis.b{side}.torgb", here, channels, 1)
    return weights


def discriminator_weights(*, num_labels=0, num_layers=2, residual=True, channels=3, seed=1):
    weights, last = Weights(seed), FEATURES[4]
    weights.conv("b16.fromrgb", channels, FEATURES[16], 1)
    for side in (16, 8):
        here, below = FEATURES[side], FEATURES[side // 2]
        weights.conv(f"b{side}.conv0", here, here, 3)
        weights.conv(f"b{side}.conv1", here, below, 3)
        if residual:
            weights.conv(f"b{side}.skip", here, below, 1, bias=False)
    weights.conv("b4.conv", last + 1, last, 3)
    weights.dense("b4.fc", last * 16, last)
    weights.dense("b4.out", last, last if num_labels else 1)
    if num_labels:
        weights.dense("mapping.embed", num_labels, last)
        for index in range(num_layers):
            weights.dense(f"mapping.fc{index}", last, last, rate=0.01)
    return weights


def is_buffer(name):
    return name in ("w_avg", "noise_const", "resample_filter")


def generator_pickle(weights, *, num_labels=0, num_layers=2, synthesis=None, mapping=None, **more):
    kwargs = {
        **SIZES,
        "c_dim": num_labels,
        "mapping_kwargs": {"num_layers": num_layers, **(mapping or {})},
        "synthesis_kwargs": {**CHANNELS, "num_fp16_res": 0, **(synthesis or {})},
        **more,
    }
    return network("Generator", weights, is_buffer=is_buffer, kwargs=kwargs)


def discriminator_pickle(weights, *, num_labels=0, num_layers=2, frozen=False, **more):
    kwargs = {
        "c_dim": num_labels,
        "img_resolution": SIZES["img_resolution"],
        "img_channels": SIZES["img_channels"],
        **CHANNELS,
        "block_kwargs": {"freeze_layers": 0},
        "mapping_kwargs": {"num_layers": num_layers},
        "epilogue_kwargs": {"mbstd_group_size": 4},
        **more,
    }
    held = (lambda _: True) if frozen else is_buffer
    return network("Discriminator", weights, is_buffer=held, kwargs=kwargs)


def whole_checkpoint(*, num_labels=0, frozen=False, **more):
    generator = generator_weights(num_labels=num_labels)
    return checkpoint(
        G=generator_pickle(generator_weights(num_labels=num_labels, seed=2), num_labels=num_labels),
        D=discriminator_pickle(
            discriminator_weights(num_labels=num_labels),
            num_labels=num_labels,
            frozen=frozen,
            **more,
        ),
        G_ema=generator_pickle(generator, num_labels=num_labels),
    )


def tensors64(weights):
    return {name: torch.from_numpy(np.array(array)).double() for name, array in weights.items()}


def leaky(x):
    return functional.leaky_relu(x, 0.2) * math.sqrt(2)


def dense(t, name, x, *, rate=1.0):
    weight = t[f"{name}.weight"]
    return x @ weight.T * (rate / math.sqrt(weight.shape[1])) + t[f"{name}.bias"] * rate


def unit(x):
    return x / (x.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()


def filtered(x, before, after, gain=1.0):
    """The filter [1, 3, 3, 1], with that much padding on the sides before and after."""
    kernel = torch.outer(*[torch.tensor([1.0, 3, 3, 1], dtype=x.dtype)] * 2) * gain / 64
    x = functional.pad(x, (before, after, before, after))
    return functional.conv2d(x, kernel.expand(x.shape[1], 1, 4, 4), groups=x.shape[1])


def spread(x):
    """Zeros between the pixels."""
    y = x.new_zeros(*x.shape[:2], x.shape[2] * 2, x.shape[3] * 2)
    y[:, :, ::2, ::2] = x
    return y


def modulated(t, name, x, w, *, up=False, demodulate=True):
    """Equations 1 to 3 of arXiv 1912.04958, a sample at a time."""
    weight = t[f"{name}.weight"]
    size = weight.shape[-1]
    if not demodulate:
        weight = weight / math.sqrt(weight[0].numel())
    images = []
    for x_IHW, style in zip(x, dense(t, f"{name}.affine", w), strict=True):
        own = weight * style[None, :, None, None]
        if demodulate:
            own = own / (own.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        image = x_IHW[None]
        if up:
            # Convolution of the spread image, then the filter with its gain of 4.
            padded = functional.pad(spread(image), (2, 1, 2, 1))
            image = filtered(functional.conv2d(padded, own.flip(2, 3)), 1, 1, gain=4.0)
        else:
            image = functional.conv2d(image, own, padding=size // 2)
        images.append(image)
    return torch.cat(images)


def styled(t, name, x, w, *, up=False):
    y = modulated(t, name, x, w, up=up)
    y = y + t[f"{name}.noise_const"] * t[f"{name}.noise_strength"]
    return leaky(y + t[f"{name}.bias"][:, None, None])


def mapped(t, x, rate):
    depth = sum(name.startswith("mapping.fc") for name in t) // 2
    for index in range(depth):
        x = leaky(dense(t, f"mapping.fc{index}", x, rate=rate))
    return x


def draw(weights, z, labels=None, *, psi=1.0, rate=0.01):
    t = tensors64(weights)
    x = unit(z.double())
    if labels is not None:
        x = torch.cat([x, unit(dense(t, "mapping.embed", labels.double()))], dim=1)
    w = t["mapping.w_avg"] + psi * (mapped(t, x, rate) - t["mapping.w_avg"])
    x = t["synthesis.b4.const"].expand(len(z), -1, -1, -1)
    image = None
    for side in FEATURES:
        block = f"synthesis.b{side}"
        if side > 4:
            x = styled(t, f"{block}.conv0", x, w, up=True)
            image = filtered(spread(image), 2, 1, gain=4.0)
        x = styled(t, f"{block}.conv1", x, w)
        colours = modulated(t, f"{block}.torgb", x, w, demodulate=False)
        colours = colours + t[f"{block}.torgb.bias"][:, None, None]
        image = colours if image is None else image + colours
    return image


def convolved(t, name, x, *, halve=False, activate=True):
    weight = t[f"{name}.weight"]
    size = weight.shape[-1]
    if halve:
        x = filtered(x, 1 + size // 2, 1 + size // 2)
    padding = 0 if halve else size // 2
    y = functional.conv2d(x, weight / math.sqrt(weight[0].numel()), padding=padding)
    y = y[:, :, ::2, ::2] if halve else y
    if f"{name}.bias" in t:
        y = y + t[f"{name}.bias"][:, None, None]
    return leaky(y) if activate else y


def judge(weights, images, labels=None):
    """Scores of one group of images."""
    t = tensors64(weights)
    x = convolved(t, "b16.fromrgb", images.double())
    for side in (16, 8):
        y = convolved(t, f"b{side}.conv1", convolved(t, f"b{side}.conv0", x), halve=True)
        if f"b{side}.skip.weight" in t:
            skipped = convolved(t, f"b{side}.skip", x, halve=True, activate=False)
            y = (y + skipped) / math.sqrt(2)
        x = y
    deviation = (x.var(dim=0, unbiased=False) + 1e-8).sqrt().mean()
    x = torch.cat([x, deviation.expand(len(x), 1, 4, 4)], dim=1)
    x = leaky(dense(t, "b4.fc", convolved(t, "b4.conv", x).flatten(1)))
    x = dense(t, "b4.out", x)
    if labels is None:
        return x[:, 0]
    projected = mapped(t, unit(dense(t, "mapping.embed", labels.double())), 0.01)
    return (x * projected).sum(dim=1) / math.sqrt(x.shape[1])
