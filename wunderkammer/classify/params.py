"""The settings that judge crops by what a network sees in them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from wunderkammer.params import Params

Triple = tuple[float, float, float]
Scale = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class BackboneParams(Params):
    """A network in a file of this machine.

    `weights` is a path that starts at the subject file, or a bare name such as `resnet50.pth`,
    which is looked for beside the subject file and in the folder that WUNDERKAMMER_WEIGHTS names
    (else `data/weights`). Nothing is ever downloaded. `sha256` pins the file.

    An `.onnx` file says itself what it is; `output` names one of its outputs, else the first is
    taken. A `.safetensors`, `.pth` or `.pt` file holds weights only and needs its `architecture`:
    a name of torchvision such as `resnet50`, or `timm/` and one of timm, if that is installed.

    Crops are resized to `input_px` (else what the ONNX file asks for, else 224), divided by 255,
    less `mean`, by `std`; these are ImageNet's unless they are given.
    """

    weights: Annotated[str, Field(min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    architecture: Annotated[str, Field(pattern=r"^(timm/)?[a-z0-9_.]+$")] | None = None
    output: Annotated[str, Field(min_length=1)] | None = None
    input_px: Annotated[int, Field(ge=16, le=2048)] | None = None
    mean: Triple = (0.485, 0.456, 0.406)
    std: tuple[Scale, Scale, Scale] = (0.229, 0.224, 0.225)


class ClassifyParams(BackboneParams):
    """Crops are kept by the class that a classifier gives them.

    `classes` are the wanted ones, by name, id or number. `labels` are the names of all classes in
    the order of the network's outputs: a list, a file (a line a class, or JSON), or `imagenet` for
    those of ImageNet-1k; without them classes go by number. A line such as `n04033995 quilt, throw`
    makes its class known as the whole line, `n04033995`, `quilt` and `throw`.

    `rule: top1` keeps crops whose likeliest class is a wanted one, `min_probability` those whose
    wanted classes have that probability together. Another rule, probability or choice of classes
    looks at no crop again.
    """

    classes: Annotated[tuple[str | int, ...], Field(min_length=1)]
    labels: str | tuple[str, ...] | None = None
    rule: Literal["top1", "min_probability"] = "top1"
    min_probability: Share = 0.5

    @model_validator(mode="after")
    def _consistent(self) -> "ClassifyParams":
        numbers = [name for name in self.classes if isinstance(name, int)]
        if any(number < 0 for number in numbers):
            raise ValueError(f"classes={numbers}: numbers of classes begin at 0")
        if self.labels is None and len(numbers) < len(self.classes):
            names = [name for name in self.classes if isinstance(name, str)]
            raise ValueError(f"classes={names} need labels; add them, or give the classes' numbers")
        if self.rule == "top1" and "min_probability" in self.model_fields_set:
            raise ValueError("min_probability counts only with rule: min_probability; set that")
        return self


class SimilarParams(BackboneParams):
    """Crops are kept by their likeness to a few example pictures.

    `examples` is a folder, relative to the subject file, of pictures that you like. A crop's
    `similarity` is the cosine of the angle between its embedding and that of the nearest example,
    of -1 to 1; it must be at least `min_similarity`. Of a classifier's weights the embedding is
    what goes into its last linear layer.
    """

    examples: Annotated[str, Field(min_length=1)]
    min_similarity: Annotated[float, Field(ge=-1, le=1)] = 0.5


class OutlierParams(BackboneParams):
    """Crops unlike all others of the subject are rejected.

    The outlier score is the mean of 1 - cosine between a crop's embedding and those of the `k`
    crops nearest to it, of 0 to 2; it may be at most `max_score`.
    """

    k: Annotated[int, Field(ge=1, le=1000)] = 10
    max_score: Annotated[float, Field(ge=0, le=2)] = 0.5
