"""EdgeTAM's image encoder."""

from __future__ import annotations

import pytest
import torch
from paper_models import EDGETAM_ENCODER, with_norms

from segmo.networks.repvit import DEPTHS, WIDTHS, RepVitM1
from segmo.networks.sam2_video import EdgeTamConfig, EdgeTamVideo
from segmo.zoo.registry import find

PUBLISHED = {
    "enable_occlusion_spatial_embedding": False,
    "enable_temporal_pos_encoding_for_object_pointers": False,
    "model_type": "edgetam_video",
    "vision_config": {"backbone_config": EDGETAM_ENCODER, "model_type": "edgetam_vision_model"},
}
CLASSIFIER = 2 * (2 * 384 + 384 * 1000 + 1000)
"""Numbers in the two heads that EdgeTAM has no use for."""


@pytest.fixture(scope="module")
def network() -> RepVitM1:
    torch.manual_seed(0)
    network = RepVitM1()
    return with_norms(network, network, torch.randn(4, 3, 64, 64))


def test_the_network_is_as_large_as_published(network):
    assert sum(value.numel() for value in network.parameters()) == 5_485_248 - CLASSIFIER  # RepViT-M1: 5.5 million
    entries = network.state_dict()
    assert len(entries) == 676
    assert entries["stages_2.blocks.12.se.fc1.weight"].shape == (48, 192, 1, 1) and "stages_2.blocks.13.se.fc1.weight" not in entries
    assert entries["stages_3.downsample.pre_block.token_mixer.conv.c.weight"].shape == (192, 1, 3, 3)


def test_edgetams_file_is_as_large_as_the_published_one_to_the_byte(tmp_path):
    """It holds the names, kinds and shapes of all entries beside their values, so that none of them can differ in length."""
    model = EdgeTamVideo(EdgeTamConfig.from_dict(PUBLISHED))
    model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size == find("masks", "edgetam").weights.size_bytes == 55_912_824
    assert sum("vision_encoder.backbone.timm_model.stages_" in name for name in model.state_dict()) == 664


def test_features_have_the_widths_and_strides_of_four_stages(network):
    with torch.inference_mode():
        features = network(torch.zeros(1, 3, 96, 64))
    assert [tuple(level.shape) for level in features] == [(1, w, 96 // s, 64 // s) for w, s in zip(WIDTHS, (4, 8, 16, 32), strict=True)]


def test_one_convolution_takes_the_place_of_several_and_gives_the_same(network):
    fused = RepVitM1().eval()
    fused.load_state_dict(network.state_dict())
    fused.fused()
    images = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        pairs = list(zip(network(images), fused(images), strict=True))
    assert all(torch.allclose(a, b, rtol=0, atol=1e-3) and a.std() > 0.1 for a, b in pairs)
    layers = [type(layer) for layer in fused.modules()]
    assert torch.nn.BatchNorm2d not in layers
    # a block has one for its neighbourhood and two for its channels, and every other one two more; a reduction has five beside its block's
    squeezing = sum(depth // 2 for depth in DEPTHS)
    assert layers.count(torch.nn.Conv2d) == 2 + 3 * sum(DEPTHS) + 2 * squeezing + 3 * (3 + 4)
