from __future__ import annotations

import pytest
import torch

from segmo.lite.flow import GAPS
from segmo.lite.inputs import PLANES, SCALES
from segmo.networks.flow_net import FlowNet, widened


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
    planes, error, scales = inputs(3, 32, 48)
    with torch.inference_mode():
        together = net(planes, error, scales)
        alone = net(planes[1:2], error[1:2], scales[1:2])
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-4)


def test_every_input_and_every_weight_matters(net):
    tensors = [x.requires_grad_() for x in inputs(1, 32, 48)]
    net.zero_grad()
    net(*tensors).square().sum().backward()
    assert all(x.grad.abs().sum() > 0 for x in tensors)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_weights_of_a_network_that_saw_less_give_what_they_gave():
    torch.manual_seed(2)
    fewer = FlowNet(PLANES - 6, len(GAPS), SCALES).eval()
    wider = FlowNet(PLANES, len(GAPS), SCALES).eval()
    wider.load_state_dict(widened(fewer.state_dict(), wider, PLANES))
    planes, error, scales = inputs(1, 32, 48)
    with torch.inference_mode():
        torch.testing.assert_close(wider(planes, error, scales), fewer(planes[:, :-6], error, scales))
    assert widened(wider.state_dict(), wider, PLANES).keys() == fewer.state_dict().keys()
