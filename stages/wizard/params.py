"""params.yaml as typed, bounded, immutable settings."""

import difflib
import re
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from wizard.console import BadSetting, bare
from wizard.runs import BASELINE, MODEL, RESERVED

RESULTS = "data/own/results"
MAX_FILE_BYTES = 100_000
CONTENDER = re.compile("[a-z0-9][a-z0-9_-]{0,39}")
UNKNOWN = ("extra_forbidden", "invalid_key")  # what pydantic calls a key that no block has

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
# Which names there are is known to the room that has their table.
Name = Annotated[str, Field(min_length=1)]
Weight = Annotated[float, Field(ge=0)]
Steps = Annotated[int, Field(ge=1)]
Batch = Annotated[int, Field(ge=1, le=4096)]
Rate = Annotated[float, Field(gt=0, le=0.1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


class Block(BaseModel):
    """One block of params.yaml: unknown keys are refused, values are not converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Fetch(Block):
    source: Annotated[str, Field(min_length=1)]
    split: str
    revision: str | None
    column: str | None
    caption_column: str | None
    metadata: str | None
    start: Annotated[int, Field(ge=0)]
    count: Annotated[int, Field(ge=1)] | None
    fit: Literal["square", "whole"]
    side: Annotated[int, Field(ge=32, le=4096, multiple_of=8)]
    max_pixels: Annotated[int, Field(ge=1024)]

    @model_validator(mode="after")
    def _results_are_no_photographs(self):
        results = Path(RESULTS).resolve()
        shown = repr(bare(self.source))
        try:
            pattern = Path(self.source.removeprefix("file://")).expanduser().resolve()
        except (RuntimeError, OSError, ValueError) as error:  # unknown ~user, links in a circle
            raise ValueError(f"source = {shown}: no such path: {error}") from None
        fixed = Path(re.split(r"[*?\[]", str(pattern))[0])
        within = results.is_relative_to(pattern) or fixed.is_relative_to(results)
        if within or any(fnmatch(str(results), str(one)) for one in (pattern, pattern.parent)):
            raise ValueError(
                f"source = {shown}: includes {RESULTS}, where stages/finish.py writes; give the "
                "folder of the originals alone"
            )
        return self


class Mask(Block):
    shape: Name
    ratio: Fraction | Annotated[list[Fraction], Field(min_length=2, max_length=2)] | None
    variant: str | None
    per_image: Annotated[int, Field(ge=1, le=999)] | Literal["auto"]
    folder: Annotated[str, Field(min_length=1)]
    pairing: Literal["name", "shuffle"]
    hole: Literal["white", "black"]
    seed: Seed

    @model_validator(mode="after")
    def _range_ascends(self):
        if isinstance(self.ratio, list) and self.ratio[0] > self.ratio[1]:
            raise ValueError(f"ratio = {self.ratio}: give [low, high] with low ≤ high")
        return self


class Lora(Block):
    path: Annotated[str, Field(min_length=1)]
    weight: Annotated[float, Field(ge=-4, le=4)]


class Method(Block):
    """What makes a method: the settings in which contenders may differ from their block."""

    backend: Name
    model: Annotated[str, Field(min_length=1)]
    revision: str | None
    variant: str | None
    prompt: str
    negative_prompt: str
    num_inference_steps: Annotated[int, Field(ge=1, le=1000)]
    guidance_scale: Annotated[float, Field(ge=0, le=50)]
    strength: Annotated[float, Field(gt=0, le=1)]
    scheduler: (
        Literal[
            "DDIMScheduler",
            "DPMSolverMultistepScheduler",
            "EulerDiscreteScheduler",
            "EulerAncestralDiscreteScheduler",
            "LCMScheduler",
            "PNDMScheduler",
            "UniPCMultistepScheduler",
        ]
        | None
    )
    vae: Annotated[str, Field(min_length=1)] | None
    lora: Lora | None
    side: Annotated[int, Field(ge=64, le=4096, multiple_of=8)] | None
    context: Annotated[float, Field(ge=1, le=8)]
    prefill: Literal["mean", "telea"]

    @model_validator(mode="after")
    def _possible(self):
        if int(self.num_inference_steps * self.strength) < 1:
            raise ValueError(
                f"num_inference_steps = {self.num_inference_steps}: times strength {self.strength} "
                "leaves no denoising step; raise either until their product is 1 or more"
            )
        if self.negative_prompt and self.guidance_scale <= 1:
            raise ValueError(
                f"negative_prompt = {self.negative_prompt!r}: has no effect at guidance_scale "
                f"{self.guidance_scale}; raise guidance_scale above 1 or empty the prompt"
            )
        return self


class Inpaint(Method):
    baseline: Name
    contenders: dict[str, dict[str, Any]]
    grow: Annotated[int, Field(ge=0, le=1024)]
    feather: Annotated[int, Field(ge=0, le=1024)]
    samples_per_mask: Annotated[int, Field(ge=1, le=100)]
    keep_raw: bool
    self_consistency: Annotated[int, Field(ge=0, le=100)]
    seed: Seed

    @model_validator(mode="after")
    def _samples_differ(self):
        if self.backend != "diffusers" and self.samples_per_mask > 1:
            raise ValueError(
                f"samples_per_mask = {self.samples_per_mask}: backend {self.backend} has no "
                "randomness, every sample would be the same; set it to 1"
            )
        return self

    @model_validator(mode="after")
    def _hidden_pixels_stay_hidden(self):
        if self.feather > self.grow:
            raise ValueError(
                f"feather = {self.feather}: more than grow = {self.grow}, so that what the hole "
                "hides would show through; raise grow or lower feather"
            )
        return self

    @model_validator(mode="after")
    def _contenders_are_methods(self):
        for name, changes in self.contenders.items():
            if not CONTENDER.fullmatch(name) or name in RESERVED:
                raise ValueError(
                    f"contenders.{name}: use 1 to 40 lowercase letters, digits, - and _, and none "
                    f"of the names {', '.join(RESERVED)}"
                )
            for key in changes.keys() - Method.model_fields:
                raise ValueError(
                    f"contenders.{name}.{key}: not a setting in which a method may differ; "
                    f"allowed: {', '.join(Method.model_fields)}"
                )
            try:
                self._with(changes)
            except ValidationError as error:
                first = error.errors()[0]
                told = _explain(first | {"loc": ("inpaint", *first["loc"])})
                raise ValueError(told.replace("inpaint.", f"contenders.{name}.", 1)) from None
        return self

    def methods(self) -> dict[str, Method]:
        """Every method by its name: the model, the baseline, then the contenders."""
        changes = {MODEL: {}, BASELINE: {"backend": self.baseline}} | self.contenders
        return {name: self._with(own) for name, own in changes.items()}

    def method_settings(self) -> dict[str, dict]:
        """The settings of every method as plain values, by its name."""
        return {name: one.model_dump(mode="json") for name, one in self.methods().items()}

    def _with(self, changes: dict[str, Any]) -> Method:
        return Method.model_validate(self.model_dump(include=set(Method.model_fields)) | changes)


class Evaluate(Block):
    reference: Literal["original", "none"]
    ssim_target: Annotated[float, Field(ge=-1, le=1)]
    ring_px: Annotated[int, Field(ge=1, le=256)]
    hole_bins: Annotated[float, Field(ge=0.01, le=1)]
    bootstrap: Annotated[int, Field(ge=100, le=100_000)]
    learned: list[Name]
    dino: Annotated[str, Field(min_length=1)]
    clip: Annotated[str, Field(min_length=1)]
    seed: Seed


class Plot(Block):
    review_images: Annotated[int, Field(ge=1, le=400)]
    dpi: Annotated[int, Field(ge=50, le=600)]
    seed: Seed


class Runtime(Block):
    device: Literal["auto", "cpu", "mps", "cuda"] | Annotated[str, Field(pattern=r"^cuda:\d+$")]
    dtype: Literal["auto", "float32", "float16", "bfloat16"]
    batch_size: Annotated[int, Field(ge=1, le=1024)]
    compile: bool
    runner: Literal["local", "ray"]
    address: Annotated[str, Field(min_length=1)] | None
    cpus_per_actor: Annotated[int, Field(ge=1, le=1024)]
    workers: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"]
    max_failures: Annotated[int, Field(ge=0)]
    cache_gb: Annotated[float, Field(ge=0, le=1_000_000)]

    @model_validator(mode="after")
    def _gpus_are_rays_to_give(self):
        if self.runner == "ray" and self.device.startswith("cuda:"):
            raise ValueError(
                f"device = {self.device!r}: with runner ray, Ray gives each worker its GPU; "
                "set it to auto, cuda or cpu"
            )
        return self


class Train(Block):
    side: Annotated[int, Field(ge=32, le=1024, multiple_of=32)]
    seed: Seed


class Autoencoder(Block):
    channels: Annotated[list[Annotated[int, Field(ge=16, multiple_of=16)]], Field(min_length=2)]
    steps: Steps
    batch_size: Batch
    crop: Annotated[int, Field(ge=16, multiple_of=8)]
    learning_rate: Rate
    gradient: Weight
    kl: Weight


class Refine(Block):
    steps: Steps
    batch_size: Batch
    crop: Annotated[int, Field(ge=16, multiple_of=8)]
    learning_rate: Rate
    gradient: Weight
    perceptual: Weight
    adversarial: Weight
    adversarial_start: Annotated[int, Field(ge=0)]
    discriminator_channels: Annotated[int, Field(ge=8, multiple_of=8)]


class Denoiser(Block):
    channels: Annotated[list[Annotated[int, Field(ge=32, multiple_of=32)]], Field(min_length=2)]
    steps: Steps
    batch_size: Batch
    learning_rate: Rate
    ema_decay: Decay
    ratio: Annotated[list[Fraction], Field(min_length=2, max_length=2)]
    holes: Annotated[int, Field(ge=1)]
    known: Weight
    terminal: Annotated[float, Field(ge=0, le=1)]
    high_noise: Annotated[float, Field(gt=0)]
    caption_dropout: Annotated[float, Field(ge=0, le=1)]


class Finish(Block):
    steps: Steps
    batch_size: Batch
    holes: Annotated[int, Field(ge=1)]
    window: Annotated[int, Field(ge=32, multiple_of=8)]
    whole: Annotated[float, Field(ge=0, le=1)]
    learning_rate: Rate
    decoder_factor: Annotated[float, Field(gt=0, le=100)]
    cooldown: Annotated[float, Field(ge=0, le=1)]
    ema_decay: Decay
    known: Weight
    gradient: Weight
    latent: Weight
    multi_step: Annotated[int, Field(ge=0)]
    perceptual: Weight
    adversarial: Weight
    adversarial_start: Annotated[int, Field(ge=0)]
    feature_matching: Weight
    discriminator_channels: Annotated[int, Field(ge=8, multiple_of=8)]
    caption_dropout: Annotated[float, Field(ge=0, le=1)]


class Params(Block):
    fetch: Fetch
    mask: Mask
    inpaint: Inpaint
    evaluate: Evaluate
    plot: Plot
    runtime: Runtime
    train: Train
    autoencoder: Autoencoder
    refine: Refine
    denoiser: Denoiser
    finish: Finish


# The model of each block, for messages about it.
BLOCKS: dict[str, Any] = {name: field.annotation for name, field in Params.model_fields.items()}


class _PlainLoader(yaml.SafeLoader):
    """Plain values by the rules of YAML 1.2, by which DVC reads and compares them.

    No aliases (a few lines of them can expand to gigabytes), no tags or directives (which would
    change the rules), no key given twice. ``no`` is text, ``010`` is ten.
    """

    yaml_implicit_resolvers = {
        first: [one for one in known if one[0].rpartition(":")[2] not in ("bool", "int", "float")]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent, index):
        event = self.peek_event()
        refused = {
            "aliases": self.check_event(yaml.AliasEvent),
            "tags such as !!int": getattr(event, "tag", None) is not None,
            "directives such as %YAML": self.yaml_version is not None,
        }
        for what, found in refused.items():
            if found:
                mark = event.start_mark
                raise yaml.MarkedYAMLError(problem=f"{what} are not allowed", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                mark = node.value[position][0].start_mark
                raise yaml.MarkedYAMLError(problem=f"key {key!r} given twice", problem_mark=mark)
        return super().construct_mapping(node, deep)

    def construct_number(self, node) -> int | float | str:
        text = node.value.replace("_", "").lower()
        try:
            if node.tag.endswith("int"):
                base = {"0b": 2, "0o": 8, "0x": 16}.get(text.lstrip("+-")[:2], 10)
                return int(text, base)
            return float(text.replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            return node.value  # thousands of digits: as text, the check of its setting names it


# The order matters: the first that matches counts, and every whole number is a float as well.
for _kind, _pattern in {
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9_]+)",
    "float": r"[-+]?([0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9_]+([eE][-+][0-9]+)?)"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}.items():
    _firsts = list("tTfF" if _kind == "bool" else "-+0123456789.")
    _PlainLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}", re.compile(f"^({_pattern})$"), _firsts
    )
for _kind in ("int", "float"):
    _PlainLoader.add_constructor(f"tag:yaml.org,2002:{_kind}", _PlainLoader.construct_number)


def load(path: Path | str = "params.yaml") -> Params:
    """Read and check all settings.

    Raises BadSetting with one line naming the first wrong key, its value and what is allowed.
    """
    try:
        if Path(path).stat().st_size > MAX_FILE_BYTES:
            raise BadSetting(
                f"{path}: larger than {MAX_FILE_BYTES} bytes; settings are a page of text"
            )
        with open(path, encoding="utf-8") as file:
            # SafeLoader's subclass: nothing but plain values can come out of it.
            content = yaml.load(file, Loader=_PlainLoader)
    except OSError as error:
        raise BadSetting(
            f"{path}: {error.strerror}; run from the repository's top folder"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise BadSetting(f"{path}: not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise BadSetting(f"{path}: blocks expected: {', '.join(Params.model_fields)}")
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        # A mistyped key is both unknown and missing: naming the typo is what helps.
        first = min(error.errors(), key=lambda one: one["type"] not in UNKNOWN)
        raise BadSetting(f"{path}: {_explain(first)}") from None


def _explain(error: Mapping) -> str:
    """One pydantic error as one line: key = value: what is allowed."""
    place = [str(part) for part in error["loc"]]
    block = BLOCKS.get(place[0], Params) if place else Params
    fields = block.model_fields
    if place[:2] == ["inpaint", "lora"]:
        fields = Lora.model_fields
    # Union members add their own type name behind the key; a reader knows the key only.
    key = ".".join(place[:3] if fields is Lora.model_fields else place[:2])
    if error["type"] in UNKNOWN:
        near = "" if key.count(".") > 1 else _nearest(place[:2])
        return f"{key}: unknown key; {near}allowed: {', '.join(fields)}"
    if error["type"] == "missing":
        return f"{key}: missing; add it (git show HEAD:params.yaml has the default)"
    if error["type"] == "value_error":
        return f"{key}.{error['ctx']['error']}"
    value = repr(error["input"])
    return f"{key} = {value if len(value) < 80 else value[:77] + '…'}: {_allowed(place, error)}"


def _nearest(place: list[str]) -> str:
    """The known key that was probably meant, as the beginning of an answer, or nothing."""
    blocks = {name: block.model_fields for name, block in BLOCKS.items()}
    if len(place) == 1:
        near = difflib.get_close_matches(place[0], blocks)
    else:
        block, key = place
        near = [f"{block}.{one}" for one in difflib.get_close_matches(key, blocks[block])]
        near += [f"{name}.{key}" for name, keys in blocks.items() if key in keys]
    return f"did you mean {near[0]}? " if near else ""


def _allowed(place: list[str], error: Mapping) -> str:
    """What a field accepts, from its JSON schema: pydantic names one member of a union only."""
    if len(place) < 2:
        return error["msg"]
    block = BLOCKS[place[0]]
    if place[1:2] == ["lora"] and place[2:]:
        block, place = Lora, place[1:]
    schema = block.model_json_schema()["properties"][place[1]]
    return "allowed: " + " or ".join(_describe(member) for member in schema.get("anyOf", [schema]))


def _describe(schema: dict) -> str:
    if "$ref" in schema:
        return f"{{{', '.join(Lora.model_fields)}}}"
    if "enum" in schema:
        return ", ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"a list of {schema.get('minItems', 'any')} of ({_describe(schema['items'])})"
    names = {
        "integer": "a whole number",
        "number": "a number",
        "string": "text",
        "boolean": "true, false",
        "object": "a mapping from names to settings",
    }
    signs = {
        "minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<",
        "multipleOf": "a multiple of", "pattern": "matching", "minLength": "of length ≥",
    }  # fmt: skip
    bounds = [f"{sign} {schema[name]}" for name, sign in signs.items() if name in schema]
    return " ".join([names.get(schema["type"], schema["type"]), ", ".join(bounds)]).strip()
