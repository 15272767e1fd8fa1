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
    Float32,
    depth_from_store,
    feature_cells,
    normalised_positions,
    seen_tracks,
    select_moving,
    stored_depth,
)
from segmo.types import Bool, FeatureMaps, Int, MotionEvidence, MotionLabels, Steps, Tracks
from segmo.zoo.lite_pictures import notes, on_overlays

if TYPE_CHECKING:
    import torch

    from segmo.networks.motion_net import MotionNet

TOGETHER = 5000  # tracks judged together, as in training; attention over more would take memory and time with their square


class PaperMotion:
    """Judges all tracks of a clip together by how they move and by what they look like."""

    identity = "moseg"
    version = 2
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
        """Probability that each track moves; 0 for those that are never visible, and for those of captions and the like on the picture.

        Raises:
            SettingsError: the features are not those of DINOv2 base.
        """
        tracks = inputs.tracks
        kept, visible = seen_tracks(tracks.visible, np.asarray(tracks.confidence))
        scene = ~on_overlays(inputs.clip, tracks)[kept]
        kept, visible = kept[scene], visible[scene]
        looks = track_descriptors(tracks, inputs.features, kept, self._network.config.descriptor_length)
        xy = normalised_positions(tracks.positions_xy[kept], tracks.frame_hw).transpose(2, 0, 1)
        depth = depth_under(xy, inputs.depth.inverse_depth)
        probability = np.zeros(len(tracks), np.float32)
        groups = max(-(-len(kept) // TOGETHER), 1)
        yield 0.02
        for group in range(groups if len(kept) else 0):
            part = slice(group, None, groups)  # from all over the clip
            probability[kept[part]] = self._judge(tracks, kept[part], xy[:, part], visible[part], looks[part], depth[part])
            yield 0.02 + 0.9 * (group + 1) / groups
        score = moving_score(tracks, probability)
        maps = np.zeros((len(inputs.clip), 0, 0), np.float16)
        return MotionEvidence(probability, maps, score, "", notes(inputs.clip))

    def _judge(self, tracks: Tracks, chosen: Int, xy: Float32, visible: Bool, looks: Float32, depth: Float32) -> Float32:
        """(M,) probabilities of some tracks, with their (2, M, T) positions and the (M, T) depth there as the network takes them."""
        import torch

        from segmo.networks.motion_net import encode_looked_up

        def there(values: npt.NDArray[np.generic]) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(values))[None].to(self._device)

        hidden = there(~visible)
        with torch.inference_mode():
            certainty = there(tracks.visibility[chosen]), there(tracks.confidence[chosen])
            encoded = encode_looked_up(there(xy), hidden, *certainty, there(depth), self._network.config)
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


def track_descriptors(tracks: Tracks, features: FeatureMaps, chosen: Int, length: int) -> Float32:
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


def depth_under(xy: Float32, inverse_depth: npt.NDArray[np.float16]) -> Float32:
    """(N, T) depth at positions as the weights know it; only a few frames of it are in memory at a time.

    Args:
        xy: (2, N, T) in [-1, 1].
        inverse_depth: (T, h, w).
    """
    import torch

    from segmo.networks.motion_net import look_up_frames

    frames = parallel_map(lambda frame: torch.from_numpy(depth_from_store(stored_depth(frame[None]))[0]), inverse_depth)
    return np.asarray(look_up_frames(torch.from_numpy(np.ascontiguousarray(xy)), frames).numpy(), np.float32)
