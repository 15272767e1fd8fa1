"""The motion network beyond the published figures: batches, masks, gradients and the loading of weights."""

from __future__ import annotations

import pytest
import torch

from segmo.errors import WeightsError
from segmo.networks.motion_net import (
    CHANNELS,
    DESCRIPTOR,
    PAPER,
    MotionNet,
    MotionNetConfig,
    encode_tracks,
    load_motion_net,
    look_up_depth,
    look_up_frames,
)


@pytest.fixture(scope="module")
def network() -> MotionNet:
    torch.manual_seed(0)
    return MotionNet().eval()


def some_inputs(
    batch: int, tracks: int = 9, frames: int = 6, config: MotionNetConfig = PAPER
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    xy = torch.rand(batch, 2, tracks, frames, generator=random) * 2 - 1
    hidden = torch.rand(batch, tracks, frames, generator=random) < 0.3
    probabilities = torch.rand(2, batch, tracks, frames, generator=random)
    depth = torch.rand(batch, frames, 5, 7, generator=random)
    return encode_tracks(xy, hidden, *probabilities, depth, config), hidden, torch.randn(batch, tracks, DESCRIPTOR, generator=random)


def test_it_has_the_published_size(network):
    assert sum(p.numel() for p in network.parameters()) == 3_443_809
    assert len(network.state_dict()) == 200


def test_a_batch_gives_what_its_clips_give_one_by_one(network):
    inputs = some_inputs(3)
    with torch.inference_mode():
        together = network(*inputs)
        alone = torch.cat([network(*(part[i : i + 1] for part in inputs)) for i in range(3)])
    assert together.shape == (3, 9)
    assert torch.allclose(together, alone, atol=1e-5)


def test_the_order_of_tracks_does_not_matter(network):
    inputs, hidden, descriptors = some_inputs(1)
    order = torch.tensor([4, 2, 8, 0, 1, 7, 3, 6, 5])
    with torch.inference_mode():
        there = network(inputs, hidden, descriptors)[:, order]
        assert torch.allclose(network(inputs[:, :, order], hidden[:, order], descriptors[:, order]), there, atol=1e-5)


def test_tracks_and_frames_that_are_never_visible_give_numbers(network):
    inputs, hidden, descriptors = some_inputs(1)
    hidden[:, 2], hidden[:, :, 3] = True, True
    assert network(inputs, hidden, descriptors).isfinite().all()
    assert network(inputs, torch.ones_like(hidden), descriptors).isfinite().all()


def test_training_reaches_every_weight():
    torch.manual_seed(0)
    network = MotionNet().train()
    network(*some_inputs(2)).sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


def test_inputs_of_a_point_at_rest():
    xy = torch.full((1, 2, 1, 2), 0.5)
    inputs = encode_tracks(
        xy, torch.zeros(1, 1, 2, dtype=torch.bool), torch.full((1, 1, 2), 0.8), torch.full((1, 1, 2), 0.7), torch.ones(1, 2, 4, 4)
    )
    assert inputs.shape == (1, CHANNELS, 1, 2)
    motion = inputs[0, 42:84, 0, 0]
    assert motion[:2].tolist() == [0, 0] and motion[4:6].tolist() == [1, 1]  # sines of nothing are 0, cosines 1
    assert inputs[0, 84:, 0, 0].tolist() == pytest.approx([1, 0, 0.8, 0.7])


def test_depth_is_looked_up_as_the_published_weights_learnt_it():
    depth = torch.arange(12.0).reshape(1, 1, 3, 4)
    xy = torch.tensor([[-0.9, -0.9], [0.5, 0.0], [0.99, 0.99], [-0.6, 0.4]]).T.reshape(1, 2, 4, 1)
    # negative coordinates read pixel 0, and where only x is negative, pixels of a row before
    assert look_up_depth(xy, depth).flatten().tolist() == [0, 2, 11, 2]


@pytest.mark.parametrize("hw", [(3456, 6144), (4320, 7680)])
def test_depth_of_frames_with_more_pixels_than_float32_can_number(hw):
    height, width = hw
    depth = torch.zeros(1, 1, height, width, dtype=torch.uint8)
    row, column = height - 1, width - 2  # an odd number of pixels before it
    depth[..., row, column], depth[..., -1, -1] = 1, 2
    here = torch.tensor([(column + 0.5) / width, (row + 0.5) / height])
    xy = torch.stack([here, torch.tensor([0.3, 1.0]), torch.tensor([1.0, 1.0])], -1)[None, :, :, None]  # the others are below the last row
    assert look_up_depth(xy, depth).flatten().tolist() == [1, 2, 2]


def test_depth_is_looked_up_frame_by_frame_as_all_at_once():
    random = torch.Generator().manual_seed(3)
    xy, depth = torch.rand(2, 40, 6, generator=random) * 2 - 1, torch.rand(6, 30, 50, generator=random)
    assert torch.equal(look_up_frames(xy, iter(depth)), look_up_depth(xy[None], depth[None])[0])
    with pytest.raises(ValueError, match="shorter"):
        look_up_frames(xy, depth[:5])


def test_published_weights_load_and_others_are_refused(network, tmp_path):
    path = tmp_path / "moseg.pth"
    torch.save({"model_state_dict": network.state_dict(), "epoch": 4}, path)
    loaded = load_motion_net(path)
    assert not loaded.training and all(torch.equal(a, b) for a, b in zip(loaded.parameters(), network.parameters(), strict=True))
    torch.save({"model_state_dict": dict(list(network.state_dict().items())[1:])}, path)
    with pytest.raises(WeightsError, match=r"moseg\.pth"):
        load_motion_net(path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsError, match=r"moseg\.pth"):
        load_motion_net(path)


@pytest.mark.parametrize(
    ("config", "channels", "entries"),
    [
        (MotionNetConfig(depth=False), 86, 200),
        (MotionNetConfig(tracks=False), 4, 200),
        (MotionNetConfig(frequencies=0), 8, 200),
        (MotionNetConfig(across_tracks=False), 88, 192),
        (MotionNetConfig(descriptors="none"), 88, 200),
        (MotionNetConfig(descriptors="joined"), 88, 200),
        (MotionNetConfig(descriptors="from_start"), 88, 200),
    ],
)
def test_parts_can_be_left_out(config, channels, entries):
    torch.manual_seed(0)
    network = MotionNet(config).train()
    inputs, hidden, descriptors = some_inputs(2, config=config)
    assert inputs.shape[1] == config.channels == channels and len(network.state_dict()) == entries
    network(inputs, hidden, descriptors).sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []
    with torch.inference_mode():
        network.eval()
        same = torch.allclose(network(inputs, hidden, descriptors), network(inputs, hidden, torch.zeros_like(descriptors)), atol=1e-6)
    assert same == (config.descriptors == "none")


def test_without_attention_across_tracks_a_track_is_encoded_alone():
    torch.manual_seed(0)
    for across in (False, True):
        encoder = MotionNet(MotionNetConfig(across_tracks=across)).eval().joint_encoder
        inputs, hidden, descriptors = some_inputs(1)
        with torch.inference_mode():
            alone = encoder(inputs[:, :, :1], hidden[:, :1], descriptors[:, :1])
            assert torch.allclose(encoder(inputs, hidden, descriptors)[:, :1], alone, atol=1e-5) != across


def test_descriptors_from_the_start_are_joined_to_every_frame():
    torch.manual_seed(0)
    encoder = MotionNet(MotionNetConfig(descriptors="from_start")).joint_encoder
    inputs, _, descriptors = some_inputs(2)
    joined = torch.cat([inputs, descriptors.transpose(1, 2)[..., None].expand(-1, -1, -1, inputs.shape[-1])], 1)
    with torch.inference_mode():
        assert torch.allclose(encoder._first(inputs, descriptors), encoder.input_fc1(joined), atol=1e-5)
