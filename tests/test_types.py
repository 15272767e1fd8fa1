"""Products check themselves: a wrong shape, kind or range names the field, what was seen and what is expected."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from segmo.errors import ProductError, SegmoError
from segmo.types import (
    Clip,
    DepthMaps,
    FeatureMaps,
    FlowFields,
    MotionEvidence,
    MotionLabels,
    ObjectMasks,
    Tracks,
    finish,
)

T, H, W, N = 4, 6, 8, 5


def evidence(**changed):
    return MotionEvidence(
        **{
            "track_probability": np.linspace(0, 1, N, dtype=np.float32),
            "probability_maps": np.zeros((T, 3, 4), np.float16),
            "moving_score": 0.5,
            "camera_motion": "still",
            **changed,
        }
    )


VALID = {
    Clip: {
        "frames": np.zeros((T, H, W, 3), np.uint8),
        "timestamps_s": np.arange(T) / 25,
        "source_indices": np.arange(T) * 3,
        "names": ("a", "b", "c", "d"),
        "source_hw": (12, 16),
        "source_frame_count": 12,
        "source_fps": 25.0,
    },
    FlowFields: {
        "flow": np.zeros((2, T, 3, 4, 2), np.float16),
        "photometric_error": np.zeros((2, T, 3, 4), np.uint8),
        "valid": np.ones((2, T), bool),
        "gaps": (1, -1),
        "frame_hw": (H, W),
    },
    DepthMaps: {"inverse_depth": np.zeros((T, 3, 4), np.float16), "reliable": np.ones(T, bool)},
    Tracks: {
        "positions_xy": np.zeros((N, T, 2), np.float32),
        "visibility": np.ones((N, T), np.float32),
        "confidence": np.ones((N, T), np.float32),
        "query_frames": np.zeros(N, np.int64),
        "frame_hw": (H, W),
    },
    FeatureMaps: {"features": np.zeros((2, 3, 4, 7), np.float16), "query_frames": np.array([0, 2])},
    MotionLabels: {"evidence": evidence(), "moving": np.arange(N) > 2, "threshold": 0.5},
    ObjectMasks: {
        "labels": np.full((T, H, W), 2, np.uint8),
        "object_ids": np.array([2]),
        "motion_scores": np.array([0.9], np.float32),
    },
}


def make(kind, **changed):
    return evidence(**changed) if kind is MotionEvidence else kind(**{**VALID[kind], **changed})


def test_flow_at_the_rate_of_the_source_is_that_of_sampled_frames_unless_it_has_its_own():
    assert (plain := make(FlowFields)).momentary is plain
    own = {"flow": np.ones((2, T, 3, 4, 2), np.float16), "error": np.ones((2, T, 3, 4), np.uint8), "valid": np.zeros((2, T), bool)}
    fields = make(FlowFields, **{f"momentary_{name}": array for name, array in own.items()})
    now = fields.momentary
    assert now is fields.momentary and now.gaps == fields.gaps and now.frame_hw == fields.frame_hw
    assert (now.flow == 1).all() and (now.photometric_error == 1).all() and not now.valid.any()


@pytest.mark.parametrize(("fps", "step"), [(8, 1), (23.976, 1), (30, 1), (44, 1), (48, 2), (60, 2), (120, 4), (240, 8)])
def test_fast_cameras_are_looked_at_in_longer_steps(fps, step):
    assert make(Clip, source_fps=float(fps)).step == step


@pytest.mark.parametrize("kind", [*VALID, MotionEvidence])
def test_valid_products_are_made_and_frozen(kind):
    product = make(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(product, names[0], None)
    for name in names:
        value = getattr(product, name)
        if isinstance(value, np.ndarray):
            with pytest.raises(ValueError, match="read-only"):
                value[...] = 0


@pytest.mark.parametrize(
    ("kind", "changed", "said"),
    [
        (Clip, {"frames": np.zeros((T, H, W), np.uint8)}, r"Clip\.frames must be of shape \(T, H, W, 3\), not \(4, 6, 8\)\. "),
        (Clip, {"frames": np.zeros((T, H, W, 4), np.uint8)}, r"Clip\.frames must be of shape \(T, H, W, 3\), not \(4, 6, 8, 4\)"),
        (Clip, {"frames": np.zeros((T, H, W, 3), np.float32)}, r"Clip\.frames must be of dtype uint8, not float32"),
        (Clip, {"frames": [[0]]}, r"Clip\.frames must be a numpy array of shape \(T, H, W, 3\), not a list"),
        (Clip, {"frames": np.zeros((T, 0, W, 3), np.uint8)}, r"Clip\.frames must be at least one frame"),
        (Clip, {"timestamps_s": np.zeros(T)}, r"Clip\.timestamps_s must be strictly increasing, not \[0\.0, 0\.0"),
        (Clip, {"timestamps_s": np.arange(3.0)}, r"Clip\.timestamps_s must be of shape \(T\) with {'T': 4}, not \(3,\)"),
        (Clip, {"source_indices": np.array([0, 2, 1, 3])}, r"Clip\.source_indices must be strictly increasing"),
        (Clip, {"names": ("a", "a", "b", "c")}, r"Clip\.names must be 4 distinct names"),
        (Clip, {"source_hw": (0, 5)}, r"Clip\.source_hw must be two positive sizes, not \(0, 5\)"),
        (Clip, {"source_frame_count": 3}, r"Clip\.source_frame_count must be at least 4, not 3"),
        (Clip, {"source_fps": float("nan")}, r"Clip\.source_fps must be positive, not nan"),
        (Clip, {"between": np.zeros((2, 3, 4), np.uint8)}, r"Clip\.between_indices must be of shape \(M\) with {'M': 2}, not \(0,\)"),
        (
            Clip,
            {"between": np.zeros((2, 3, 4), np.uint8), "between_indices": np.array([2, 1])},
            r"Clip\.between_indices must be strictly increasing",
        ),
        (
            FlowFields,
            {"momentary_flow": np.zeros((2, T, 3, 5, 2), np.float16)},
            r"FlowFields\.momentary_flow must be of shape \(G, T, h, w, 2\)",
        ),
        (
            FlowFields,
            {"momentary_flow": np.zeros((2, T, 3, 4, 2), np.float16)},
            r"FlowFields\.momentary_error must be a numpy array",
        ),
        (FlowFields, {"gaps": (1, 2)}, r"FlowFields\.gaps must be distinct, non-zero and with -1 and \+1, not \(1, 2\)"),
        (FlowFields, {"valid": np.ones((3, T), bool)}, r"FlowFields\.valid must be of shape \(G, T\)"),
        (FlowFields, {"photometric_error": np.zeros((2, T, 3, 5), np.uint8)}, r"FlowFields\.photometric_error must be of shape"),
        (
            DepthMaps,
            {"inverse_depth": np.full((T, 3, 4), 1.5, np.float16)},
            r"inverse_depth must be within \[0, 1\] and finite, not from 1\.5",
        ),
        (
            DepthMaps,
            {"inverse_depth": np.full((T, 3, 4), np.nan, np.float16)},
            r"inverse_depth must be within \[0, 1\] and finite, not from nan",
        ),
        (DepthMaps, {"reliable": np.ones(T, np.uint8)}, r"DepthMaps\.reliable must be of dtype bool, not uint8"),
        (Tracks, {"positions_xy": np.full((N, T, 2), np.inf, np.float32)}, r"Tracks\.positions_xy must be finite"),
        (Tracks, {"visibility": np.full((N, T), -0.1, np.float32)}, r"Tracks\.visibility must be within \[0, 1\]"),
        (Tracks, {"visibility": np.eye(N, T, dtype=np.float32) - 0.1}, r"Tracks\.visibility must be within \[0, 1\]"),
        (Tracks, {"query_frames": np.full(N, T)}, r"Tracks\.query_frames must be within 0\.\.3, not 4\.\.4"),
        (FeatureMaps, {"query_frames": np.array([2, 0])}, r"FeatureMaps\.query_frames must be strictly increasing"),
        (MotionEvidence, {"moving_score": 1.1}, r"MotionEvidence\.moving_score must be within \[0, 1\], not 1\.1"),
        (MotionEvidence, {"track_probability": np.full(N, 2, np.float32)}, r"track_probability must be within \[0, 1\]"),
        (MotionEvidence, {"seam_maps": np.zeros((T, 3, 5), np.float16)}, r"MotionEvidence\.seam_maps must be of shape \(T, h, w\)"),
        (MotionEvidence, {"seam_maps": np.full((T, 3, 4), 2, np.float16)}, r"MotionEvidence\.seam_maps must be within \[0, 1\]"),
        (MotionLabels, {"moving": np.zeros(N + 1, bool)}, r"MotionLabels\.moving must be of shape \(N\) with {'N': 5}, not \(6,\)"),
        (MotionLabels, {"threshold": -1.0}, r"MotionLabels\.threshold must be within \[0, 1\], not -1\.0"),
        (ObjectMasks, {"object_ids": np.array([3])}, r"ObjectMasks\.object_ids must be exactly the ids in labels, \[2\], not \[3\]"),
        (ObjectMasks, {"object_ids": np.array([0])}, r"ObjectMasks\.object_ids must be within 1\.\.255, not \[0\]"),
        (ObjectMasks, {"motion_scores": np.array([1.2], np.float32)}, r"ObjectMasks\.motion_scores must be within \[0, 1\]"),
        (ObjectMasks, {"labels": np.zeros((T, H, W), np.int64)}, r"ObjectMasks\.labels must be of dtype uint8, not int64"),
    ],
)
def test_a_broken_contract_names_field_seen_and_expected(kind, changed, said):
    with pytest.raises(ProductError, match=said) as caught:
        make(kind, **changed)
    assert isinstance(caught.value, SegmoError)
    assert str(caught.value).endswith("Build it with that shape, dtype and range.")


def test_clip_rate_is_the_mean_rate_of_its_own_frames():
    uneven = make(Clip, timestamps_s=np.array([0.0, 0.1, 0.5, 1.5]))
    assert uneven.fps == pytest.approx(2.0)
    assert (uneven.hw, len(uneven)) == ((H, W), T)
    single = Clip(np.zeros((1, H, W, 3), np.uint8), np.zeros(1), np.zeros(1, np.int64), ("a",), (H, W), 1, 30.0)
    assert single.fps == 30.0


def test_track_visibility_is_the_published_rule():
    tracks = make(
        Tracks,
        visibility=np.tile(np.float32([1.0, 0.9, 0.5, 0.8]), (N, 1)),
        confidence=np.tile(np.float32([0.51, 0.5, 1.0, 0.8]), (N, 1)),
    )
    assert tracks.visible[0].tolist() == [True, False, False, True]
    assert len(tracks) == N


def test_nothing_moves():
    assert make(MotionLabels, moving=np.zeros(N, bool)).nothing_moves
    assert not make(MotionLabels).nothing_moves
    empty = ObjectMasks(np.zeros((T, H, W), np.uint8), np.zeros(0, np.int64), np.zeros(0, np.float32))
    assert empty.nothing_moves
    assert not make(ObjectMasks).nothing_moves
    assert evidence(track_probability=np.zeros(0, np.float32), probability_maps=np.zeros((T, 0, 0), np.float16)).moving_score == 0.5


def test_an_id_may_be_the_highest_and_its_object_out_of_sight():
    labels = np.array([[[255, 0]], [[0, 1]]], np.uint8)
    masks = make(ObjectMasks, labels=labels, object_ids=np.array([1, 255]), motion_scores=np.ones(2, np.float32))
    assert masks.areas().tolist() == [[0, 1], [1, 0]]


def test_flow_finds_its_gaps():
    flow = make(FlowFields)
    assert (flow.gap(1), flow.gap(-1), flow.grid_hw) == (0, 1, (3, 4))


def test_finish_returns_what_a_stage_returns():
    def stage():
        yield 0.5
        yield 1.0
        return "product"

    assert finish(stage()) == "product"


def test_products_are_shown_in_a_line_whatever_they_hold():
    frames = np.zeros((500, H, W, 3), np.uint8)
    clip = Clip(frames, np.arange(500) / 24, np.arange(500), tuple(map(str, range(500))), (H, W), 500, 24.0)
    assert repr(clip).startswith("Clip(frames=<uint8 (500, 6, 8, 3)>, timestamps_s=<float64 (500,)>") and len(repr(clip)) < 300
    labels = MotionLabels(evidence(), np.zeros(N, bool), 0.5)
    assert "evidence=MotionEvidence(track_probability=<float32 (5,)>" in repr(labels) and "moving=<bool (5,)>" in repr(labels)
