"""The paper's models at their published sizes, with random weights, on which time does not depend, and a clip for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, Sam2VideoConfig

from segmo.networks.depth_anything import DepthAnything as DepthNetwork
from segmo.networks.dino import DinoKeys, base_model
from segmo.networks.motion_net import MotionNet
from segmo.networks.sam2_video import Sam2Video, VideoSegmenter
from segmo.networks.tapir import Tapir
from segmo.settings import MaskSettings
from segmo.stages.masks import MaskInputs
from segmo.stages.prompted_masks import segment_by_points
from segmo.stages.prompting import NO_POINTS
from segmo.types import Bool, Clip, FeatureMaps, MotionEvidence, MotionLabels, ObjectMasks, Steps, Tracks
from segmo.zoo.paper_depth import DepthAnything
from segmo.zoo.paper_features import Dinov2
from segmo.zoo.paper_motion import PaperMotion
from segmo.zoo.paper_tracks import BootsTapir
from segmo.zoo.sam2_masks import Sam2Masks
from tests.paper_models import keep_variance, spread

HW = (480, 854)
BOXES = ((60, 80), (200, 360), (300, 620))
"""Row and column of what moves at first, a square of SIDE pixels each that goes a pixel a frame to the right."""
SIDE = 120


def make_clip(count: int) -> Clip:
    """Frames of 854x480 with smooth random content, three textured squares of which move."""
    random = np.random.default_rng(0)
    coarse = torch.from_numpy(random.random((1, 3, 32, 48), np.float32) * 255)
    scene = torch.nn.functional.interpolate(coarse, HW, mode="bicubic").clamp(0, 255)[0].permute(1, 2, 0).numpy().astype(np.uint8)
    frames = np.repeat(scene[None], count, axis=0)
    for top, left in BOXES:
        texture = random.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        for t in range(count):
            frames[t, top : top + SIDE, left + t : left + t + SIDE] = texture
    return Clip(frames, np.arange(count) / 25, np.arange(count), tuple(map(str, range(count))), HW, count, 25.0)


def depth_model(device: str) -> DepthAnything:
    """Depth Anything V2 Large."""
    backbone = Dinov2Config(
        image_size=518,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        out_indices=[5, 12, 18, 24],
        reshape_hidden_states=False,
    )
    large = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=1024, neck_hidden_sizes=[256, 512, 1024, 1024], fusion_hidden_size=256
    )
    torch.manual_seed(0)
    model = keep_variance(DepthAnythingForDepthEstimation(large))
    torch.nn.init.constant_(model.head.conv3.bias, 1.0)  # so that the last ReLU does not flatten it all
    return DepthAnything(DepthNetwork(model).eval(), device)


def track_model(device: str) -> BootsTapir:
    """BootsTAPIR."""
    torch.manual_seed(0)
    network = Tapir().eval().requires_grad_(False)
    network.torch_cost_volume_track_mods["occ_out"].bias.fill_(-5)  # sure of what it sees, so that the motion network has work to do
    return BootsTapir(network, device)


def feature_model(device: str) -> Dinov2:
    """DINOv2 base."""
    torch.manual_seed(0)
    return Dinov2(DinoKeys(base_model()).eval(), device)


def motion_model(device: str) -> PaperMotion:
    """The published motion network."""
    torch.manual_seed(0)
    return PaperMotion(MotionNet().eval(), device)


def mask_network() -> Sam2Video:
    """SAM 2 with the encoder hiera-large."""
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 144,
        "num_attention_heads": 2,
        "blocks_per_stage": [2, 6, 36, 4],
        "embed_dim_per_stage": [144, 288, 576, 1152],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "window_size_per_stage": [8, 4, 16, 8],
        "global_attention_blocks": [23, 33, 43],
    }
    vision = {"model_type": "sam2_vision_model", "backbone_config": backbone, "backbone_channel_list": [1152, 576, 288, 144]}
    torch.manual_seed(0)
    network: Sam2Video = spread(Sam2Video(Sam2VideoConfig(vision_config=vision)))
    return network


class MaskModel(Sam2Masks):
    """SAM 2 whose answers about points are replaced by the squares that move, so that as many objects are found as there are.

    The network computes all that it otherwise would, and its masks of the frames between the prompts are kept.
    """

    def segment(self, inputs: MaskInputs, settings: MaskSettings) -> Steps[ObjectMasks]:
        segmenter = VideoSegmenter(self._network, inputs.clip.frames, self._precision)
        return (yield from segment_by_points(inputs, settings, _Told(segmenter)))


class _Told:
    """A segmenter that sees the square around a point."""

    def __init__(self, segmenter: VideoSegmenter) -> None:
        self.reset, self._segmenter = segmenter.reset, segmenter

    def add_points(self, frame: int, object_id: int, points_xy: Any, outside_xy: Any = NO_POINTS) -> Bool:
        self._segmenter.add_points(frame, object_id, points_xy, outside_xy)
        mask = np.zeros(HW, bool)
        for top, left in BOXES:
            x, y = points_xy[0] - (left + frame, top)
            if 0 <= x < SIDE and 0 <= y < SIDE:
                mask[top : top + SIDE, left + frame : left + frame + SIDE] = True
        return mask

    def propagate(self, object_ids: Sequence[int], *, reverse: bool) -> Iterable[tuple[int, Mapping[int, Bool]]]:
        return self._segmenter.propagate(object_ids, reverse=reverse)


def mask_inputs(clip: Clip) -> MaskInputs:
    """Two hundred moving tracks on each of the squares."""
    random = np.random.default_rng(0)
    starts = np.concatenate([random.uniform(4, SIDE - 4, (200, 2)) + np.array([left, top]) for top, left in BOXES])
    positions = starts[:, None] + np.arange(len(clip))[:, None] * np.array([1, 0])
    sure = np.ones(positions.shape[:2], np.float32)
    tracks = Tracks(positions.astype(np.float32), sure, sure, np.zeros(len(starts), np.int64), HW)
    evidence = MotionEvidence(np.ones(len(starts), np.float32), np.zeros((len(clip), 0, 0), np.float16), 1.0, "")
    labels = MotionLabels(evidence, np.ones(len(starts), bool), 0.5)
    return MaskInputs(clip, tracks, FeatureMaps(np.zeros((1, 1, 1, 1), np.float16), np.zeros(1, np.int64)), labels, None)


MAKERS: dict[str, Callable[[str], Any]] = {
    "depth": depth_model,
    "tracks": track_model,
    "features": feature_model,
    "motion": motion_model,
    "masks": lambda device: MaskModel(mask_network(), device),
}
"""The model of each stage, in the order of the stages."""
