"""The tracker beyond the published figures: chunks of points, windows of frames, reduced precision. Weights are random, frames small."""

from __future__ import annotations

import pytest
import torch

from segmo.errors import WeightsError
from segmo.networks.tapir import BYTES_PER_TOKEN, ITERATIONS, Estimate, Features, Tapir, load_tapir, window_spans
from segmo.types import finish

SIDE = 64


@pytest.fixture(scope="module")
def network() -> Tapir:
    torch.manual_seed(0)
    return Tapir().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    return torch.randint(0, 256, (20, SIDE, SIDE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def queries() -> torch.Tensor:
    return torch.tensor([[0, 20.5, 31], [0, 0, 63], [17, 40, 8.25], [9, 12, 12], [17, 5, 60]])


def close(a: Estimate, b: Estimate, tolerance: float = 1e-3) -> bool:
    return all(torch.allclose(x, y, atol=tolerance) for x, y in zip(a, b, strict=True))


def test_it_has_the_published_size(network):
    assert len(network.state_dict()) == 218
    assert sum(p.numel() for p in network.parameters()) == 54_699_335


def test_chunks_of_points_give_what_all_together_give(network, frames, queries):
    together = finish(network.track(frames[:4], queries[:2]))
    shares = list(network.track(frames[:2], queries[:2], memory_bytes=1))
    assert shares == pytest.approx([0.2, 0.6, 1.0])  # the features, then a point at a time
    assert together.positions.shape == (4, 2, 2) and together.occlusion.shape == together.distance.shape == (4, 2)
    assert close(finish(network.track(frames[:4], queries[:2], memory_bytes=BYTES_PER_TOKEN * 4)), together)


def test_features_of_each_frame_are_computed_once(network, frames, queries, monkeypatch):
    seen: list[int] = []
    features = Tapir.features

    def counted(self: Tapir, some: torch.Tensor, precision: torch.dtype = torch.float32) -> Features:
        seen.append(len(some))
        return features(self, some, precision)

    monkeypatch.setattr(Tapir, "features", counted)
    finish(network.track(frames[:6], queries[:2], memory_bytes=6 * BYTES_PER_TOKEN))  # a point at a time
    assert sum(seen) == 6
    seen.clear()
    finish(network.track(frames, queries, window=8, overlap=4))
    assert sum(seen) == 20 + 2  # and frames 9 and 17 once more, because points start there


def test_a_point_starts_where_it_was_asked_for(network, frames, queries):
    with torch.inference_mode():
        features = network.features(frames)
        first = next(network.estimates(features, *network.descriptors_of(frames, features, queries), queries))
    assert torch.equal(first.positions[queries[:, 0].long(), torch.arange(5)], queries[:, 1:])


def test_a_window_gives_what_its_frames_give_alone(network, frames, queries):
    windowed = finish(network.track(frames, queries, window=12, overlap=6))
    assert window_spans(20, 12, 6) == [(0, 12, 0, 9), (6, 18, 9, 13), (8, 20, 13, 20)]
    with torch.inference_mode():
        features = network.features(frames)
        looks = network.descriptors_of(frames, features, queries)
        *_, middle = network.estimates(features.frames(6, 18), *looks, queries - torch.tensor([6, 0, 0]))
    assert close(Estimate(*(values[9:13] for values in windowed)), Estimate(*(values[3:7] for values in middle)))


@pytest.mark.parametrize("count", [1, 11, 12, 13, 24, 100, 101])
def test_windows_take_each_frame_once(count):
    spans = window_spans(count, 12, 4)
    assert [frame for _, _, first, stop in spans for frame in range(first, stop)] == list(range(count))
    for start, stop, first, end in spans:
        assert 0 <= start <= first < end <= stop <= count and stop - start == min(12, count)
        assert (start == 0 or first - start >= 2) and (stop == count or stop - end >= 2)  # neighbours on both sides


def test_reduced_precision_stays_near(network, frames, queries):
    exact = finish(network.track(frames[:4], queries[:2]))
    rough = finish(network.track(frames[:4], queries[:2], precision=torch.bfloat16))
    assert rough.positions.dtype == torch.float32
    moved = (rough.positions - exact.positions).abs()
    assert 0 < moved.median() < 0.2  # a maximum may flip between cells that fit equally well, but most points stay


def test_progress_is_told_every_few_frames_and_never_falls(network, frames, queries):
    shares = list(network.track(frames, queries[:1], window=12, overlap=6))
    assert shares == sorted(shares) and shares[-1] == 1 and len(shares) > 6


def test_plain_tapir_loads_too_and_does_without_the_extra_layers(tmp_path, frames, queries):
    torch.manual_seed(1)
    plain = Tapir(boots=False).eval()
    assert len(plain.state_dict()) == 218 - 30 and plain.torch_pips_mixer.linear.in_features == 4 + 384 + 2 * 49
    torch.save(plain.state_dict(), tmp_path / "tapir_checkpoint_panning.pt")
    loaded = load_tapir(tmp_path / "tapir_checkpoint_panning.pt")
    assert close(finish(loaded.track(frames[:2], queries[:2])), finish(plain.track(frames[:2], queries[:2])), 0)


def test_it_refines_four_times(network, frames, queries):
    with torch.inference_mode():
        features = network.features(frames[:3])
        looks = network.descriptors(features.frames(0, 1), queries[:2, 1:])
        assert len(list(network.estimates(features, *looks, queries[:2]))) == 1 + ITERATIONS


def test_other_files_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match=r"other\.pt"):
        load_tapir(tmp_path / "other.pt")
    with pytest.raises(WeightsError, match=r"absent\.pt"):
        load_tapir(tmp_path / "absent.pt")
