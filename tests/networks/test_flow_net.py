from __future__ import annotations

import pytest
import torch

from segmo.lite.flow import GAPS
from segmo.lite.inputs import PLANES, SCALES
from segmo.networks.flow_net import DERIVED, FlowNet, seen_by_size_and_camera, widened


@pytest.fixture(scope="module")
def net() -> FlowNet:
    torch.manual_seed(0)
    return FlowNet(PLANES, len(GAPS), SCALES).eval()


def inputs(batch: int, height: int, width: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(batch, PLANES, height, width, generator=generator),
        torch.rand(batch, len(GAPS), height, width, generator=generator) * 60,
        torch.randn(batch, SCALES, generator=generator),
        torch.randn(batch, len(GAPS), 2, generator=generator) * 3,
    )


def test_it_has_the_size_of_the_plan(net):
    assert 1.1e6 < sum(p.numel() for p in net.parameters()) < 1.25e6


@pytest.mark.parametrize("hw", [(126, 224), (33, 50), (16, 16)])
def test_logits_have_the_size_of_the_input(net, hw):
    with torch.inference_mode():
        logits = net(*inputs(2, *hw))
    assert logits.shape == (2, *hw) and torch.isfinite(logits).all()


def test_the_network_for_use_gives_what_the_trained_one_gives(net):
    trained = FlowNet(PLANES, len(GAPS), SCALES)
    with torch.no_grad():
        trained(*inputs(4, 64, 64))  # so that the normalisations have something to do
    trained.eval()
    given = inputs(2, 33, 50)
    with torch.inference_mode():
        expected = trained(*given)
        torch.testing.assert_close(trained.fused()(*given), expected, rtol=1e-4, atol=1e-4)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) and name.startswith("down2") for name, module in trained.named_modules())


def test_frames_of_a_batch_do_not_touch_each_other(net):
    given = inputs(3, 32, 48)
    with torch.inference_mode():
        together = net(*given)
        alone = net(*(x[1:2] for x in given))
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-4)


def test_every_input_and_every_weight_matters(net):
    tensors = [x.requires_grad_() for x in inputs(1, 32, 48)]
    net.zero_grad()
    net(*tensors).square().sum().backward()
    assert all(x.grad.abs().sum() > 0 for x in tensors)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def picture(camera: tuple[float, float], objects: list[tuple[float, float]], scale: float = 1.0) -> tuple[torch.Tensor, ...]:
    """What the network derives where everything flows by `camera` and bands of eight columns by `objects` on top of that, in pixels."""
    gaps = len(GAPS)
    residual = torch.zeros(1, gaps, 2, 16, 8 * (len(objects) + 1))
    for number, motion in enumerate(objects):
        residual[..., 8 * number : 8 * number + 8] = torch.tensor(motion)[:, None, None]
    median = torch.tensor(camera).expand(1, gaps, 2)
    planes = torch.cat([residual.flatten(1, 2), residual.flatten(1, 2)], 1) / scale
    half_logarithms = torch.full((1, 2 * gaps), 0.5).mul(torch.tensor(scale).log())
    derived = seen_by_size_and_camera(planes, half_logarithms, median)
    assert derived.shape == (1, DERIVED * gaps, *planes.shape[-2:])
    return derived[0, : 2 * gaps].reshape(gaps, 2, *planes.shape[-2:]), *derived[0, 2 * gaps :].reshape(3, gaps, *planes.shape[-2:])


def test_what_is_near_runs_ahead_of_the_camera_s_flow_and_what_is_followed_lags():
    _, ahead, aside, speed = picture((10.0, 0.0), [(5.0, 0.0), (-10.0, 0.0), (0.0, 4.0)])
    near, followed, across = (ahead[0, 0, column] for column in (4, 12, 20))
    assert 0.4 < near < 0.5 and -1 < followed < -0.85 and across == 0
    assert aside[0, 0, 4] == aside[0, 0, 12] == 0 and 0.3 < aside[0, 0, 20] < 0.4
    assert ahead[0, 0, -1] == aside[0, 0, -1] == 0 and torch.allclose(speed, speed[0, 0, 0])


def test_a_mirrored_picture_is_ahead_and_aside_alike():
    one, other = (picture((side * 10.0, 3.0), [(side * 2.0, 1.0)]) for side in (1, -1))
    for kind in (1, 2, 3):
        torch.testing.assert_close(one[kind], other[kind])


def test_a_slow_mover_shows_however_fast_others_are():
    alone, _, _, _ = picture((0.0, 0.0), [(1.5, 0.0)])
    beside, _, _, _ = picture((0.0, 0.0), [(1.5, 0.0), (60.0, 0.0)], scale=60.0)
    torch.testing.assert_close(alone[:, :, :, :8], beside[:, :, :, :8])
    assert alone[0, 0, 0, 0] > 0.25 * beside[0, 0, 0, 12]


def test_weights_of_a_network_that_saw_less_give_what_they_gave(net):
    torch.manual_seed(2)
    fewer = {name: value.clone() for name, value in FlowNet(PLANES, len(GAPS), SCALES).state_dict().items()}
    derived = DERIVED * len(GAPS)
    fewer["down2.0.0.weight"] = fewer["down2.0.0.weight"][:, :-derived]
    wider = FlowNet(PLANES, len(GAPS), SCALES).eval()
    wider.load_state_dict(widened(fewer, wider))
    given = inputs(1, 32, 48)
    with torch.inference_mode():
        torch.testing.assert_close(wider(*given), wider(*given[:3], given[3] * 5))  # what is new counts nothing yet
    assert torch.equal(wider.down2[0][0].weight[:, :-derived], fewer["down2.0.0.weight"])
    assert (
        widened(fewer | {"down2.0.0.weight": wider.down2[0][0].weight}, wider)["down2.0.0.weight"].shape[1] == PLANES + 4 + SCALES + derived
    )
