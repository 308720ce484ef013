"""Compiles the Triton kernels for an H100 or H200 (sm_90), for which no GPU is needed.

Prints, as JSON, the first bytes of the machine code of each variant.
"""

import json

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from wunderkammer.gan.kernels import triton_kernels

HOPPER = GPUTarget("cuda", 90, 32)
PIECES = {"SLOPE": 0.2, "GAIN": 2**0.5, "CLAMP": 256.0}
TILE = {"BP": 64, "BC": 64, "WIDE": tl.float32}
WIDE = {"scale", "bias", "noise", "scale_sums", "bias_sums", "noise_sums"}
FILTER = {"PADDING": 1, "FACTOR": 1 / 64}


def variants():
    nothing = dict.fromkeys(("scale", "bias", "noise"))
    yield "activate", triton_kernels.activate, {**PIECES, **TILE}
    yield "activate without a shift", triton_kernels.activate, {**PIECES, **TILE, **nothing}
    backward = triton_kernels.activate_backward
    yield "backward", backward, {**PIECES, **TILE, "SPAN": 512}
    for up, down in ((1, 1), (1, 2), (2, 1)):
        sizes = {"UP": up, "DOWN": down, "ACTIVATE": up == down, **FILTER, **PIECES, **TILE}
        filter_tile = triton_kernels.filter_tile
        yield f"filter up {up} down {down}", filter_tile, sizes | ({} if up == down else nothing)


def machine_code(kernel, constants, pointer):
    signature = {}
    for name in kernel.arg_names:
        if name in constants:
            signature[name] = "constexpr"
        elif name in WIDE:
            signature[name] = "*fp32"
        elif name in {"x", "y", "gradient", "x_gradient"}:
            signature[name] = pointer
        else:
            signature[name] = "i32"
    source = ASTSource(kernel, signature=signature, constexprs=constants)
    return triton.compile(source, target=HOPPER, options={"enable_fp_fusion": True}).asm["cubin"]


def main():
    found = {
        name: machine_code(kernel, constants, "*bf16")[:4].hex()
        for name, kernel, constants in variants()
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
