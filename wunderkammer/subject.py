"""A subject: one YAML file, one frozen typed section a stage.

`load_subjects` reads a folder and never raises for a bad file: it returns the good subjects and
the problems, so that one broken recipe does not hide the others.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args
from zoneinfo import available_timezones

from cronsim import CronSim, CronSimError
from pydantic import ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from wunderkammer.crops.params import FilterParams
from wunderkammer.dedupe.params import DedupeParams, PhashParams
from wunderkammer.detect.params import DetectParams, NoDetector, YoloParams
from wunderkammer.detect.training.params import DetectorParams, NoTraining
from wunderkammer.gan.evaluation.params import EvaluateParams
from wunderkammer.gan.params import TrainParams
from wunderkammer.gan.settings import KINDS_WITH_W, check_train
from wunderkammer.params import Params, digest
from wunderkammer.review.params import ReviewParams
from wunderkammer.shards.params import ShardParams
from wunderkammer.sources.params import ScrapeParams
from wunderkammer.strict_yaml import StrictYamlError, read_mapping
from wunderkammer.video.params import VideoParams

SECTIONS = (
    "scrape",
    "detector",
    "detect",
    "filter",
    "review",
    "dedupe",
    "shard",
    "train",
    "video",
    "evaluate",
)

MAX_SHOWN_CHARS = 80
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,62}")


class ScheduleParams(Params):
    """When the source is asked again by itself. Not part of any data version."""

    rescrape_cron: str
    timezone: str = "UTC"

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("allowed: an IANA time zone such as 'Europe/Berlin'")
        return value

    @field_validator("rescrape_cron")
    @classmethod
    def _valid_cron(cls, value: str) -> str:
        allowed = "allowed: five cron fields such as '0 3 * * *'"
        try:
            CronSim(value, datetime(2026, 1, 1, tzinfo=UTC))
        except CronSimError as error:
            raise ValueError(f"{allowed} ({error})") from error
        # CronSim takes a sixth field for seconds; the schedule looks once a minute.
        if len(value.split()) != 5:
            raise ValueError(allowed)
        return value


class SubjectSpec(Params):
    """The whole recipe of one subject.

    One that is not `automatic` waits for a person: `wunderkammer refresh`, or the UI's button.
    """

    description: str = ""
    automatic: bool = True
    scrape: ScrapeParams
    detect: DetectParams = NoDetector()
    filter: FilterParams
    review: ReviewParams = ReviewParams()
    detector: DetectorParams = NoTraining()
    dedupe: DedupeParams = PhashParams()
    shard: ShardParams
    train: TrainParams
    video: VideoParams = VideoParams()
    evaluate: EvaluateParams = EvaluateParams()
    schedule: ScheduleParams | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "SubjectSpec":
        if self.shard.resolution_px > self.filter.size_px:
            raise ValueError(
                f"shard.resolution_px={self.shard.resolution_px} is larger than "
                f"filter.size_px={self.filter.size_px}, the crops would be blown up; "
                f"raise filter.size_px or lower shard.resolution_px"
            )
        check_train(
            self.train, resolution_px=self.shard.resolution_px, channels=self.shard.channels
        )
        if self.train.kind not in KINDS_WITH_W and self.video.truncation_psi != 1.0:
            raise ValueError(
                f"video.truncation_psi={self.video.truncation_psi}: train.kind "
                f"{self.train.kind!r} has no w to truncate; set video.truncation_psi to 1"
            )
        if self.filter.kind == "detected" and self.detect.kind == "none":
            raise ValueError(
                "filter.kind: detected cuts around what a detector finds, and nothing detects; add "
                "a section detect of the kind 'yolo', or take another kind of filter"
            )
        if self.detects_with_own and self.detector.kind == "none":
            raise ValueError(
                "detect.weights: trained needs a section detector that says what to train it on; "
                "add one of the kind 'yolo', or name a file of weights"
            )
        return self

    @property
    def detects_with_own(self) -> bool:
        """Whether `detect.weights` is the detector that is trained for this subject."""
        return isinstance(self.detect, YoloParams) and self.detect.weights == "trained"

    def section(self, name: str) -> Params:
        """The section called `name`, one of `SECTIONS`."""
        if name not in SECTIONS:
            raise KeyError(name)
        section = getattr(self, name)
        assert isinstance(section, Params)
        return section

    def section_digest(self, name: str) -> str:
        """The data version of a section: it changes exactly when its meaning does."""
        return digest(self.section(name).canonical())


@dataclass(frozen=True)
class Subject:
    """A recipe with its name (the file's stem) and the folder that its relative paths start at."""

    name: str
    spec: SubjectSpec
    folder: Path

    def resolve(self, path: str) -> Path:
        """An absolute path; `~` is the home folder, a relative path starts at the subject file."""
        return (self.folder / Path(path).expanduser()).resolve()


@dataclass(frozen=True)
class Problem:
    """One thing wrong in one subject file."""

    file: str
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key + ': ' if self.key else ''}{self.message}"


class SubjectError(ValueError):
    """A subject file that can't be used; `problems` lists everything wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True)
class SubjectFolder:
    """What a folder of subject files holds: the usable ones by name, and every problem."""

    subjects: Mapping[str, Subject] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def __getitem__(self, name: str) -> Subject:
        if name in self.subjects:
            return self.subjects[name]
        own = [p for p in self.problems if Path(p.file).stem == name]
        if own:
            raise SubjectError(own)
        refused = {Path(problem.file).stem for problem in self.problems}
        meant = did_you_mean(name, {*self.subjects, *refused})
        known = ", ".join(sorted(self.subjects)) or "none"
        raise SubjectError([Problem(repr(name), "", f"no such subject{meant} (known: {known})")])


def subjects_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """`WUNDERKAMMER_SUBJECTS`, or `subjects/` beside the project's own packages."""
    named = environ.get("WUNDERKAMMER_SUBJECTS")
    return Path(named).expanduser() if named else Path(__file__).parents[1] / "subjects"


def load_subjects(folder: Path) -> SubjectFolder:
    """Read every `*.yaml` of `folder`; a `*.yml` is a problem.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"the folder of subject files {str(folder)!r} does not exist; "
            f"make it, or set WUNDERKAMMER_SUBJECTS to the one you want"
        )
    subjects: dict[str, Subject] = {}
    problems: list[Problem] = []
    for file in sorted(folder.iterdir()):
        # Editors keep locks and swap files beside a file under a name with a dot in front.
        if file.suffix not in (".yaml", ".yml") or file.name.startswith("."):
            continue
        try:
            subjects[file.stem] = load_subject(file)
        except SubjectError as error:
            problems.extend(error.problems)
    return SubjectFolder(subjects, tuple(problems))


def load_subject(file: Path) -> Subject:
    """Read one subject file.

    Raises:
        SubjectError: with the file, the key, the value and what is allowed, for every fault.
    """
    shown = os.path.relpath(file)
    if file.suffix != ".yaml":
        message = f"the name ends in {file.suffix!r}, allowed: '.yaml'"
        raise SubjectError([Problem(shown, "", message)])
    if not NAME_PATTERN.fullmatch(file.stem):
        allowed = "allowed: small letters, digits and _, a letter first, at most 63"
        raise SubjectError([Problem(shown, "", f"the name {file.stem!r}: {allowed}")])
    try:
        # JSON mode: strict types, yet a YAML list may fill a tuple.
        spec = SubjectSpec.model_validate_json(json.dumps(read_mapping(file)))
    except StrictYamlError as error:
        raise SubjectError([Problem(shown, "", str(error))]) from error
    except ValidationError as error:
        raise SubjectError(_problems(shown, error)) from None
    return Subject(file.stem, spec, file.resolve().parent)


# What people write that YAML takes for something else.
HINTS = {
    "bool_type": "write true or false",
    "int_type": "write a whole number, without quotes",
    "int_from_float": "write a whole number",
    "float_type": "write a number, without quotes",
    "string_type": "write it in quotes, so that it is a text",
}


def _problems(shown: str, error: ValidationError) -> list[Problem]:
    found = [_problem(shown, details) for details in error.errors(include_url=False)]
    # What else a section says can't be judged while its kind is unknown.
    unsure = [p.key.removesuffix("kind") for p in found if p.key.endswith(".kind")]
    return [
        problem
        for problem in found
        if problem.key.endswith(".kind") or not problem.key.startswith(tuple(unsure))
    ]


def _problem(shown: str, details: ErrorDetails) -> Problem:
    key, owner, models = _locate(details["loc"])
    context = details.get("ctx", {})
    value = details["input"]
    if details["type"] in ("union_tag_invalid", "union_tag_not_found"):
        key, value = f"{key}.kind", context.get("tag")
    if details["type"] in ("missing", "union_tag_not_found"):
        kinds = ", ".join(repr(kind) for kind in map(_kind_of, models or (owner,)) if kind)
        one_of = f": one of {kinds}" if key.endswith(".kind") else ""
        return Problem(shown, key, f"this key is required{one_of}")
    if key.endswith(".kind"):
        allowed = context.get("expected_tags") or context.get("expected") or "a known kind"
        return Problem(shown, key, f"{_shown(value)} is not allowed: one of {allowed}")
    if details["type"] == "extra_forbidden":
        allowed = ", ".join(owner.model_fields)
        meant = did_you_mean(key.rpartition(".")[2], owner.model_fields)
        message = f"unknown key (its value: {_shown(value)}){meant}; allowed here: {allowed}"
        return Problem(shown, key, message)
    if details["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return Problem(shown, key, f"{_shown(value)} is not allowed: must be a mapping of settings")
    message = HINTS.get(details["type"]) or details["msg"].removeprefix("Value error, ")
    message = message.removeprefix("Input ")
    if details["type"] == "value_error" and isinstance(value, Mapping):
        return Problem(shown, key, message)
    return Problem(shown, key, f"{_shown(value)} is not allowed: {message}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The known word that is nearest to a wrong one, as the end of a message; else nothing."""
    found = get_close_matches(word, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…"


def _locate(
    location: tuple[int | str, ...],
) -> tuple[str, type[Params], tuple[type[Params], ...]]:
    """The dotted key as it stands in the file, the model that owns its last part, and the models
    that its value may be of.

    Pydantic puts the tag of a discriminated union into the location; the file has no such level.
    """
    owner: type[Params] = SubjectSpec
    models: tuple[type[Params], ...] = (SubjectSpec,)
    parts: list[str] = []
    for part in location:
        tagged = [m for m in models if len(models) > 1 and _kind_of(m) == part]
        if tagged:
            models = (tagged[0],)
            continue
        parts.append(str(part))
        owner = models[0] if models else owner
        field_info = owner.model_fields.get(str(part))
        models = models_in(field_info.annotation) if field_info else ()
    return ".".join(parts), owner, models


def models_in(annotation: Any) -> tuple[type[Params], ...]:
    """The models that a field of this annotation may hold: one, or those of a union."""
    if isinstance(annotation, type) and issubclass(annotation, Params):
        return (annotation,)
    nested = (models_in(argument) for argument in get_args(annotation))
    return tuple(model for models in nested for model in models)


def _kind_of(model: type[Params]) -> str | None:
    kind = model.model_fields.get("kind")
    return get_args(kind.annotation)[0] if kind else None
