"""What a training run is told: a YAML file read into frozen dataclasses. A key that no dataclass knows is an error."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from segmo.errors import SettingsError
from segmo.training.shards import SceneKind

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class DataArguments:
    """Rendered scenes to train on, and others to check on."""

    directory: Path
    """Where the inputs rendered from them are kept; missing ones are rendered."""
    seed: int
    scenes: int
    held_out_seed: int
    held_out_scenes: int
    kinds: tuple[SceneKind, ...]
    workers: int = 2
    """Processes that render."""


@dataclass(frozen=True)
class Augmentation:
    """Probabilities of what is done to a sample, or where it says so to a batch."""

    flip: float = 0.5
    """Each of mirroring left to right, mirroring upside down, and reversing time."""
    missing_gap: float = 0.1
    """A frame is missing, as at the ends of a clip."""
    extrapolated: float = 0.2
    """The long gaps show four times the short ones."""
    broken: float = 0.08
    """The flow over the long gaps is that of another scene."""
    no_parallax: float = 0.25
    """What is along and across epipolar lines is unknown."""
    smaller: float = 0.25
    """A batch is shrunk to three quarters."""
    cropped: float = 0.25
    """A batch is cut to three quarters."""


@dataclass(frozen=True)
class TrainArguments:
    """One training run."""

    output: Path
    """Folder of the checkpoint, the log and the final weights."""
    data: DataArguments
    seed: int = 0
    widths: tuple[int, ...] = (24, 48, 80, 128)
    """Channels at a half, a quarter, an eighth and a sixteenth."""
    iterations: int = 10000
    batch: int = 12
    learning_rate: float = 2e-3
    warm_up: int = 200
    """Iterations of rising learning rate; it then falls as a half cosine."""
    weight_decay: float = 1e-2
    largest_gradient: float = 5.0
    dice_weight: float = 0.5
    average_decay: float = 0.999
    """Of the moving average of the weights, which is what is kept."""
    precision: str = "float32"
    """float32, or bfloat16 where the processor multiplies matrices of it."""
    threads: int = 0
    """Of torch; 0 leaves the number alone."""
    device: str = "cpu"
    check_every: int = 500
    """Iterations between scores on held-out scenes, each with a checkpoint."""
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if self.precision not in ("float32", "bfloat16"):
            raise SettingsError(f"precision is {self.precision!r}. Give float32 or bfloat16.")
        for name in ("iterations", "batch", "check_every"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} is {getattr(self, name)}. Give at least 1.")
        if len(self.widths) != 4:
            raise SettingsError(f"widths are {self.widths}. Give four numbers of channels.")


def read_arguments(path: Path) -> TrainArguments:
    """Arguments of a YAML file; paths in it are relative to the current folder.

    Raises:
        SettingsError: the file cannot be read, or a key is unknown, missing or of the wrong type.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} cannot be read as YAML: {error}. Give a file such as segmo/training/configs/lite.yaml.") from error
    return _build(TrainArguments, content, str(path))


def _build(kind: type[Kind], content: Any, where: str) -> Kind:
    if not isinstance(content, dict):
        raise SettingsError(f"{where} holds {content!r}. Give a mapping of names to values.")
    types = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(map(str, set(content) - set(fields)))
    if unknown:
        raise SettingsError(f"{where} has unknown keys: {', '.join(unknown)}. Known are {', '.join(fields)}.")
    missing = [n for n, f in fields.items() if n not in content and f.default is f.default_factory is dataclasses.MISSING]
    if missing:
        raise SettingsError(f"{where} lacks {', '.join(missing)}. Add a line for each.")
    return kind(**{name: _value(types[name], value, f"{where}: {name}") for name, value in content.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise SettingsError(f"{where} is {value!r}. Give a list.")
        inner = typing.get_args(kind)[0]
        return tuple(_scene_kind(item, where) if inner is SceneKind else _value(inner, item, where) for item in value)
    if dataclasses.is_dataclass(kind):
        return _build(typing.cast(Any, kind), value, where)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind is not Path and type(value) is kind:
        return value
    raise SettingsError(f"{where} is {value!r}. Give a {'path' if kind is Path else kind.__name__}.")


def _scene_kind(content: Any, where: str) -> SceneKind:
    if not isinstance(content, dict) or not isinstance(content.get("share"), int | float):
        raise SettingsError(f"{where} has {content!r}. Give each kind a share and fields of SceneConfig.")
    kind = SceneKind(float(content["share"]), {name: value for name, value in content.items() if name != "share"})
    try:
        _ = kind.config
    except TypeError as error:
        raise SettingsError(f"{where} has an unknown field: {error}. Give fields of segmo.synthetic.SceneConfig.") from error
    return kind
