"""What the second network of the lite preset sees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from segmo.lite.flow import GAPS
from segmo.lite.fusion import PICTURE_PLANES, PLANES, SCALAR_PLANES, SCALES, VECTORS, FusionInput, FusionInputs, Judges
from segmo.lite.refinement import FlowLinks
from segmo.lite.verification import FrameTest

T, H, W = 6, 32, 48
Arrays = tuple[Judges, np.ndarray, FlowLinks]


def clip(*, mirrored: bool = False, untested: tuple[int, ...] = ()) -> Arrays:
    """A random clip, or the same in a mirror."""
    random = np.random.default_rng(3)

    def turned(array: np.ndarray) -> np.ndarray:
        """(..., H, W) as it is, or mirrored."""
        return np.ascontiguousarray(array[..., ::-1]) if mirrored else array

    def maps(*shape: int) -> np.ndarray:
        return turned(random.random((*shape, H, W)).astype(np.float32))

    tests: list[FrameTest | None] = []
    for t in range(T):
        violation, gain, unsteady = maps(), 30 * maps() - 5, maps()
        test = FrameTest(violation, maps() > 0.5, gain, maps() > 0.5, unsteady, 0.1 + 0.1 * t, ("travels", "turns", "stands still")[t % 3])
        tests.append(None if t in untested else test)
    residual = np.stack([6 * maps(T) - 3, 6 * maps(T) - 3], axis=-1)
    flow = np.zeros((T, H, W, 2), np.float16)
    flow[..., 0] = 2.0
    if mirrored:
        residual[..., 0] *= -1
        flow *= -1
    errors = turned(random.integers(0, 40, (len(GAPS), T, H, W)).astype(np.uint8))
    lab = np.stack([turned(random.integers(0, 256, (T, H, W)).astype(np.uint8)) for _ in range(3)], axis=-1)
    judges = Judges(maps(T), maps(T), maps(T), residual, errors.swapaxes(0, 1), tests)
    return judges, lab, FlowLinks(flow, -flow, errors[[2, 1]], (H, W))


def seen(of: Arrays) -> list[FusionInput]:
    inputs = FusionInputs(*of)
    return [inputs.frame(t) for t in range(T)]


def test_every_frame_has_one_input_of_the_announced_size() -> None:
    inputs = seen(clip())
    assert len(inputs) == T
    for one in inputs:
        assert one.planes.shape == (PLANES, H, W) and one.error.shape == (len(GAPS), H, W) and one.scales.shape == (SCALES,)
        assert np.isfinite(one.planes).all() and np.isfinite(one.scales).all()
    assert PLANES == SCALAR_PLANES + 2 * VECTORS + PICTURE_PLANES


def test_threads_may_ask_for_frames_side_by_side() -> None:
    inputs = FusionInputs(*clip())
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(inputs.frame, [4, 1, 4, 0, 1]))
    for t, one in zip([4, 1, 4, 0, 1], together, strict=True):
        assert np.array_equal(one.planes, inputs.frame(t).planes) and np.array_equal(one.scales, inputs.frame(t).scales)


def test_a_mirror_changes_the_sign_of_what_points_sideways_and_nothing_else() -> None:
    for straight, mirrored in zip(seen(clip()), seen(clip(mirrored=True)), strict=True):
        expected = straight.planes[:, :, ::-1].copy()
        expected[SCALAR_PLANES : SCALAR_PLANES + 2 * VECTORS : 2] *= -1
        inner = np.s_[:, 2:-2, 4:-4]  # at the border what enters the picture depends on the direction of the flow
        assert np.abs(mirrored.planes[inner] - expected[inner]).max() < 0.02
        assert np.allclose(mirrored.scales, straight.scales)


@pytest.mark.parametrize("name", ["network", "cue", "joint", "residual"])
def test_every_judge_is_heard(name: str) -> None:
    judges, lab, links = clip()
    changed = {field: getattr(judges, field) for field in ("network", "cue", "joint", "residual", "error", "tests")}
    changed[name] = changed[name] * 0.25
    before, after = seen((judges, lab, links)), seen((Judges(**changed), lab, links))
    assert any(np.abs(b.planes - a.planes).max() > 0.1 for b, a in zip(before, after, strict=True))


def test_frames_without_a_test_say_nothing_of_it() -> None:
    inputs = seen(clip(untested=tuple(range(T))))
    assert all((one.planes[7:16] == 0).all() and (one.scales[:3] == 0).all() for one in inputs)
