"""What a training run is told: a YAML file read into frozen dataclasses. A key that no dataclass knows is an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from segmo.errors import SettingsError
from segmo.networks.motion_net import MotionNetConfig
from segmo.training.config import as_yaml, build, read_yaml, with_changes
from segmo.training.shards import SceneKind


def _check(arguments: Any, least: Mapping[str, float], shares: Sequence[str] = ()) -> None:
    """Refuse values that are out of range: below their least, or, of `shares`, not from 0 to 1.

    Raises:
        SettingsError: there is one.
    """
    for name, low in least.items():
        if not getattr(arguments, name) >= low:  # NaN is none of these either
            raise SettingsError(f"{name} is {getattr(arguments, name)}. Give at least {low:g}.")
    for name in shares:
        if not 0 <= getattr(arguments, name) <= 1:
            raise SettingsError(f"{name} is {getattr(arguments, name)}. Give 0 to 1.")


def _check_kinds(kinds: Sequence[SceneKind]) -> None:
    shares = [kind.share for kind in kinds]
    if not (min(shares, default=0) >= 0 and sum(shares) > 0):
        raise SettingsError(f"The shares of the kinds of scenes are {shares}. Give at least one above 0, and none below.")


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

    def __post_init__(self) -> None:
        _check(self, {"seed": 0, "scenes": 1, "held_out_seed": 0, "held_out_scenes": 1})
        _check_kinds(self.kinds)


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
class FusionAugmentation:
    """Probabilities of what is done to a sample of the second network."""

    mirrored: float = 0.5
    """Left to right."""
    upside_down: float = 0.25
    recoloured: float = 0.8
    """Brightness is shifted and stretched, colours are turned, faded or strengthened."""
    negative: float = 0.25
    """Of those, some become negatives."""
    patched: float = 0.5
    """Parts of the picture have other colours than the rest, and the colours of the clip say something else there."""
    unseen: float = 0.15
    """The picture is left out."""
    unmodelled: float = 0.15
    """What the colours of the clip say is left out."""
    cropped: float = 0.5
    """A batch is cut to three quarters."""


_LEAST = {"iterations": 1, "batch": 1, "check_every": 1, "threads": 0, "seed": 0, "warm_up": 0}
_LEAST |= {"learning_rate": 0, "weight_decay": 0, "largest_gradient": 0}


@dataclass(frozen=True)
class TrainArguments:
    """One training run of a network of the lite preset."""

    output: Path
    """Folder of the checkpoint, the log and the final weights."""
    data: DataArguments
    start_from: Path | None = None
    """Weights of an earlier run to go on from; random ones if None."""
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

    def __post_init__(self) -> None:
        if self.precision not in ("float32", "bfloat16"):
            raise SettingsError(f"precision is {self.precision!r}. Give float32 or bfloat16.")
        _check(self, _LEAST, ["average_decay"])
        if len(self.widths) != 4 or min(self.widths) < 1:
            raise SettingsError(f"widths are {self.widths}. Give four numbers of channels.")


@dataclass(frozen=True)
class FlowArguments(TrainArguments):
    """One training run of the first network of the lite preset, which sees the flow of a frame."""

    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True)
class FusionArguments(TrainArguments):
    """One training run of the second, which sees what all judges say; in each clip a few frames are drawn as samples."""

    augmentation: FusionAugmentation = field(default_factory=FusionAugmentation)
    first_network: Path | None = None
    """Weights of the first network that the samples are made with; those of this repository if None."""


@dataclass(frozen=True)
class SimulatedScenes:
    """Scenes to render into the folder of a source where it lacks them."""

    seed: int
    scenes: int
    """Together with those held out."""
    kinds: tuple[SceneKind, ...] = (SceneKind(1.0, {}),)
    frames: int = 16
    height: int = 144
    width: int = 256
    step: int = 8
    """Frames between query frames."""
    spacing: int = 8
    """Pixels between neighbouring points that are tracked."""
    noise: float = 0.3
    """Standard deviation in pixels by which a tracked position is off."""
    workers: int = 2
    """Processes that render."""

    def __post_init__(self) -> None:
        _check(self, {"seed": 0, "scenes": 1, "frames": 1, "step": 1, "spacing": 1, "noise": 0})
        _check_kinds(self.kinds)


@dataclass(frozen=True)
class Source:
    """A data set to draw from: a folder in the published layout, as `python -m segmo prepare` fills it."""

    root: Path
    share: float = 1.0
    """Its probability in relation to those of the other sources."""
    fewest_tracks: int = 512
    most_tracks: int = 5000
    """A sample has a random number of tracks between these."""
    held_out_scenes: int = 0
    """The last so many scenes by name are never trained on; scores are those of these scenes."""
    simulated: SimulatedScenes | None = None


@dataclass(frozen=True)
class MotionArguments:
    """One training run of the motion network of the paper. The defaults are the published recipe."""

    output: Path
    """Folder of checkpoints, weights, configuration and logs."""
    sources: tuple[Source, ...]
    model: MotionNetConfig = field(default_factory=MotionNetConfig)
    seed: int = 0
    iterations: int = 40000
    """5 epochs of 8000."""
    batch: int = 1
    """Clips an iteration in each process. They go through the network one by one."""
    learning_rate: float = 1e-4
    warm_up: int = 0
    """Iterations of rising learning rate."""
    schedule: Literal["constant", "cosine"] = "constant"
    """What the learning rate does after that."""
    weight_decay: float = 1e-4
    largest_gradient: float = 0.0
    """Longer ones are shortened to this; 0 for none."""
    average_decay: float = 0.0
    """Of the moving average of the weights, which is then what is scored and kept; 0 for none."""
    mirror: bool = False
    """Mirror positions left to right and upside down at random."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    threads: int = 0
    """Of torch; 0 leaves the number alone."""
    device: str = "auto"
    """auto, or cpu. `accelerate launch` and CUDA_VISIBLE_DEVICES choose among GPUs."""
    check_every: int = 3000
    """Iterations between scores on held-out scenes, each with a checkpoint."""

    def __post_init__(self) -> None:
        _check(self, _LEAST, ["average_decay"])
        _check_network(self.model)
        shares = [source.share for source in self.sources]
        if not (min(shares, default=0) >= 0 and sum(shares) > 0):
            raise SettingsError(f"The shares of the sources are {shares}. Give at least one above 0.")
        for source in self.sources:
            _check(source, {"held_out_scenes": 0})
            if not 1 <= source.fewest_tracks <= source.most_tracks:
                raise SettingsError(f"{source.root}: {source.fewest_tracks} to {source.most_tracks} tracks. Give 1 <= fewest <= most.")


def _check_network(model: MotionNetConfig) -> None:
    """Refuse sizes of which no network can be made. Raises SettingsError."""
    _check(model, {"frequencies": 0, "descriptor_length": 1, "time_hidden": 1, "track_hidden": 1}, ["dropout"])
    for part in ("time", "track"):
        _check(model, {f"{part}_heads": 1, f"{part}_width": 1, f"{part}_layers": 0})
        width, heads = getattr(model, f"{part}_width"), getattr(model, f"{part}_heads")
        if width % heads:
            raise SettingsError(f"{part}_width is {width} and {part}_heads {heads}. Give a width that the heads can share evenly.")


NETWORKS = {"motion": MotionArguments, "flow": FlowArguments, "fusion": FusionArguments}
"""What a configuration's key `network` can be: the motion network of the paper, or one of the two of the lite preset."""


def read_arguments(path: Path, changes: Sequence[str] = ()) -> FlowArguments | FusionArguments | MotionArguments:
    """Arguments of a YAML file, with `key=value` changes; paths in it are relative to the current folder.

    Raises:
        SettingsError: the file cannot be read, or a key is unknown, missing or of the wrong type.
    """
    content = with_changes(read_yaml(path), changes)
    network = content.pop("network", "motion") if isinstance(content, dict) else "motion"
    if network not in NETWORKS:
        raise SettingsError(f"{path}: network is {network!r}. Give one of {', '.join(NETWORKS)}.")
    kind: type[FlowArguments | FusionArguments | MotionArguments] = NETWORKS[network]
    return build(kind, content, str(path))


def resolved(arguments: FlowArguments | FusionArguments | MotionArguments) -> str:
    """The whole configuration as YAML, as `read_arguments` reads it."""
    network = next(name for name, kind in NETWORKS.items() if type(arguments) is kind)
    return as_yaml(arguments, network=network)
