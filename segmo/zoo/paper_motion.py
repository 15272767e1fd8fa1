"""The paper's motion network as the motion model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segmo.errors import SettingsError
from segmo.parallel import parallel_map
from segmo.stages.independence import moving_score
from segmo.stages.motion import MotionInputs
from segmo.stages.paper_rules import (
    depth_from_store,
    feature_cells,
    normalised_positions,
    seen_tracks,
    select_moving,
    stored_depth,
)
from segmo.types import Bool, FeatureMaps, Int, MotionEvidence, MotionLabels, Steps, Tracks

if TYPE_CHECKING:
    import torch

    from segmo.networks.motion_net import MotionNet

TOGETHER = 5000  # tracks judged together, as in training; attention over more would take memory and time with their square


class PaperMotion:
    """Judges all tracks of a clip together by how they move and by what they look like."""

    identity = "moseg"
    needs_flow = False
    precisions = ("float32",)  # sines of 512 radians need it, and the network is small

    def __init__(self, network: MotionNet, device: str) -> None:
        from segmo.networks.precision import place

        self._device, _ = place(device)
        self._network = network.to(self._device)

    @classmethod
    def load(cls, path: Path, device: str) -> PaperMotion:
        """The model from `moseg.pth`, or from a file of a training.

        Raises:
            WeightsError: the file is something else.
        """
        from segmo.networks.motion_net import load_motion_net

        return cls(load_motion_net(path), device)

    def evidence(self, inputs: MotionInputs) -> Steps[MotionEvidence]:
        """Probability that each track moves; 0 for those that are never visible.

        Raises:
            SettingsError: the features are not those of DINOv2 base.
        """
        import torch

        tracks = inputs.tracks
        kept, visible = seen_tracks(tracks.visible, np.asarray(tracks.confidence))
        looks = track_descriptors(tracks, inputs.features, kept, self._network.config.descriptor_length)
        depth = torch.from_numpy(_network_depth(inputs.depth.inverse_depth))[None].to(self._device)
        probability = np.zeros(len(tracks), np.float32)
        groups = max(-(-len(kept) // TOGETHER), 1)
        yield 0.02
        for group in range(groups if len(kept) else 0):
            part = slice(group, None, groups)  # from all over the clip
            probability[kept[part]] = self._judge(tracks, kept[part], visible[part], looks[part], depth)
            yield 0.02 + 0.9 * (group + 1) / groups
        score = moving_score(tracks, probability)
        maps = np.zeros((len(inputs.clip), 0, 0), np.float16)
        return MotionEvidence(probability, maps, score, "")

    def _judge(
        self, tracks: Tracks, chosen: Int, visible: Bool, looks: npt.NDArray[np.float32], depth: torch.Tensor
    ) -> npt.NDArray[np.float32]:
        """(M,) probabilities of some tracks."""
        import torch

        from segmo.networks.motion_net import encode_tracks

        def there(values: npt.NDArray[np.generic]) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(values))[None].to(self._device)

        xy = there(normalised_positions(tracks.positions_xy[chosen], tracks.frame_hw).transpose(2, 0, 1))
        hidden = there(~visible)
        with torch.inference_mode():
            certainty = there(tracks.visibility[chosen]), there(tracks.confidence[chosen])
            encoded = encode_tracks(xy, hidden, *certainty, depth, self._network.config)
            logits = self._network(encoded, hidden, there(looks))
        return np.asarray(torch.sigmoid(logits)[0].cpu().numpy(), np.float32)

    def decide(self, evidence: MotionEvidence, tracks: Tracks, threshold: float | None) -> MotionLabels:
        """Label the tracks: above the threshold, or as published, unless nothing moves."""
        if threshold is not None:
            return MotionLabels(evidence, evidence.track_probability > np.float32(threshold), threshold)
        moving, used = select_moving(evidence.track_probability, tracks.positions_xy.shape[1])
        if evidence.moving_score < 0.5:
            moving = np.zeros_like(moving)
        return MotionLabels(evidence, moving, used)


def track_descriptors(tracks: Tracks, features: FeatureMaps, chosen: Int, length: int) -> npt.NDArray[np.float32]:
    """(M, length) what the chosen tracks look like: the cell under each on its query frame.

    Raises:
        SettingsError: the features have another length than the network reads.
    """
    if features.features.shape[-1] != length:
        raise SettingsError(
            f"The motion network reads features of {length} numbers, and these have {features.features.shape[-1]}. "
            "Choose the features model that it was trained with; that of the published weights is dinov2-base."
        )
    query = tracks.query_frames[chosen]
    rows, columns = feature_cells(tracks.positions_xy[chosen, query], tracks.frame_hw, features.features.shape[1:3])
    return features.features[np.searchsorted(features.query_frames, query), rows, columns].astype(np.float32)


def _network_depth(inverse_depth: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    """(T, h, w) depth as the weights know it, frame by frame to save memory."""
    depth = np.empty(inverse_depth.shape, np.float32)
    for known, frame in zip(depth, parallel_map(lambda frame: depth_from_store(stored_depth(frame[None]))[0], inverse_depth), strict=True):
        known[:] = frame
    return depth
