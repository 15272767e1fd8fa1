"""The hole-filling cue and what turns it into probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from segmo.lite.cues import CUE_CAP, cue_probability, fill_from_border, hole_filling, otsu_threshold


def filled_by_definition(image: np.ndarray) -> np.ndarray:
    """Morphological reconstruction straight from its definition: dilate the border's values below the image until nothing changes."""
    marker = np.full_like(image, -np.inf)
    marker[0], marker[-1], marker[:, 0], marker[:, -1] = image[0], image[-1], image[:, 0], image[:, -1]
    cross = ndimage.generate_binary_structure(2, 1)
    while True:
        grown = np.minimum(ndimage.grey_dilation(marker, footprint=cross), image)
        if np.array_equal(grown, marker):
            return marker
        marker = grown


@pytest.mark.parametrize("smoothness", [2.5, 5.0])
def test_filling_is_morphological_reconstruction(smoothness: float) -> None:
    random = np.random.default_rng(1)
    images = np.stack([ndimage.gaussian_filter(random.normal(size=(40, 56)), smoothness) for _ in range(3)], axis=-1).astype(np.float32)
    expected = np.stack([filled_by_definition(images[..., i]) for i in range(3)], axis=-1)
    assert (np.abs(fill_from_border(images) - expected) < 1e-6).mean() > 0.99  # all but the spirals that noise has


def disc(radius: float, hw: tuple[int, int] = (48, 64)) -> np.ndarray:
    y, x = np.mgrid[: hw[0], : hw[1]]
    return np.hypot(y - hw[0] / 2, x - hw[1] / 2) < radius


def test_what_is_enclosed_stands_out_and_a_slope_does_not() -> None:
    y, x = np.mgrid[:48, :64].astype(np.float32)
    slope = np.stack([0.2 * x, 0.1 * y], axis=-1)  # smooth parallax, up to 12 pixels
    with_mover = slope + np.where(disc(9)[..., None], np.float32(3), 0)
    cues = hole_filling(np.stack([slope, with_mover]).astype(np.float32), np.array([0.5, 0.5], np.float32))
    assert cues[0].max() < 1e-3
    assert cues[1][disc(6)].min() > 2 and cues[1][~disc(11)].max() < 0.5


@pytest.mark.parametrize("direction", [(1, 0), (-1, 0), (0, 1), (0, -1), (0.7, -0.7)])
def test_a_mover_stands_out_whichever_way_it_goes(direction: tuple[float, float]) -> None:
    residual = np.where(disc(8)[..., None], 4 * np.array(direction, np.float32), 0).astype(np.float32)
    cue = hole_filling(residual[None], np.ones(1, np.float32))[0]
    assert cue[disc(7)].min() > 3.5 and cue[~disc(9)].max() == 0


def test_evidence_is_capped() -> None:
    residual = np.where(disc(8)[..., None], np.float32(1e4), 0) * np.ones(2, np.float32)
    assert hole_filling(residual[None].astype(np.float32), np.ones(1, np.float32)).max() == CUE_CAP


def test_otsu_splits_two_groups_and_survives_one() -> None:
    random = np.random.default_rng(0)
    two = np.concatenate([random.normal(1, 0.2, 900), random.normal(6, 0.5, 100)])
    assert 1.5 < otsu_threshold(two) < 5
    assert otsu_threshold(np.full(10, 3.0)) == 3.0


def test_probability_rises_with_the_cue_and_is_finite_for_a_still_clip() -> None:
    noise = np.random.default_rng(0).uniform(0, 0.6, (4, 48, 64))
    cue = (np.where(disc(8), 5.0, 0.1) + noise).astype(np.float32)
    probability = cue_probability(cue)
    assert probability[:, disc(7)].min() > 0.6 and probability[:, ~disc(9)].max() < 0.2
    assert np.isfinite(cue_probability(np.zeros((3, 8, 8), np.float32))).all()
