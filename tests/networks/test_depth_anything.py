"""Depth Anything around transformers' network: preparation against the library's own, and loading. The model is tiny and random."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from paper_models import tiny_depth
from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

from segmo.errors import WeightsError
from segmo.geometry import resample_image
from segmo.networks.depth_anything import DepthAnything, load_depth_anything
from segmo.networks.dino import DEVIATION, MEAN, normalised


@pytest.fixture(scope="module")
def network() -> DepthAnything:
    return DepthAnything(tiny_depth().eval())


@pytest.mark.parametrize("hw", [(480, 854), (854, 480), (518, 518), (37, 23), (1000, 562), (300, 2000)])
def test_frames_are_prepared_as_the_library_prepares_them(network, hw):
    side = {"height": network.side, "width": network.side}
    processor = DPTImageProcessorPil(
        size=side, keep_aspect_ratio=True, ensure_multiple_of=14, resample=3, image_mean=list(MEAN), image_std=list(DEVIATION)
    )
    frame = np.random.default_rng(0).integers(0, 256, (*hw, 3), np.uint8)
    expected = processor(frame)["pixel_values"][0]
    ours = normalised(torch.from_numpy(resample_image(frame, network.input_hw(hw), "bicubic").copy())[None])[0]
    assert ours.shape == expected.shape
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_the_published_size_gives_the_published_grid(network):
    network.side = 518
    assert network.input_hw((480, 854)) == (518, 924)
    network.side = 56


def test_a_published_folder_loads_and_others_are_refused(network, tmp_path):
    network.model.save_pretrained(tmp_path / "good")
    images = torch.randint(0, 256, (2, 56, 70, 3), dtype=torch.uint8)
    with torch.inference_mode():
        ours = load_depth_anything(tmp_path / "good")(images, (30, 40))
        assert ours.shape == (2, 30, 40) and torch.equal(ours, network(images, (30, 40)))
    with pytest.raises(WeightsError, match="absent"):
        load_depth_anything(tmp_path / "absent")
