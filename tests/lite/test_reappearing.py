"""What was out of sight is known again by its colours, its course and how long it was gone."""

from __future__ import annotations

import numpy as np
import pytest

from segmo.lite.reappearing import rejoin

FRAMES, HW, PACE = 60, (80, 160), 2


def two_stays(first_ends: int, second_begins: int, alike: int = 6, jump: int = 0) -> int:
    """How many objects two groups of six points are that go right at one pace, one up to a frame and the other from one.

    So many points of the second are of the colour of the first, and it is `jump` pixels lower.
    """
    offsets = np.array([[0, 0], [3, 0], [6, 0], [0, 3], [3, 3], [6, 3]], np.int64)
    course = np.stack([20 + PACE * np.arange(FRAMES), np.full(FRAMES, 10)], axis=1)
    positions = np.concatenate([offsets, offsets + np.array([0, jump])])[:, None] + course
    on = np.zeros((12, FRAMES), np.int32)
    on[:6, : first_ends + 1], on[6:, second_begins:] = np.arange(1, first_ends + 2), 100 + np.arange(second_begins, FRAMES)
    components = np.zeros((FRAMES, *HW), np.int32)
    components[0, 20, 20] = on.max()  # away from the edges of the picture, as all are
    lab = np.full((FRAMES, *HW, 3), (100, 120, 120), np.uint8)
    for x, y in positions[6 + alike :, second_begins:].reshape(-1, 2):
        lab[second_begins:, y, x] = (220, 60, 190)
    for t in range(second_begins, FRAMES):
        lab[t, positions[6 : 6 + alike, t, 1], positions[6 : 6 + alike, t, 0]] = (100, 120, 120)
    return len(rejoin([np.arange(6), np.arange(6, 12)], positions.astype(np.float32), components, on, lab))


def test_what_comes_out_where_it_was_heading_is_the_same() -> None:
    assert two_stays(14, 20) == 1
    assert two_stays(14, 20, jump=50) == 2


@pytest.mark.parametrize(("alike", "objects"), [(6, 1), (3, 1), (1, 2), (0, 2)])
def test_it_is_another_if_hardly_any_of_its_colours_are_the_same(alike: int, objects: int) -> None:
    assert two_stays(14, 20, alike) == objects


@pytest.mark.parametrize(("overlap", "objects"), [(1, 1), (8, 1), (13, 2)])
def test_both_ends_may_show_for_a_moment_beside_what_hides_the_middle(overlap: int, objects: int) -> None:
    assert two_stays(29, 30 - overlap) == objects
