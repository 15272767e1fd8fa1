"""Models that run in their authors' own packages, offered where the user installed these: Meta's `sam2` and DeepMind's `tapnet`."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from segmo.errors import SettingsError, WeightsError
from segmo.settings import MaskSettings
from segmo.stages.masks import MaskInputs
from segmo.stages.prompted_masks import segment_by_points
from segmo.stages.prompting import NO_POINTS, Points
from segmo.types import Bool, ObjectMasks, Steps, UInt8
from segmo.zoo.paper_tracks import BootsTapir
from segmo.zoo.registry import ModelSpec, find

if TYPE_CHECKING:
    import torch

    from segmo.networks.tapir_layers import Estimate

TAPNET_POINTS = 1024  # at once: each call computes the features of the clip anew
_ANSWERS = ("tracks", "occlusion", "expected_dist")

_OWN_STATE = ("point_inputs_per_obj", "mask_inputs_per_obj", "output_dict_per_obj", "temp_output_dict_per_obj", "frames_tracked_per_obj")


def need_module(name: str, spec: ModelSpec) -> Any:
    """A module of the package that a model needs.

    Raises:
        SettingsError: it cannot be imported; the message holds the line that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        what = f"The {spec.role} model {spec.name} needs the package {spec.package}, which cannot be imported ({error})"
        raise SettingsError(f"{what}. Install it with: {spec.install}") from error


class Sam2MetaMasks:
    """SAM 2 in Meta's own video predictor, prompted as published."""

    identity = "sam2-meta"
    needs_flow = False
    uses_gpu = True
    precisions = ("float32",)

    def __init__(self, predictor: Any) -> None:
        self._predictor = predictor

    @classmethod
    def load(cls, path: Path, device: str) -> Sam2MetaMasks:
        """The predictor for a checkpoint of Meta's, which tells its configuration by its published name.

        Raises:
            SettingsError: the package cannot be imported.
            WeightsError: the file is something else.
        """
        known = need_module("sam2.build_sam", find("masks", "sam2-meta")).HF_MODEL_ID_TO_FILENAMES.values()
        configs = {checkpoint: config for config, checkpoint in known}
        if path.name not in configs:
            raise WeightsError(f"{path} is not named like a checkpoint of Meta's. Known are {', '.join(configs)}.")
        return cls(load_predictor(configs[path.name], path, device))

    def segment(self, inputs: MaskInputs, settings: MaskSettings) -> Steps[ObjectMasks]:
        """Masks at the size of the sampled frames."""
        with tempfile.TemporaryDirectory() as folder:
            return (yield from segment_by_points(inputs, settings, MetaSegmenter(self._predictor, inputs.clip.frames, Path(folder))))


def load_predictor(config: str, checkpoint: Path, device: str, changes: Sequence[str] = ()) -> Any:
    """Meta's video predictor.

    Args:
        config: a configuration of the package.
        checkpoint: the weights, read without pickle.
        device: as torch spells it.
        changes: of the configuration, as hydra spells them.

    Raises:
        SettingsError: the package cannot be imported.
        WeightsError: the file does not hold what the configuration has.
    """
    build, video = (need_module(f"sam2.{name}", find("masks", "sam2-meta")) for name in ("build_sam", "sam2_video_predictor"))
    if not isinstance(video.tqdm, functools.partial):
        video.tqdm = functools.partial(video.tqdm, disable=True)  # progress is told by the stage
    try:
        predictor = build.build_sam2_video_predictor(config, str(checkpoint), device, hydra_overrides_extra=list(changes))
    except Exception as error:  # a damaged file makes torch raise almost anything
        raise WeightsError(f"{checkpoint} holds no weights for {config} ({' '.join(str(error).split())[:300]}). Fetch it again.") from error
    if importlib.util.find_spec("sam2._C") is None:
        predictor.fill_hole_area = 0  # needs the package's CUDA extension, and warns on every mask without it
    return predictor


class MetaSegmenter:
    """Answers about points of one clip; the Protocol is `PointSegmenter` of `segmo/stages/prompting.py`."""

    def __init__(self, predictor: Any, frames: UInt8, folder: Path) -> None:
        """
        Args:
            predictor: Meta's `SAM2VideoPredictor`.
            frames: (T, H, W, 3) RGB.
            folder: empty; the predictor reads its frames from files.
        """
        self._predictor = predictor
        for number, frame in enumerate(frames):  # it takes names that end in .jpg only, and opens them by content
            Image.fromarray(frame).save(folder / f"{number:05d}.jpg", format="PNG", compress_level=1)
        self._clip = predictor.init_state(str(folder), offload_video_to_cpu=True)
        self._states: dict[int, dict[str, Any]] = {}

    def reset(self) -> None:
        """Forget all objects."""
        self._states.clear()

    def add_points(self, frame: int, object_id: int, points_xy: Points, outside_xy: Points = NO_POINTS) -> Bool:
        """The (H, W) mask of an object on a frame from points on it, and beside it, instead of those given before."""
        return self.point_logits(frame, object_id, points_xy, outside_xy) > 0

    def point_logits(self, frame: int, object_id: int, points_xy: Points, outside_xy: Points = NO_POINTS) -> npt.NDArray[np.float32]:
        """The same as (H, W) logits."""
        state = self._states.setdefault(object_id, self._new_state())
        labels = np.repeat([1, 0], [len(points_xy), len(outside_xy)]).astype(np.int32)
        state["cached_features"] = self._clip["cached_features"]
        answer = self._predictor.add_new_points_or_box(state, frame, 1, np.concatenate([points_xy, outside_xy]).astype(np.float32), labels)
        self._clip["cached_features"] = state["cached_features"]
        return answer[2][0, 0].float().cpu().numpy()

    def propagate(self, object_ids: Sequence[int], *, reverse: bool) -> Iterator[tuple[int, dict[int, Bool]]]:
        """Frame numbers and (H, W) masks of the objects that were prompted before, or after where `reverse`, or there."""
        for frame, logits in self.propagate_logits(object_ids, reverse=reverse):
            yield frame, {number: each > 0 for number, each in logits.items()}

    def propagate_logits(self, object_ids: Sequence[int], *, reverse: bool) -> Iterator[tuple[int, dict[int, npt.NDArray[np.float32]]]]:
        """The same as logits."""
        starts = {number: min(self._states[number]["point_inputs_per_obj"][0]) for number in object_ids}
        if reverse:
            starts = {number: start for number, start in starts.items() if start > 0}
        passes = {number: self._predictor.propagate_in_video(self._states[number], reverse=reverse) for number in starts}
        last = len(self._clip["images"])
        for frame in range(max(starts.values(), default=-1), -1, -1) if reverse else range(min(starts.values(), default=last), last):
            masks = {}
            for number, start in starts.items():
                if frame <= start if reverse else frame >= start:
                    self._states[number]["cached_features"] = self._clip["cached_features"]
                    masks[number] = next(passes[number])[2][0, 0].float().cpu().numpy()
                    self._clip["cached_features"] = self._states[number]["cached_features"]
            yield frame, masks

    def _new_state(self) -> dict[str, Any]:
        """A state for one object alone: in a common one, objects found late would be looked for from the first prompt of any on."""
        state = {**self._clip, "obj_id_to_idx": {}, "obj_idx_to_id": {}, "obj_ids": []}
        return state | {name: {} for name in _OWN_STATE}


class DeepMindTapnet(BootsTapir):
    """BootsTAPIR in DeepMind's own code."""

    identity = "tapnet-deepmind"

    @classmethod
    def load(cls, path: Path, device: str) -> DeepMindTapnet:
        """The model from `bootstapir_checkpoint_v2.pt`.

        Raises:
            SettingsError: the package cannot be imported.
            WeightsError: the file is something else.
        """
        from segmo.networks.weights import fill, read_weights

        package = need_module("tapnet.torch.tapir_model", find("tracks", "tapnet-deepmind"))
        model = fill(package.TAPIR(pyramid_level=1), read_weights(path, "TAPIR"), path)
        return cls(TapnetNetwork(model), device)  # type: ignore[arg-type]  # it tracks like ours


class TapnetNetwork:
    """DeepMind's network, to be called like ours."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def to(self, device: torch.device) -> TapnetNetwork:
        """The same on a device."""
        return TapnetNetwork(self._model.to(device))

    def track(self, frames: torch.Tensor, queries: torch.Tensor, *, memory_bytes: int, precision: torch.dtype) -> Steps[Estimate]:
        """Follow points through a clip.

        Args:
            frames: (T, S, S, 3) uint8.
            queries: (N, 3) frame, x and y.
            memory_bytes: not looked at; the package goes through points in small parts by itself.
            precision: what it computes in.
        """
        import torch

        from segmo.networks.precision import reduced
        from segmo.networks.tapir_layers import Estimate

        device = next(self._model.parameters()).device
        video = frames.to(device)[None].float() / 255 * 2 - 1
        found: list[dict[str, torch.Tensor]] = []
        for first in range(0, len(queries), TAPNET_POINTS):
            asked = queries[None, first : first + TAPNET_POINTS, [0, 2, 1]].to(device)
            with torch.inference_mode(), reduced(device, precision), torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(0)  # the package shuffles points before it parts them
                found.append({name: value[0].float().cpu() for name, value in self._model(video, asked).items() if name in _ANSWERS})
            yield min(1.0, (first + TAPNET_POINTS) / len(queries))
        tracks, occlusion, distance = (torch.cat([part[name] for part in found]) for name in _ANSWERS)
        return Estimate(tracks.transpose(0, 1), occlusion.T, distance.T)
