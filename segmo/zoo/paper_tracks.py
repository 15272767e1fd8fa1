"""BootsTAPIR, TAPIR and CoTracker3 as track models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from segmo.errors import WeightsError
from segmo.geometry import resample_image
from segmo.parallel import parallel_map
from segmo.stages.paper_rules import frame_positions, network_positions, track_certainty
from segmo.types import Clip, FlowFields, Steps, Tracks, UInt8, within

if TYPE_CHECKING:
    from segmo.networks import tapir

CPU_CHUNK_BYTES, GPU_CHUNK_BYTES = 512 << 20, 4 << 30
"""Memory for the points that go through the network together. It is fixed, so that the same clip gives the same bits every time."""
PREPARING = 0.02  # share of the progress
COTRACKER_CODE = "facebookresearch/co-tracker:0b6edd24ab5bcbe0770d9dea485acd8462faa5cd"
COTRACKER_POINTS = 1000  # at once; they are tracked jointly, so that this is a property of the result


class BootsTapir:
    """DeepMind's tracker, on frames of 256 x 256 pixels."""

    identity = "tapir"
    needs_flow = False

    def __init__(self, network: tapir.Tapir, device: str) -> None:
        from segmo.networks.precision import place

        self._device, self._precision = place(device)
        self._network = network.to(self._device)

    @classmethod
    def load(cls, path: Path, device: str) -> BootsTapir:
        """The model from `bootstapir_checkpoint_v2.pt` or `tapir_checkpoint_panning.pt`.

        Raises:
            WeightsError: the file is neither.
        """
        from segmo.networks.tapir import load_tapir

        return cls(load_tapir(path), device)

    def track(self, clip: Clip, query_points: npt.NDArray[np.float32], flow: FlowFields | None) -> Steps[Tracks]:
        """Follow the query points through the clip."""
        import torch

        from segmo.networks.tapir import RESOLUTION

        frames = np.empty((len(clip), RESOLUTION, RESOLUTION, 3), np.uint8)
        for t, frame in enumerate(_square_frames(clip, RESOLUTION)):
            frames[t] = frame
            yield PREPARING * (t + 1) / len(clip)
        asked = np.column_stack([query_points[:, :1], network_positions(query_points[:, 1:], clip.hw, RESOLUTION)])
        found = yield from within(
            self._network.track(
                torch.from_numpy(frames),
                torch.from_numpy(asked.astype(np.float32)),
                memory_bytes=CPU_CHUNK_BYTES if self._device.type == "cpu" else GPU_CHUNK_BYTES,
                precision=self._precision,
            ),
            PREPARING,
            1.0,
        )
        positions = frame_positions(found.positions.numpy().transpose(1, 0, 2), clip.hw, RESOLUTION)
        certainty = track_certainty(found.occlusion.numpy().T, found.distance.numpy().T)
        return _as_tracks(clip, query_points, positions, certainty.visibility, certainty.confidence)


class Tapir(BootsTapir):
    """The earlier, smaller one of the two."""


class CoTracker:
    """CoTracker3 in its offline form. Its code is not ours: torch.hub fetches it, at one commit, when the model is first loaded."""

    identity = "cotracker3"
    needs_flow = False
    precisions = ("float32",)

    def __init__(self, predictor: Any, device: str) -> None:
        from segmo.networks.precision import place

        self._device, _ = place(device)
        self._predictor = predictor.to(self._device)

    @classmethod
    def load(cls, path: Path, device: str) -> CoTracker:
        """The model with the weights of `scaled_offline.pth`.

        Raises:
            WeightsError: they do not fit, or the code cannot be fetched.
        """
        import torch

        from segmo.networks.weights import fill, read_weights

        weights = read_weights(path, "CoTracker3")
        try:
            predictor = torch.hub.load(  # type: ignore[no-untyped-call]
                COTRACKER_CODE, "cotracker3_offline", pretrained=False, trust_repo=True, skip_validation=True, verbose=False
            )
        except Exception as error:  # no network, or a package that this code imports is missing
            raise WeightsError(
                f"The code of CoTracker3 cannot be loaded by torch.hub from {COTRACKER_CODE}: {error!r}. "
                "Connect to the internet once, install what it imports, or choose the tracks model bootstapir."
            ) from error
        fill(predictor.model, weights, path)
        return cls(predictor, device)

    def track(self, clip: Clip, query_points: npt.NDArray[np.float32], flow: FlowFields | None) -> Steps[Tracks]:
        """Follow the query points through the clip. It says where a point is visible, but not how sure it is."""
        import torch

        hw = tuple(self._predictor.interp_shape)
        size = np.array([hw[1], hw[0]]) - 1.0
        outermost = np.maximum(np.array([clip.hw[1], clip.hw[0]]) - 1.0, 1)
        frames = (torch.tensor(frame).permute(2, 0, 1)[None].float() for frame in clip.frames)
        small = [torch.nn.functional.interpolate(frame, hw, mode="bilinear", align_corners=True) for frame in frames]
        video = torch.stack(small, 1).to(self._device)
        asked = torch.from_numpy(np.column_stack([query_points[:, 0], query_points[:, 1:] * (size / outermost)]).astype(np.float32))
        positions, visible = [], []
        for first in range(0, len(asked), COTRACKER_POINTS):
            part = asked[None, first : first + COTRACKER_POINTS].to(self._device)
            with torch.inference_mode():
                found, seen = self._predictor(video, queries=part, backward_tracking=True)
            positions.append(found[0].transpose(0, 1).float().cpu().numpy() * (outermost / size))
            visible.append(seen[0].T.float().cpu().numpy())
            yield min(1.0, (first + COTRACKER_POINTS) / len(asked))
        shown = np.concatenate(visible)
        return _as_tracks(clip, query_points, np.concatenate(positions), shown, np.ones_like(shown))


def _square_frames(clip: Clip, side: int) -> Iterator[UInt8]:
    """Frames as the published tracker saw them: each resampled on its own, without regard to its shape."""
    return parallel_map(lambda frame: resample_image(frame, (side, side), "lanczos"), clip.frames)


def _as_tracks(
    clip: Clip,
    query_points: npt.NDArray[np.float32],
    positions: npt.NDArray[np.float32],
    visibility: npt.NDArray[np.float32],
    confidence: npt.NDArray[np.float32],
) -> Tracks:
    """The product; on its own query frame a track is where it was asked for, whatever the network says."""
    query = query_points[:, 0].astype(np.int64)
    positions = np.ascontiguousarray(positions, np.float32)
    positions[np.arange(len(query)), query] = query_points[:, 1:]
    return Tracks(positions, np.ascontiguousarray(visibility), np.ascontiguousarray(confidence), query, clip.hw)
