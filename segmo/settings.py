"""Every setting a user can change, one frozen dataclass a stage; the app's controls and the command line's flags derive from them.

Only what changes a result is here. Each dataclass holds what matters to its stage, so that the cache can key a stage's
product on that dataclass alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from segmo.errors import SettingsError

PRESETS = ("lite", "paper", "paper-fast")


def option(
    default: Any,
    label: str,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    step: float | None = None,
    choices: tuple[str, ...] = (),
    flag: str = "",
    advanced: bool = False,
) -> Any:
    """A dataclass field that carries what a control or flag needs: label, help, range, and the flag's name."""
    metadata = {
        "label": label,
        "help": help,
        "minimum": minimum,
        "maximum": maximum,
        "step": step,
        "choices": choices,
        "flag": flag,
        "advanced": advanced,
    }
    return field(default=default, metadata=metadata)


def _check_ranges(settings: Any) -> None:
    for spec in dataclasses.fields(settings):
        value, meta = getattr(settings, spec.name), spec.metadata
        if not meta:
            group: Any = spec.default_factory
            if group is not dataclasses.MISSING and not isinstance(value, group):
                raise SettingsError(f"{spec.name} is {value!r}. Give it as {group.__name__}.")
            continue
        if meta["choices"]:
            if value not in meta["choices"]:
                raise SettingsError(f"{meta['label']} is {value!r}. Choose one of {', '.join(meta['choices'])}.")
            continue
        if value is None and spec.default is None:
            continue
        value = _as_kind(meta["label"], value, float if spec.default is None else type(spec.default))
        object.__setattr__(settings, spec.name, value)
        low, high = meta["minimum"], meta["maximum"]
        if (low is not None and value < low) or (high is not None and value > high):
            limits = f"from {low:g} to {high:.10g}" if high is not None else f"of at least {low:g}"
            raise SettingsError(f"{meta['label']} is {value!r}. Give a value {limits}.")


def _as_kind(label: str, value: Any, kind: type) -> Any:
    """The value as bool, int or float, so that 3 and 3.0 are one setting with one cache key."""
    if isinstance(value, bool) == (kind is bool):
        if kind is bool:
            return value
        if isinstance(value, Real) and math.isfinite(value) and kind(value) == value:
            return kind(value)
    wanted = {bool: "True or False", int: "a whole number"}.get(kind, "a number")
    raise SettingsError(f"{label} is {value!r}. Give {wanted}.")


def _as_correction(value: Any) -> Correction:
    """A correction from what `Settings.to_dict` made of it."""
    if isinstance(value, Correction):
        return value
    if not isinstance(value, Mapping) or set(value) != set(_names(Correction)):
        raise SettingsError(f"A correction is {value!r}. Give {', '.join(_names(Correction))}.")
    return Correction(**value)


@dataclass(frozen=True)
class FrameSettings:
    """Which frames of the clip are used, and at what size."""

    efficiency: bool = option(
        True,
        "Efficiency mode",
        "At most 100 frames, spread evenly over the clip, and at most 1000 px on the longer side.",
        flag="--efficiency",
    )
    max_frames: int = option(
        0,
        "Maximum frames",
        "Use at most this many frames, spread evenly; 0 = no limit.",
        minimum=0,
        maximum=2000,
        step=1,
        flag="--max-frames",
    )
    max_side: int = option(
        0, "Maximum side", "Shrink frames to this longer side in pixels; 0 = no limit.", minimum=0, maximum=4096, step=16, flag="--max-side"
    )
    start_s: float = option(0.0, "Start", "Skip this many seconds at the start.", minimum=0, maximum=86400, step=0.1, flag="--start")
    length_s: float = option(0.0, "Length", "Use this many seconds; 0 = to the end.", minimum=0, maximum=86400, step=0.1, flag="--seconds")

    def __post_init__(self) -> None:
        _check_ranges(self)


@dataclass(frozen=True)
class QuerySettings:
    """On which frames tracks start and features are computed."""

    stride: int = option(
        10,
        "Query-frame stride",
        "Tracks start on every n-th frame; smaller is better and slower.",
        minimum=1,
        maximum=100,
        step=1,
        flag="--stride",
    )

    def __post_init__(self) -> None:
        _check_ranges(self)


@dataclass(frozen=True)
class TrackSettings:
    """How many points are tracked."""

    max_tracks: int = option(
        5000,
        "Maximum tracks",
        "Trajectories kept, drawn at random from the grids of all query frames.",
        minimum=100,
        maximum=100000,
        step=100,
        flag="--max-tracks",
        advanced=True,
    )
    seed: int = option(
        0, "Seed", "Seeds everything random; the same seed gives the same result.", minimum=0, maximum=2**31 - 1, step=1, flag="--seed"
    )

    def __post_init__(self) -> None:
        _check_ranges(self)


@dataclass(frozen=True)
class MotionSettings:
    """When a track counts as moving."""

    threshold: float | None = option(
        None,
        "Motion threshold",
        "Probability above which a track moves; auto adapts to the clip and can say that nothing moves.",
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        flag="--threshold",
    )
    always_moves: bool = option(
        False,
        "Always find motion",
        "Skip the test whether anything moves at all, which the published code lacks; for comparison. Only with the automatic threshold.",
        flag="--always-moves",
        advanced=True,
    )

    def __post_init__(self) -> None:
        _check_ranges(self)


@dataclass(frozen=True)
class Correction:
    """What a click on a frame says about what lies there: "this moves too", or "this does not"."""

    frame: int
    """Index of the frame in the source."""
    x: float
    """Share of the width from the left, in [0, 1], so that it holds at any size."""
    y: float
    """Share of the height from the top, in [0, 1]."""
    moves: bool

    def __post_init__(self) -> None:
        for name, kind in (("frame", int), ("x", float), ("y", float), ("moves", bool)):
            object.__setattr__(self, name, _as_kind(f"{name} of a correction", getattr(self, name), kind))
        for name in ("x", "y"):  # at so many digits a click is one setting, however it was written down
            object.__setattr__(self, name, round(getattr(self, name), 4))
        if self.frame < 0 or not (0 <= self.x <= 1 and 0 <= self.y <= 1):
            raise SettingsError(f"The correction {self} lies outside the clip. Give a frame of at least 0, and x and y from 0 to 1.")

    def __str__(self) -> str:
        """As on the command line: FRAME,X,Y,+ for what moves and FRAME,X,Y,- for what does not."""
        return f"{self.frame},{self.x:g},{self.y:g},{'+' if self.moves else '-'}"

    @classmethod
    def parse(cls, text: str) -> Correction:
        """Inverse of `str`. Anything else is a SettingsError."""
        try:
            frame, x, y, sign = text.split(",")
            return cls(int(frame), float(x), float(y), {"+": True, "-": False}[sign])
        except (ValueError, KeyError) as error:
            wanted = "FRAME,X,Y,+ or FRAME,X,Y,-, for example 12,0.5,0.25,+"
            raise SettingsError(f"The correction {text!r} cannot be read. Give it as {wanted}.") from error


@dataclass(frozen=True)
class MaskSettings:
    """What becomes an object."""

    max_objects: int = option(
        10,
        "Maximum objects",
        "Keep at most this many objects, the largest first; with lite, those that you click on come on top.",
        minimum=1,
        maximum=255,
        step=1,
        flag="--max-objects",
        advanced=True,
    )
    min_area: float = option(
        0.0005,
        "Minimum area",
        "Drop objects that cover less than this share of the frames that show them; with lite, what shows only briefly must be larger.",
        minimum=0.0,
        maximum=0.5,
        step=0.0001,
        flag="--min-area",
        advanced=True,
    )
    corrections: tuple[Correction, ...] = ()
    """Clicks, in the order in which they were made; they belong to one clip, so no control or flag is derived from them."""

    def __post_init__(self) -> None:
        _check_ranges(self)
        object.__setattr__(self, "corrections", tuple(map(_as_correction, self.corrections)))


def _model(label: str, flag: str, *names: str) -> Any:
    help = "Model of this stage alone, whatever the preset."
    return option("preset", label, help, choices=("preset", "lite", *names), flag=flag, advanced=True)


@dataclass(frozen=True)
class ModelSettings:
    """A model for one stage alone, by its name in `segmo/zoo/registry.py`; "preset" leaves the choice to the preset."""

    depth: str = _model("Depth model", "--depth-model", "depth-anything-v2-small", "depth-anything-v2-base", "depth-anything-v2-large")
    tracks: str = _model("Tracks model", "--tracks-model", "bootstapir", "tapir", "cotracker3", "tapnet-deepmind")
    features: str = _model("Features model", "--features-model", "dinov2-small", "dinov2-base", "dinov2-large")
    motion: str = _model("Motion model", "--motion-model", "moseg")
    masks: str = _model(
        "Masks model",
        "--masks-model",
        "sam2-large",
        "sam2.1-tiny",
        "sam2.1-small",
        "sam2.1-base-plus",
        "sam2.1-large",
        "edgetam",
        "sam2-meta",
    )

    def __post_init__(self) -> None:
        _check_ranges(self)


@dataclass(frozen=True)
class Settings:
    """All settings of a run. `preset` picks the model of every stage."""

    preset: str = option(
        "lite",
        "Preset",
        "lite runs anywhere without a download; paper uses the published models; paper-fast uses smaller ones.",
        choices=PRESETS,
        flag="--preset",
    )
    frames: FrameSettings = field(default_factory=FrameSettings)
    query: QuerySettings = field(default_factory=QuerySettings)
    tracks: TrackSettings = field(default_factory=TrackSettings)
    motion: MotionSettings = field(default_factory=MotionSettings)
    masks: MaskSettings = field(default_factory=MaskSettings)
    models: ModelSettings = field(default_factory=ModelSettings)

    def __post_init__(self) -> None:
        _check_ranges(self)

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, for run.json and for keys."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """Inverse of `to_dict`. Unknown names are a SettingsError that lists the known ones."""
        defaults = cls()
        arguments: dict[str, Any] = {}
        for name, value in values.items():
            if name not in _names(cls):
                raise SettingsError(f"Unknown setting {name!r}. Known are {', '.join(_names(cls))}.")
            if isinstance(value, Mapping):
                group = type(getattr(defaults, name))
                unknown = sorted(set(value) - set(_names(group)))
                if unknown:
                    raise SettingsError(f"Unknown setting {name}.{unknown[0]}. Known are {', '.join(_names(group))}.")
                value = group(**value)
            arguments[name] = value
        return cls(**arguments)


@dataclass(frozen=True)
class Option:
    """One setting as a control or flag sees it."""

    path: tuple[str, ...]
    default: Any
    label: str
    help: str
    minimum: float | None
    maximum: float | None
    step: float | None
    choices: tuple[str, ...]
    flag: str
    advanced: bool


def iter_options() -> Iterator[Option]:
    """All options of `Settings` in order; `path` is ("preset",) or (group, name)."""
    defaults = Settings()
    for spec in dataclasses.fields(Settings):
        if spec.metadata:
            yield Option((spec.name,), getattr(defaults, spec.name), **spec.metadata)
            continue
        group = getattr(defaults, spec.name)
        for sub in filter(lambda sub: sub.metadata, dataclasses.fields(group)):
            yield Option((spec.name, sub.name), getattr(group, sub.name), **sub.metadata)


def with_values(settings: Settings, values: Mapping[tuple[str, ...], Any]) -> Settings:
    """A copy of `settings` with the options at the given paths replaced."""
    changed = settings.to_dict()
    for path, value in values.items():
        target = changed
        for name in path[:-1]:
            target = target[name]
        target[path[-1]] = value
    return Settings.from_dict(changed)


def _names(kind: type) -> list[str]:
    return [spec.name for spec in dataclasses.fields(kind)]
