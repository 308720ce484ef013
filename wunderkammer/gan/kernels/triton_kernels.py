# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
"""Triton kernels: what runs on the device. To import this needs Triton, which has no types.

Pixel p of P = H · W and channel c of C lie at p · sp + c · sc, so that channels-last and contiguous
tensors are both read as they lie. A program has a tile of BP pixels by BC channels of a sample n.
Numbers are WIDE while they are computed with. A pointer may be None; such code is left out.
"""

import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]


@triton.jit
def _activated(u, SLOPE: tl.constexpr, GAIN: tl.constexpr, CLAMP: tl.constexpr):
    y = tl.where(u > 0, u, u * SLOPE) * GAIN
    if CLAMP is not None:  # by comparisons, which leave a NaN as it is
        y = tl.where(y > CLAMP, CLAMP, tl.where(y < -CLAMP, -CLAMP, y))
    return y


@triton.jit
def _descended(g, y, SLOPE: tl.constexpr, GAIN: tl.constexpr, CLAMP: tl.constexpr):
    """g times the derivative of `_activated`, which is constant in pieces, from its result y."""
    g = tl.where(y > 0, g, g * SLOPE) * GAIN
    if CLAMP is not None:
        g = tl.where(tl.abs(y) < CLAMP, g, 0.0)
    return g


@triton.jit
def _shifted(u, scale, bias, noise, n, p, c, P, C, noise_sn):
    """The tile times its scale [N, C], plus bias [C] and noise [N, P]."""
    if scale is not None:
        u *= tl.load(scale + n * C + c, mask=c < C, other=0.0)[None, :]
    if bias is not None:
        u += tl.load(bias + c, mask=c < C, other=0.0)[None, :]
    if noise is not None:
        u += tl.load(noise + n * noise_sn + p, mask=p < P, other=0.0)[:, None]
    return u


@triton.jit
def activate(
    x, y, scale, bias, noise, P, C, sn, sp, sc, noise_sn,
    SLOPE: tl.constexpr, GAIN: tl.constexpr, CLAMP: tl.constexpr,
    BP: tl.constexpr, BC: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """y = activation(x · scale + bias + noise)."""
    n = tl.program_id(2).to(tl.int64)
    p = tl.program_id(0) * BP + tl.arange(0, BP)
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    inside = (p < P)[:, None] & (c < C)[None, :]
    at = n * sn + p[:, None] * sp + c[None, :] * sc
    u = tl.load(x + at, mask=inside, other=0.0).to(WIDE)
    u = _shifted(u, scale, bias, noise, n, p, c, P, C, noise_sn)
    tl.store(y + at, _activated(u, SLOPE, GAIN, CLAMP), mask=inside)


@triton.jit
def activate_backward(
    gradient, y, x, scale, x_gradient, scale_sums, bias_sums, noise_sums, P, C, sn, sp, sc,
    SLOPE: tl.constexpr, GAIN: tl.constexpr, CLAMP: tl.constexpr, SPAN: tl.constexpr,
    BP: tl.constexpr, BC: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """The gradients of `activate` in one pass over SPAN channels, from its result y.

    With g = gradient · activation'(y), or just the gradient without y:
    x_gradient = g · scale; scale_sums = Σ_p g · x and bias_sums = Σ_p g of each block of pixels,
    [N, B, C]; noise_sums = Σ_c g, [N, P], for which SPAN must be all channels.
    """
    n = tl.program_id(2).to(tl.int64)
    block = tl.program_id(0)
    p = block * BP + tl.arange(0, BP)
    row = (n * tl.num_programs(0) + block) * C
    over_channels = tl.zeros([BP], WIDE)
    for start in range(tl.program_id(1) * SPAN, tl.program_id(1) * SPAN + SPAN, BC):
        c = start + tl.arange(0, BC)
        inside = (p < P)[:, None] & (c < C)[None, :]
        at = n * sn + p[:, None] * sp + c[None, :] * sc
        g = tl.load(gradient + at, mask=inside, other=0.0).to(WIDE)
        if y is not None:
            g = _descended(g, tl.load(y + at, mask=inside, other=0.0).to(WIDE), SLOPE, GAIN, CLAMP)
        if scale_sums is not None:
            products = g * tl.load(x + at, mask=inside, other=0.0).to(WIDE)
            tl.store(scale_sums + row + c, tl.sum(products, axis=0), mask=c < C)
        if bias_sums is not None:
            tl.store(bias_sums + row + c, tl.sum(g, axis=0), mask=c < C)
        if noise_sums is not None:
            over_channels += tl.sum(g, axis=1)
        if x_gradient is not None:
            if scale is not None:
                g *= tl.load(scale + n * C + c, mask=c < C, other=0.0)[None, :]
            tl.store(x_gradient + at, g, mask=inside)
    if noise_sums is not None:
        tl.store(noise_sums + n * P + p, over_channels, mask=p < P)


@triton.jit
def filter_tile(
    x, y, scale, bias, noise, H, W, C, sn, sp, sc, OW, P, out_sn, out_sp, out_sc, noise_sn,
    UP: tl.constexpr, DOWN: tl.constexpr, PADDING: tl.constexpr, FACTOR: tl.constexpr,
    SLOPE: tl.constexpr, GAIN: tl.constexpr, CLAMP: tl.constexpr, ACTIVATE: tl.constexpr,
    BP: tl.constexpr, BC: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """[1, 3, 3, 1] in both directions times FACTOR, on P output pixels, OW a row.

    UP 2 is the adjoint of DOWN 2: of the four taps of a direction two meet an input pixel. With
    ACTIVATE, what `activate` does comes after.
    """
    n = tl.program_id(2).to(tl.int64)
    p = tl.program_id(0) * BP + tl.arange(0, BP)
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    oy, ox = p // OW, p % OW
    channels, is_channel = x + n * sn + c[None, :] * sc, (c < C)[None, :]
    u = tl.zeros([BP, BC], WIDE)
    for ky in tl.static_range(4 // UP):
        iy, wy = oy * DOWN - PADDING + ky, tl.full([BP], 3 if ky % 3 else 1, WIDE)
        if UP == 2:
            iy, wy = (oy + PADDING) // 2 - ky, tl.where((oy + PADDING) % 2 == ky, 1, 3).to(WIDE)
        is_row, row = (iy >= 0) & (iy < H) & (p < P), iy * W
        for kx in tl.static_range(4 // UP):
            ix, wx = ox * DOWN - PADDING + kx, tl.full([BP], 3 if kx % 3 else 1, WIDE)
            if UP == 2:
                ix, wx = (ox + PADDING) // 2 - kx, tl.where((ox + PADDING) % 2 == kx, 1, 3).to(WIDE)
            is_in = (is_row & (ix >= 0) & (ix < W))[:, None] & is_channel
            value = tl.load(channels + ((row + ix) * sp)[:, None], mask=is_in, other=0.0).to(WIDE)
            u += (wy * wx)[:, None] * value
    u *= FACTOR
    if ACTIVATE:
        u = _shifted(u, scale, bias, noise, n, p, c, P, C, noise_sn)
        u = _activated(u, SLOPE, GAIN, CLAMP)
    at = n * out_sn + p[:, None] * out_sp + c[None, :] * out_sc
    tl.store(y + at, u, mask=(p < P)[:, None] & (c < C)[None, :])
