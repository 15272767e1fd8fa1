from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from segmo.lite.flow import GAPS
from segmo.lite.inputs import PLANES, SCALES
from segmo.networks.flow_graph import FlowGraph
from segmo.networks.flow_net import FlowNet, widened

CHANNELS = PLANES + len(GAPS) + SCALES


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
    assert logits.shape == (2, 1, *hw) and torch.isfinite(logits).all()


def state(net: FlowNet) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in net.state_dict().items() if value.is_floating_point()}


@pytest.mark.parametrize(("widths", "outputs"), [((24, 48, 80, 128), 1), ((8, 12, 20, 24), 2)])
def test_the_network_for_use_gives_what_the_trained_one_gives(widths, outputs):
    torch.manual_seed(1)
    trained = FlowNet(PLANES, len(GAPS), SCALES, widths, outputs)
    with torch.no_grad():
        trained(*inputs(4, 64, 64))  # so that the normalisations have something to do
    trained.eval()
    graph = FlowGraph(state(trained), CHANNELS)
    for hw in ((33, 50), (64, 48), (33, 50)):
        given = inputs(1, *hw)
        with torch.inference_mode():
            expected = trained(*given)[0].numpy()
        np.testing.assert_allclose(graph.logits(*(x[0].numpy() for x in given)), expected, rtol=1e-4, atol=1e-4)


def test_threads_use_one_network_side_by_side(net):
    graph = FlowGraph(state(net), CHANNELS)
    given = [[x[b].numpy() for x in inputs(6, 32, 48)] for b in range(6)]
    alone = [graph.logits(*frame) for frame in given]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda frame: graph.logits(*frame), given * 3))
    assert all(np.array_equal(one, other) for one, other in zip(alone * 3, together, strict=True))


def test_weights_that_do_not_fit_are_refused(net):
    weights = state(net)
    with pytest.raises(ValueError, match="head\\.bias is missing"):
        FlowGraph({name: value for name, value in weights.items() if name != "head.bias"}, CHANNELS)
    with pytest.raises(ValueError, match="other belongs to no part"):
        FlowGraph(weights | {"other": np.zeros(3)}, CHANNELS)
    with pytest.raises(ValueError, match=f"it sees {CHANNELS} channels instead of 7"):
        FlowGraph(weights, 7)
    with pytest.raises(ValueError, match="do not fit each other"):
        FlowGraph(weights | {"up8.0.weight": weights["up8.0.weight"][:, :-1]}, CHANNELS)
    with pytest.raises(ValueError, match="broadcast"):
        FlowGraph(weights | {"up8.1.bias": weights["up8.1.bias"][:-1]}, CHANNELS)


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
