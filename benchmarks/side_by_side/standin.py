"""StyleGAN2 with the reference's structure of operations, for users without a checkout of it.

Written from the paper (arXiv 1912.04958) and from what a profile of the reference shows: weights
are modulated for every sample to find their norm, filters insert zeros and convolve at the full
rate, bias, leaky ReLU and gain are a pass each, all second derivatives are autograd's own, numbers
have 32 bits and the memory order is NCHW. Parameters are named as ours are, so that both can be
given the same weights.

Shapes: N samples, I and O channels in and out, H rows, W columns, K taps, D numbers of a w, L
layers that take a w.
"""

import math
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.side_by_side.contestant import LazyLoop, Mark, load_state
from benchmarks.side_by_side.setting import Setting
from wunderkammer.gan.draws import Draws
from wunderkammer.gan.networks.params import StyleGan2Network

TAPS = (1.0, 3.0, 3.0, 1.0)
GAIN = math.sqrt(2.0)
HALF_POWER = math.sqrt(0.5)


class StandIn:
    """The networks and losses below in the reference's loop; the augmentation is ours."""

    def __init__(self, setting: Setting) -> None:
        numbers = setting.numbers
        device = torch.device(setting.device)
        self.remark = "float32, plain torch ops, our augmentation"
        self.generator = Generator(numbers.network).to(device)
        self.discriminator = Discriminator(numbers.network).to(device)
        self.losses = Losses(
            self.generator,
            self.discriminator,
            augment=_augment(setting),
            mix=numbers.style_mixing,
            r1_gamma=numbers.r1_gamma,
            path_weight=numbers.path_length_weight,
        )
        self.loop = LazyLoop(setting, self.generator, self.discriminator, self.losses.backward)

    def step(self, index: int, mark: Mark) -> None:
        self.loop.step(index, mark)

    def load(self, generator: dict[str, Tensor], discriminator: dict[str, Tensor]) -> None:
        load_state(self.generator, generator)
        load_state(self.discriminator, discriminator)

    def generate(self, z_NZ: Tensor) -> tuple[Tensor, Tensor]:
        images_NCHW, w_NLD = self.generator(z_NZ, mix=0.0)
        return images_NCHW, w_NLD

    def score(self, images_NCHW: Tensor) -> Tensor:
        scores_N: Tensor = self.discriminator(images_NCHW)
        return scores_N


def _augment(setting: Setting) -> Callable[[Tensor], Tensor]:
    if not setting.augment:
        return lambda images_NCHW: images_NCHW
    from wunderkammer.gan.augment.build import build_augment

    transform = build_augment(setting.train.augment, channels=3, mirror=False)
    if transform is None:
        return lambda images_NCHW: images_NCHW
    transform.to(setting.device)
    random = torch.Generator(setting.device).manual_seed(0)
    probability = torch.tensor(setting.probability, device=setting.device)

    def augment(images_NCHW: Tensor) -> Tensor:
        augmented: Tensor = transform(
            images_NCHW, Draws.whole(random, len(images_NCHW)), probability
        )
        return augmented

    return augment


def bias_activation(x: Tensor, bias_O: Tensor | None, *, gain: float, activate: bool) -> Tensor:
    """Bias, leaky ReLU and gain, a pass over the activations each."""
    if bias_O is not None:
        x = x + bias_O.reshape(1, -1, *[1] * (x.ndim - 2))
    if activate:
        x = functional.leaky_relu(x, 0.2)
    return x if gain == 1.0 else x * gain


def resample(
    x_NCHW: Tensor, *, up: int = 1, down: int = 1, padding: tuple[int, int], gain: float = 1.0
) -> Tensor:
    """Insert zeros, pad, filter every position, keep one in `down`."""
    if up > 1:
        num, channels, height, width = x_NCHW.shape
        spread = x_NCHW.new_zeros(num, channels, height * up, width * up)
        spread[:, :, ::up, ::up] = x_NCHW
        x_NCHW = spread
    x_NCHW = functional.pad(x_NCHW, (*padding, *padding))
    channels = x_NCHW.shape[1]
    taps_C1KK = (_taps(x_NCHW.device) * gain).repeat(channels, 1, 1, 1)
    return functional.conv2d(x_NCHW, taps_C1KK, groups=channels)[:, :, ::down, ::down]


@cache
def _taps(device: torch.device) -> Tensor:
    taps_K = torch.tensor(TAPS, device=device) / sum(TAPS)
    return torch.outer(taps_K, taps_K)


class Dense(nn.Module):
    """y = activation(x Wᵀ / √I · rate + b · rate)."""

    def __init__(
        self, num_in: int, num_out: int, *, rate: float = 1.0, bias: float = 0.0, activate: bool
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_out, num_in) / rate)
        self.bias = nn.Parameter(torch.full((num_out,), bias / rate))
        self.rate = rate
        self.activate = activate

    def forward(self, x_NI: Tensor) -> Tensor:
        weight_OI = self.weight * (self.rate / math.sqrt(self.weight.shape[1]))
        gain = GAIN if self.activate else 1.0
        y = x_NI @ weight_OI.T
        return bias_activation(y, self.bias * self.rate, gain=gain, activate=self.activate)


class Conv(nn.Module):
    """A convolution, with `down` on a filtered image with stride 2 (or of it, for one pixel)."""

    def __init__(
        self, num_in: int, num_out: int, *, size: int, down: bool = False, is_skip: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_out, num_in, size, size))
        self.bias = None if is_skip else nn.Parameter(torch.zeros(num_out))
        self.down = down

    def forward(self, x_NIHW: Tensor, *, gain: float = 1.0) -> Tensor:
        size = self.weight.shape[-1]
        weight = self.weight * (1.0 / math.sqrt(self.weight[0].numel()))
        if self.down and size == 1:
            y = functional.conv2d(resample(x_NIHW, down=2, padding=(1, 1)), weight)
        elif self.down:
            y = functional.conv2d(resample(x_NIHW, padding=(2, 2)), weight, stride=2)
        else:
            y = functional.conv2d(x_NIHW, weight, padding=size // 2)
        if self.bias is None:
            return y * gain
        return bias_activation(y, self.bias, gain=GAIN * gain, activate=True)


class ModulatedConv(nn.Module):
    """Equations 1 to 3, with every sample's weights made for their norm."""

    def __init__(self, num_in: int, num_out: int, *, w_dim: int, size: int, up: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_out, num_in, size, size))
        self.affine = Dense(w_dim, num_in, bias=1.0, activate=False)
        self.up = up

    def forward(self, x_NIHW: Tensor, w_ND: Tensor, *, demodulate: bool) -> tuple[Tensor, Tensor]:
        style_NI: Tensor = self.affine(w_ND)
        if demodulate:
            weight_NOIKK = self.weight[None] * style_NI[:, None, :, None, None]
            scale_NO = (weight_NOIKK.square().sum(dim=(2, 3, 4)) + 1e-8).rsqrt()
        else:
            style_NI = style_NI * (1.0 / math.sqrt(self.weight[0].numel()))
            scale_NO = torch.ones((), device=x_NIHW.device)
        x_NIHW = x_NIHW * style_NI[:, :, None, None]
        if not self.up:
            y = functional.conv2d(x_NIHW, self.weight, padding=self.weight.shape[-1] // 2)
            return y, scale_NO
        y = functional.conv_transpose2d(x_NIHW, self.weight.transpose(0, 1), stride=2)
        return resample(y, padding=(1, 1), gain=4.0), scale_NO


class StyledConv(nn.Module):
    noise_const: Tensor

    def __init__(self, num_in: int, num_out: int, *, w_dim: int, side_px: int, up: bool) -> None:
        super().__init__()
        self.conv = ModulatedConv(num_in, num_out, w_dim=w_dim, size=3, up=up)
        self.bias = nn.Parameter(torch.zeros(num_out))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(side_px, side_px))

    def forward(self, x_NIHW: Tensor, w_ND: Tensor) -> Tensor:
        y, scale_NO = self.conv(x_NIHW, w_ND, demodulate=True)
        noise_N1HW = torch.randn(y.shape[0], 1, *y.shape[2:], device=y.device)
        y = torch.addcmul(noise_N1HW * self.noise_strength, y, scale_NO[:, :, None, None])
        return bias_activation(y, self.bias, gain=GAIN, activate=True)


class ToImage(nn.Module):
    def __init__(self, num_in: int, channels: int, *, w_dim: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(num_in, channels, w_dim=w_dim, size=1, up=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x_NIHW: Tensor, w_ND: Tensor) -> Tensor:
        y, _ = self.conv(x_NIHW, w_ND, demodulate=False)
        return bias_activation(y, self.bias, gain=1.0, activate=False)


class GeneratorBlock(nn.Module):
    def __init__(self, shape: StyleGan2Network, side_px: int) -> None:
        super().__init__()
        below, here, w_dim = shape.features(side_px // 2), shape.features(side_px), shape.w_dim
        self.conv_up = StyledConv(below, here, w_dim=w_dim, side_px=side_px, up=True)
        self.conv = StyledConv(here, here, w_dim=w_dim, side_px=side_px, up=False)
        self.to_image = ToImage(here, shape.channels, w_dim=w_dim)


class Synthesis(nn.Module):
    def __init__(self, shape: StyleGan2Network) -> None:
        super().__init__()
        width, w_dim = shape.features(4), shape.w_dim
        self.const = nn.Parameter(torch.randn(width, 4, 4))
        self.conv = StyledConv(width, width, w_dim=w_dim, side_px=4, up=False)
        self.to_image = ToImage(width, shape.channels, w_dim=w_dim)
        self.blocks = nn.ModuleList(GeneratorBlock(shape, side) for side in shape.sides_px[1:])
        self.num_layers = 2 * len(shape.sides_px)

    def forward(self, w_NLD: Tensor) -> Tensor:
        w_LND = w_NLD.unbind(dim=1)
        x = self.conv(self.const[None].repeat(len(w_NLD), 1, 1, 1), w_LND[0])
        image: Tensor = self.to_image(x, w_LND[1])
        for number, block in enumerate(self.blocks):
            assert isinstance(block, GeneratorBlock)
            first, second, third = w_LND[2 * number + 1 : 2 * number + 4]
            x = block.conv(block.conv_up(x, first), second)
            image = resample(image, up=2, padding=(2, 1), gain=4.0) + block.to_image(x, third)
        return image


class Mapping(nn.Module):
    average: Tensor

    def __init__(self, shape: StyleGan2Network) -> None:
        super().__init__()
        sizes = [shape.z_dim] + [shape.w_dim] * shape.num_mapping_layers
        self.layers = nn.Sequential(
            *(Dense(a, b, rate=0.01, activate=True) for a, b in pairwise(sizes))
        )
        self.register_buffer("average", torch.zeros(shape.w_dim))

    def forward(self, z_NZ: Tensor, *, num_layers: int) -> Tensor:
        w_ND: Tensor = self.layers(z_NZ * (z_NZ.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt())
        self.average.copy_(torch.lerp(w_ND.detach().mean(dim=0), self.average, 0.995))
        return w_ND[:, None].repeat(1, num_layers, 1)


class Generator(nn.Module):
    def __init__(self, shape: StyleGan2Network) -> None:
        super().__init__()
        self.mapping = Mapping(shape)
        self.synthesis = Synthesis(shape)

    def forward(self, z_NZ: Tensor, *, mix: float) -> tuple[Tensor, Tensor]:
        """Images and their w; with probability `mix` a second w from some layer on."""
        num_layers = self.synthesis.num_layers
        w_NLD: Tensor = self.mapping(z_NZ, num_layers=num_layers)
        if mix > 0:
            is_mixed = torch.rand(()) < mix
            first = int(torch.randint(1, num_layers, ())) if is_mixed else num_layers
            other_NLD = self.mapping(torch.randn_like(z_NZ), num_layers=num_layers)
            w_NLD = torch.cat([w_NLD[:, :first], other_NLD[:, first:]], dim=1)
        return self.synthesis(w_NLD), w_NLD


class DiscriminatorBlock(nn.Module):
    def __init__(self, shape: StyleGan2Network, side_px: int) -> None:
        super().__init__()
        here, below = shape.features(side_px), shape.features(side_px // 2)
        self.conv = Conv(here, here, size=3)
        self.conv_down = Conv(here, below, size=3, down=True)
        self.skip = Conv(here, below, size=1, down=True, is_skip=True) if shape.residual else None

    def forward(self, x_NCHW: Tensor) -> Tensor:
        if self.skip is None:
            plain: Tensor = self.conv_down(self.conv(x_NCHW))
            return plain
        skipped: Tensor = self.skip(x_NCHW, gain=HALF_POWER)
        changed: Tensor = self.conv_down(self.conv(x_NCHW), gain=HALF_POWER)
        return skipped + changed


class Discriminator(nn.Module):
    def __init__(self, shape: StyleGan2Network) -> None:
        super().__init__()
        width = shape.features(4)
        self.group = shape.deviation_group
        self.from_image = Conv(shape.channels, shape.features(shape.resolution_px), size=1)
        sides_px = reversed(shape.sides_px[1:])
        self.blocks = nn.Sequential(*(DiscriminatorBlock(shape, side) for side in sides_px))
        self.conv = Conv(width + 1, width, size=3)
        self.dense = Dense(width * 16, width, activate=True)
        self.score = Dense(width, 1, activate=False)

    def forward(self, image_NCHW: Tensor) -> Tensor:
        """Scores [N]."""
        x = self.blocks(self.from_image(image_NCHW))
        num, channels, height, width = x.shape
        group = math.gcd(num, self.group)
        grouped = x.reshape(num // group, group, channels, height, width)
        variance = (grouped - grouped.mean(dim=1, keepdim=True)).square().mean(dim=1)
        deviation = (variance + 1e-8).sqrt().mean(dim=(1, 2, 3)).repeat_interleave(group)
        map_N1HW = deviation.reshape(num, 1, 1, 1).repeat(1, 1, height, width)
        x = self.conv(torch.cat([x, map_N1HW], dim=1))
        scores_N1: Tensor = self.score(self.dense(x.flatten(1)))
        return scores_N1[:, 0]


class Losses:
    """The four phases of arXiv 1912.04958 and 2006.06676: backward of each, times its interval."""

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        *,
        augment: Callable[[Tensor], Tensor],
        mix: float,
        r1_gamma: float,
        path_weight: float,
    ) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.augment = augment
        self.mix = mix
        self.r1_gamma = r1_gamma
        self.path_weight = path_weight
        self.path_mean: Tensor = torch.zeros(())

    def backward(self, phase: str, reals_NCHW: Tensor, z_NZ: Tensor, gain: float) -> None:
        """Add the gradients of a phase."""
        for loss_N in self._terms(phase, reals_NCHW, z_NZ):
            loss_N.mean().mul(gain).backward()  # type: ignore[no-untyped-call]

    def _terms(self, phase: str, reals_NCHW: Tensor, z_NZ: Tensor) -> Iterator[Tensor]:
        if phase == "G main":
            yield functional.softplus(-self._score(self.generator(z_NZ, mix=self.mix)[0]))
        elif phase == "G reg":
            yield self._path_length(z_NZ[: max(len(z_NZ) // 2, 1)])
        elif phase == "D main":
            yield functional.softplus(self._score(self.generator(z_NZ, mix=self.mix)[0]))
            yield functional.softplus(-self._score(reals_NCHW))
        else:
            yield self._r1(reals_NCHW)

    def _score(self, images_NCHW: Tensor) -> Tensor:
        scores_N: Tensor = self.discriminator(self.augment(images_NCHW))
        return scores_N

    def _path_length(self, z_NZ: Tensor) -> Tensor:
        images_NCHW, w_NLD = self.generator(z_NZ, mix=self.mix)
        y_NCHW = torch.randn_like(images_NCHW) / math.sqrt(images_NCHW[0, 0].numel())
        (slope_NLD,) = torch.autograd.grad((images_NCHW * y_NCHW).sum(), w_NLD, create_graph=True)
        length_N: Tensor = slope_NLD.square().sum(dim=2).mean(dim=1).sqrt()
        mean: Tensor = torch.lerp(self.path_mean.to(length_N.device), length_N.mean(), 0.01)
        self.path_mean = mean.detach()
        return (length_N - mean).square() * self.path_weight

    def _r1(self, reals_NCHW: Tensor) -> Tensor:
        images_NCHW = reals_NCHW.detach().requires_grad_()
        total = self._score(images_NCHW).sum()
        (slope_NCHW,) = torch.autograd.grad(total, images_NCHW, create_graph=True)
        square_N: Tensor = slope_NCHW.square().sum(dim=(1, 2, 3))
        return square_N * (self.r1_gamma / 2)
