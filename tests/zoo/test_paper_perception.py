"""Depth, features and tracks of the paper behind their Protocols. Weights are random, saved as they are published."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from paper_models import moving_square, save_tapir, tiny_depth, tiny_dino
from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

from segmo.errors import WeightsError
from segmo.geometry import resample_image
from segmo.networks.dino import DEVIATION, MEAN, grid_hw
from segmo.stages.tracks import query_points
from segmo.types import Clip, finish
from segmo.zoo.paper_depth import DepthAnything
from segmo.zoo.paper_features import Dinov2
from segmo.zoo.paper_tracks import BootsTapir, CoTracker


@pytest.fixture(scope="module")
def clip() -> Clip:
    return moving_square(4)


def test_depth_is_what_the_library_s_pipeline_gives(tmp_path, clip):
    """Prepare, predict, resize, scale: the library's processor around the library's model."""
    model = tiny_depth()
    model.save_pretrained(tmp_path)
    ours = finish(DepthAnything.load(tmp_path, "cpu").depth(clip, None))
    assert ours.inverse_depth.shape == (4, 72, 96) and ours.reliable.all()
    processor = DPTImageProcessorPil(
        size={"height": 56, "width": 56},
        keep_aspect_ratio=True,
        ensure_multiple_of=14,
        resample=3,
        image_mean=list(MEAN),
        image_std=list(DEVIATION),
    )
    for t, frame in enumerate(clip.frames):
        prepared = torch.from_numpy(np.asarray(processor(frame)["pixel_values"][0]))[None]
        with torch.inference_mode():
            raw = model(pixel_values=prepared).predicted_depth
            full = torch.nn.functional.interpolate(raw[:, None], clip.hw, mode="bicubic", align_corners=False)[0, 0]
        expected = (full - full.min()) / (full.max() - full.min())
        np.testing.assert_allclose(ours.inverse_depth[t], expected, atol=1e-3)  # half precision


def test_features_are_described_on_overlapping_cells(tmp_path, clip):
    tiny_dino(128).save_pretrained(tmp_path)
    model = Dinov2.load(tmp_path, "cpu")
    both = finish(model.describe(clip, np.array([0, 3])))
    assert both.features.shape == (2, *grid_hw(clip.hw), 128) and both.query_frames.tolist() == [0, 3]
    np.testing.assert_array_equal(finish(model.describe(clip, np.array([3]))).features[0], both.features[1])


@pytest.fixture(scope="module")
def tracker(tmp_path_factory) -> BootsTapir:
    return BootsTapir.load(save_tapir(tmp_path_factory.mktemp("tapir") / "bootstapir_checkpoint_v2.pt"), "cpu")


def test_tracks_are_those_of_the_network_in_pixels_of_the_frames(tracker, clip):
    points = np.concatenate([query_points(clip.hw, np.array([0, 2]), _few()), [[1, 0, 0], [3, 95, 71]]]).astype(np.float32)
    tracks = finish(tracker.track(clip, points, None))
    frames = torch.from_numpy(np.stack([resample_image(frame, (256, 256), "lanczos") for frame in clip.frames]))
    queries = torch.from_numpy(points * np.array([1, 255 / 95, 255 / 71], np.float32))
    raw = finish(tracker._network.track(frames, queries))
    expected = raw.positions.numpy().transpose(1, 0, 2) * np.array([95 / 255, 71 / 255])
    expected[np.arange(len(points)), points[:, 0].astype(int)] = points[:, 1:]
    np.testing.assert_allclose(tracks.positions_xy, expected, atol=1e-4)
    visibility, certain = torch.sigmoid(-raw.occlusion).numpy().T, torch.sigmoid(-raw.distance).numpy().T
    np.testing.assert_allclose(tracks.visibility, visibility, atol=1e-6)
    known = (visibility * certain > 0.5) | ((1 - visibility) * certain > 0.5)
    np.testing.assert_allclose(tracks.confidence, np.where(known, certain, 0), atol=1e-6)


def _few() -> Any:
    return SimpleNamespace(max_tracks=8, seed=0)


def test_tracking_tells_its_progress(tracker, clip):
    steps = tracker.track(clip, np.zeros((1, 3), np.float32), None)
    told = list(steps)
    assert told == sorted(told) and told[-1] == 1 and len(told) >= len(clip) + 2


class FakePredictor(torch.nn.Module):
    """Points that stay where they are; refuses what the real one refuses."""

    interp_shape = (384, 512)

    def __init__(self) -> None:
        super().__init__()
        self.model = torch.nn.Linear(2, 2)

    def forward(self, video: torch.Tensor, queries: torch.Tensor, backward_tracking: bool) -> tuple[torch.Tensor, torch.Tensor]:
        assert video.shape[2:] == (3, *self.interp_shape) and video.max() > 1 and backward_tracking
        positions = queries[:, None, :, 1:].expand(-1, video.shape[1], -1, -1)
        return positions + torch.tensor([512.0, 0]), torch.ones(positions.shape[:3], dtype=torch.bool)


def test_cotracker_comes_through_torch_hub(tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(repository: str, name: str, **options: Any) -> FakePredictor:
        assert repository.startswith("facebookresearch/co-tracker:") and name == "cotracker3_offline" and options["pretrained"] is False
        return FakePredictor()

    monkeypatch.setattr(torch.hub, "load", load)
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "scaled_offline.pth")
    tracks = finish(
        CoTracker.load(tmp_path / "scaled_offline.pth", "cpu").track(clip, np.array([[1, 95, 71], [0, 3, 4]], np.float32), None)
    )
    assert tracks.visible.all()
    np.testing.assert_array_equal(tracks.positions_xy[[0, 1], [1, 0]], [[95, 71], [3, 4]])
    np.testing.assert_allclose(tracks.positions_xy[0, 0], [95 + 512 * 95 / 511, 71], atol=1e-3)


def test_cotracker_without_its_code_says_what_to_do(tmp_path, monkeypatch):
    def load(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "load", load)
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "scaled_offline.pth")
    with pytest.raises(WeightsError, match=r"torch\.hub.*no network.*bootstapir"):
        CoTracker.load(tmp_path / "scaled_offline.pth", "cpu")
