"""What an NVlabs network was constructed with, as our `StyleGan2Network`.

Names and defaults of the settings are those of StyleGAN2-ADA-PyTorch's constructors, and of files
that its own tool has converted from TensorFlow.
"""

from collections.abc import Mapping
from typing import Any

from wunderkammer.gan.interop.errors import UnsupportedNetworkError
from wunderkammer.gan.interop.pickle_reader import PickledNetwork
from wunderkammer.gan.networks.params import CHANNELS, RESOLUTIONS_PX, StyleGan2Network

GENERATOR_ARGUMENTS = (
    "z_dim",
    "c_dim",
    "w_dim",
    "img_resolution",
    "img_channels",
    "mapping_kwargs",
    "synthesis_kwargs",
)
DISCRIMINATOR_ARGUMENTS = ("c_dim", "img_resolution", "img_channels", "architecture")
TAPS = (1, 3, 3, 1)
# No count of theirs is larger; a file that says so would have us build for ever.
MAX_COUNT = 65536
MAX_LAYERS = 64


class Settings:
    """The settings of one constructor. Each is taken once; one that is left over is refused."""

    def __init__(self, where: str, values: Mapping[str, Any]) -> None:
        self._where = where
        self._values = dict(values)

    def _refuse(self, name: str, value: Any, wanted: str) -> UnsupportedNetworkError:
        return UnsupportedNetworkError(f"{self._where}.{name}={value!r:.80}; we have {wanted} only")

    def count(
        self, name: str, *, default: int | None = None, low: int = 1, high: int = MAX_COUNT
    ) -> int:
        """A whole number from `low` to `high`."""
        value = self._values.pop(name, default)
        if type(value) is not int or not low <= value <= high:
            raise self._refuse(name, value, f"whole numbers from {low} to {high}")
        return value

    def number(self, name: str, *, default: float | None) -> float | None:
        """A number above 0, or None."""
        value = self._values.pop(name, default)
        if value is not None and (type(value) not in (int, float) or not 0 < value < 1e6):
            raise self._refuse(name, value, "positive numbers and none")
        return None if value is None else float(value)

    def only(self, name: str, *allowed: Any) -> Any:
        """One of `allowed`, the first of which is the default."""
        self._values.setdefault(name, allowed[0])
        return self.one_of(name, allowed)

    def one_of(self, name: str, allowed: tuple[Any, ...]) -> Any:
        """One of `allowed`."""
        value = self._values.pop(name, None)
        if value not in allowed:
            raise self._refuse(name, value, ", ".join(repr(item) for item in allowed[:9]))
        return allowed[allowed.index(value)]

    def within(self, name: str) -> "Settings":
        """The settings of a part, none by default."""
        value = self._values.pop(name, {})
        if not isinstance(value, dict):
            raise self._refuse(name, value, "settings by name")
        return Settings(f"{self._where}.{name}", value)

    def rest(self, more: "Settings") -> "Settings":
        """Those that are left, and `more`."""
        values, self._values = self._values, {}
        return Settings(more._where, {**values, **more._values})

    def ignore(self, *names: str) -> None:
        """Settings of speed alone."""
        for name in names:
            self._values.pop(name, None)

    def close(self) -> None:
        """All have been taken.

        Raises:
            UnsupportedNetworkError: some were not; we do not know what they do.
        """
        if self._values:
            names = ", ".join(sorted(map(repr, self._values)))
            raise UnsupportedNetworkError(
                f"{self._where} has settings that we do not know: {names}"
            )


def settings_of(network: PickledNetwork, names: tuple[str, ...]) -> Settings:
    """The settings of a network, given by place or by name.

    Raises:
        UnsupportedNetworkError: it is of another kind of network.
    """
    if any(name.endswith("SynthesisInput") for name in network.classes.values()):
        raise UnsupportedNetworkError("StyleGAN3 networks; StyleGAN2 networks are taken only")
    if len(network.init_args) > len(names):
        raise UnsupportedNetworkError(
            f"{network.class_name} has {len(network.init_args)} unnamed settings; "
            f"at most {len(names)} are known"
        )
    by_place = dict(zip(names, network.init_args, strict=False))
    return Settings(network.class_name, {**by_place, **network.init_kwargs})


def _picture(settings: Settings) -> dict[str, int]:
    return {
        "num_labels": settings.count("c_dim", low=0),
        "resolution_px": settings.one_of("img_resolution", RESOLUTIONS_PX),
        "channels": settings.one_of("img_channels", CHANNELS),
    }


def _channels(settings: Settings) -> dict[str, Any]:
    settings.ignore("num_fp16_res")
    return {
        "channel_base": settings.count("channel_base", default=32768, high=2**20),
        "channel_max": settings.count("channel_max", default=512),
        "clamp": settings.number("conv_clamp", default=None),
    }


def _layers(settings: Settings, *, default: int, width: int, low: int) -> tuple[int, float]:
    """Depth and learning rate of a mapping."""
    num_layers = settings.count("num_layers", default=default, low=low, high=MAX_LAYERS)
    settings.only("embed_features", None, width)
    settings.only("layer_features", None, width)
    settings.only("activation", "lrelu")
    rate = settings.number("lr_multiplier", default=0.01)
    settings.ignore("w_avg_beta")
    settings.close()
    return num_layers, rate or 0.01


def _convolutions(settings: Settings) -> None:
    settings.only("activation", "lrelu")
    settings.only("resample_filter", TAPS)
    settings.ignore("fp16_channels_last", "fused_modconv_default")


def generator_settings(network: PickledNetwork) -> tuple[dict[str, Any], float]:
    """The fields of `StyleGan2Network` that a generator tells, and its mapping's learning rate.

    Raises:
        UnsupportedNetworkError: it has parts that we do not have; the message names the setting.
    """
    settings = settings_of(network, GENERATOR_ARGUMENTS)
    fields: dict[str, Any] = {
        "z_dim": settings.count("z_dim"),
        "w_dim": settings.count("w_dim"),
        **_picture(settings),
    }
    mapping = settings.within("mapping_kwargs")
    # The StyleGAN2 of StyleGAN3's repository has these among the others.
    synthesis = settings.rest(settings.within("synthesis_kwargs"))
    depth, rate = _layers(mapping, default=8, width=fields["w_dim"], low=1)
    fields |= {"num_mapping_layers": depth, **_channels(synthesis)}
    synthesis.only("architecture", "skip")
    synthesis.only("use_noise", True)
    _convolutions(synthesis)
    synthesis.close()
    return fields, rate


def discriminator_settings(network: PickledNetwork) -> tuple[dict[str, Any], float]:
    """The fields that a discriminator tells, and the learning rate of its label mapping.

    Raises:
        UnsupportedNetworkError: it has parts that we do not have; the message names the setting.
    """
    settings = settings_of(network, DISCRIMINATOR_ARGUMENTS)
    fields = {**_picture(settings), **_channels(settings)}
    fields["residual"] = settings.only("architecture", "resnet", "orig") == "resnet"
    width = min(fields["channel_base"] // 4, fields["channel_max"])
    settings.only("cmap_dim", None, width)
    block, epilogue = settings.within("block_kwargs"), settings.within("epilogue_kwargs")
    mapping = settings.within("mapping_kwargs")
    settings.close()
    block.ignore("freeze_layers")
    _convolutions(block)
    block.close()
    fields["num_label_layers"], rate = _layers(mapping, default=8, width=width, low=0)
    # Our group 0 is the whole batch, which theirs says by None.
    fields["deviation_group"] = epilogue.only("mbstd_group_size", 4, None, *range(1, 257)) or 0
    epilogue.only("mbstd_num_channels", 1)
    epilogue.only("activation", "lrelu")
    epilogue.close()
    return fields, rate


def joint_params(
    generator: Mapping[str, Any], discriminator: Mapping[str, Any] | None
) -> StyleGan2Network:
    """One description of both networks.

    Raises:
        UnsupportedNetworkError: they differ in something that ours have in common.
    """
    if discriminator is None:
        return StyleGan2Network(**generator)
    for name in sorted(generator.keys() & discriminator.keys()):
        if generator[name] != discriminator[name]:
            raise UnsupportedNetworkError(
                f"the generator has {name}={generator[name]} and the discriminator "
                f"{discriminator[name]}; ours share it: take the generator only"
            )
    return StyleGan2Network(**{**generator, **discriminator})
