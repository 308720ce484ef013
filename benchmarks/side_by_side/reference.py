"""NVlabs/stylegan2-ada-pytorch from a checkout of the user's, run on a current torch.

Its networks, loss and augmentation are imported from the checkout and used as they are. What a
newer Python or torch broke is mended from outside, before and after the import; nothing in the
checkout is written. Its own loop needs a GPU, so the loop here takes its steps.
"""

import importlib
import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional
from torch.utils import cpp_extension

from benchmarks.side_by_side.contestant import LazyLoop, Mark, load_state
from benchmarks.side_by_side.setting import Setting
from wunderkammer.gan.augment.params import PRESETS

_PHASES = {"G main": "Gmain", "G reg": "Greg", "D main": "Dmain", "D reg": "Dreg"}
_TRANSFORMS = {
    "blit": ("xflip", "rotate90", "xint"),
    "geom": ("scale", "rotate", "aniso", "xfrac"),
    "color": ("brightness", "contrast", "lumaflip", "hue", "saturation"),
    "filter": ("imgfilter",),
    "noise": ("noise",),
    "cutout": ("cutout",),
}
_FLOAT16_RESOLUTIONS = 4
_CLAMP = 256


class Reference:
    """Its `StyleGAN2Loss.accumulate_gradients`, phase by phase."""

    def __init__(self, setting: Setting, checkout: Path) -> None:
        self.modules = _import(checkout)
        if not _has_second_derivative():
            module: Any = importlib.import_module("torch_utils.ops.grid_sample_gradfix")
            module.grid_sample = Sampling.apply
        device = torch.device(setting.device)
        self.remark = _plugins() if device.type == "cuda" else "float32, its own plain torch ops"
        self.generator, self.discriminator = _networks(self.modules, setting)
        for network in (self.generator, self.discriminator):
            network.train().to(device)
        self.loss = self.modules.loss.StyleGAN2Loss(
            device=device,
            G_mapping=self.generator.mapping,
            G_synthesis=self.generator.synthesis,
            D=self.discriminator,
            augment_pipe=_augment(self.modules, setting),
            style_mixing_prob=setting.numbers.style_mixing,
            r1_gamma=setting.numbers.r1_gamma,
            pl_weight=setting.numbers.path_length_weight,
        )
        self.loop = LazyLoop(setting, self.generator, self.discriminator, self._backward)

    def step(self, index: int, mark: Mark) -> None:
        self.loop.step(index, mark)

    def _backward(self, phase: str, reals_NCHW: Tensor, z_NZ: Tensor, gain: float) -> None:
        no_labels = torch.zeros(len(z_NZ), 0, device=z_NZ.device)
        self.loss.accumulate_gradients(
            phase=_PHASES[phase],
            real_img=reals_NCHW,
            real_c=no_labels,
            gen_z=z_NZ,
            gen_c=no_labels,
            sync=True,
            gain=gain,
        )

    def load(self, generator: dict[str, Tensor], discriminator: dict[str, Tensor]) -> None:
        sides_px = self.generator.synthesis.block_resolutions
        load_state(self.generator, {_generator_name(k, sides_px): v for k, v in generator.items()})
        names = {_discriminator_name(k, sides_px): v for k, v in discriminator.items()}
        load_state(self.discriminator, names)

    def generate(self, z_NZ: Tensor) -> tuple[Tensor, Tensor]:
        w_NLD = self.generator.mapping(z_NZ, None, skip_w_avg_update=True)
        return self.generator.synthesis(w_NLD, noise_mode="none", force_fp32=True), w_NLD

    def score(self, images_NCHW: Tensor) -> Tensor:
        scores_N1: Tensor = self.discriminator(images_NCHW, None, force_fp32=True)
        return scores_N1[:, 0]


class Sampling(Function):
    """`grid_sample` as the reference calls it, with derivatives in the images.

    It is linear in them, so the second derivative is sampling again. Points need none here.
    """

    @staticmethod
    def forward(ctx: Any, images_NCHW: Tensor, points_NHW2: Tensor) -> Tensor:
        ctx.save_for_backward(images_NCHW, points_NHW2)
        return functional.grid_sample(images_NCHW, points_NHW2, align_corners=False)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        return _SamplingAdjoint.apply(slopes[0], *ctx.saved_tensors), None


class _SamplingAdjoint(Function):
    @staticmethod
    def forward(ctx: Any, slope: Tensor, images_NCHW: Tensor, points_NHW2: Tensor) -> Tensor:
        ctx.save_for_backward(points_NHW2)
        gradients = torch.ops.aten.grid_sampler_2d_backward(
            slope, images_NCHW, points_NHW2, 0, 0, False, [True, False]
        )
        adjoint: Tensor = gradients[0]
        return adjoint

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None]:
        (points_NHW2,) = ctx.saved_tensors
        return Sampling.apply(slopes[0], points_NHW2), None, None


def _has_second_derivative() -> bool:
    """Whether this torch can differentiate `grid_sample` twice: 2.15 can, 2.11 can't."""
    images_NCHW = torch.ones(1, 1, 2, 2, requires_grad=True)
    sampled = functional.grid_sample(images_NCHW, torch.zeros(1, 1, 1, 2), align_corners=False)
    (slope,) = torch.autograd.grad(sampled.square().sum(), images_NCHW, create_graph=True)
    try:
        torch.autograd.grad(slope.sum(), images_NCHW)
    except RuntimeError as error:
        if "not implemented" not in str(error):
            raise
        return False
    return True


def _import(checkout: Path) -> types.SimpleNamespace:
    if not (checkout / "training" / "networks.py").is_file():
        raise ValueError(
            f"--reference {checkout} holds no training/networks.py; give the folder of a checkout "
            f"of NVlabs/stylegan2-ada-pytorch"
        )
    _stand_in_for_distutils()
    _register_built_extensions()
    warnings.filterwarnings("ignore", message=".*gradfix not supported on PyTorch.*")
    sys.path.insert(0, str(checkout))
    names = ("networks", "loss", "augment")
    return types.SimpleNamespace(**{n: importlib.import_module(f"training.{n}") for n in names})


def _stand_in_for_distutils() -> None:
    """It takes one function from a module that Python dropped in 3.12, and never calls it here."""
    if importlib.util.find_spec("distutils") is None:
        util = types.ModuleType("distutils.util")
        util.strtobool = bool  # type: ignore[attr-defined]
        sys.modules["distutils"] = types.ModuleType("distutils")
        sys.modules["distutils.util"] = util


def _register_built_extensions() -> None:
    """It imports its CUDA plugins by name, which torch's loader no longer makes possible."""
    load: Callable[..., Any] = cpp_extension.load

    def load_and_register(name: str, *arguments: Any, **named: Any) -> Any:
        sys.modules[name] = load(name, *arguments, **named)
        return sys.modules[name]

    cpp_extension.load = load_and_register


def _plugins() -> str:
    """Build its CUDA plugins; what came of it."""
    built = {}
    for name in ("bias_act", "upfirdn2d"):
        module: Any = importlib.import_module(f"torch_utils.ops.{name}")
        built[name] = module._init()
        module._inited = True  # else a failed build is tried again at every call
    if all(built.values()):
        return "float16 in four resolutions, CUDA plugins built"
    failed = " and ".join(name for name, is_built in built.items() if not is_built)
    return f"float16 in four resolutions, CUDA plugins of {failed} did not build: slower than it is"


def _networks(modules: types.SimpleNamespace, setting: Setting) -> tuple[Any, Any]:
    shape = setting.numbers.network
    on_gpu = torch.device(setting.device).type == "cuda"
    blocks = {
        "channel_base": shape.channel_base,
        "channel_max": shape.channel_max,
        "num_fp16_res": _FLOAT16_RESOLUTIONS if on_gpu else 0,
        "conv_clamp": _CLAMP if on_gpu else None,
    }
    picture = {
        "c_dim": 0,
        "img_resolution": shape.resolution_px,
        "img_channels": shape.channels,
    }
    generator = modules.networks.Generator(
        **picture,
        z_dim=shape.z_dim,
        w_dim=shape.w_dim,
        mapping_kwargs={"num_layers": shape.num_mapping_layers},
        synthesis_kwargs=blocks,
    )
    discriminator = modules.networks.Discriminator(
        **picture,
        **blocks,
        architecture="resnet" if shape.residual else "orig",
        epilogue_kwargs={"mbstd_group_size": shape.deviation_group},
    )
    return generator, discriminator


def _augment(modules: types.SimpleNamespace, setting: Setting) -> Any:
    if not setting.augment:
        return None
    groups = PRESETS.get(setting.augment, (setting.augment,))
    strengths = {name: 1 for group in groups for name in _TRANSFORMS[group]}
    pipe = modules.augment.AugmentPipe(**strengths).train().requires_grad_(False)
    pipe.p.fill_(setting.probability)
    return pipe.to(setting.device)


def _generator_name(name: str, sides_px: list[int]) -> str:
    """Ours to its: synthesis.blocks.0.conv_up.conv.weight is synthesis.b8.conv0.weight."""
    part, *rest = name.split(".")
    if part == "mapping":
        return f"mapping.fc{rest[1]}.{rest[2]}"
    side_px = 4
    if rest[0] == "blocks":
        side_px = sides_px[int(rest[1]) + 1]
        rest = rest[2:]
    layer = {"conv_up": "conv0", "conv": "conv1", "to_image": "torgb", "const": "const"}[rest[0]]
    inner = [word for word in rest[1:] if word != "conv"]
    return ".".join(["synthesis", f"b{side_px}", layer, *inner])


def _discriminator_name(name: str, sides_px: list[int]) -> str:
    """Ours to its: blocks.0.conv_down.weight is b64.conv1.weight at 64 px."""
    part, *rest = name.split(".")
    if part == "from_image":
        return ".".join([f"b{sides_px[-1]}", "fromrgb", *rest])
    if part == "blocks":
        layer = {"conv": "conv0", "conv_down": "conv1", "skip": "skip"}[rest[1]]
        return ".".join([f"b{sides_px[-1 - int(rest[0])]}", layer, *rest[2:]])
    return ".".join(["b4", {"conv": "conv", "dense": "fc", "score": "out"}[part], *rest])
