"""Models in their authors' packages, with modules in their place that answer alike."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from paper_models import moving_square, save_tapir

from segmo.errors import SettingsError, WeightsError
from segmo.networks.tapir import Tapir
from segmo.types import finish
from segmo.zoo.meta_models import DeepMindTapnet, Sam2MetaMasks, load_predictor
from segmo.zoo.paper_tracks import BootsTapir


class TapnetsTapir(Tapir):
    """Our network, to be called as DeepMind's is: frames from -1 to 1, points as (t, y, x), a dictionary of answers."""

    def __init__(self, pyramid_level: int) -> None:
        assert pyramid_level == 1
        super().__init__()

    def forward(self, video: torch.Tensor, points: torch.Tensor) -> dict[str, torch.Tensor]:
        torch.randperm(points.shape[1])  # as the package does
        frames = ((video[0] + 1) * 127.5).round().to(torch.uint8)
        found = finish(self.track(frames, points[0][:, [0, 2, 1]]))
        names = {"tracks": found.positions.transpose(0, 1), "occlusion": found.occlusion.T, "expected_dist": found.distance.T}
        return {name: value[None] for name, value in names.items()} | {"unrefined_tracks": []}


@pytest.fixture
def tapnet(monkeypatch):
    for name in ("tapnet", "tapnet.torch", "tapnet.torch.tapir_model"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["tapnet.torch.tapir_model"].TAPIR = TapnetsTapir
    monkeypatch.setattr("segmo.networks.tapir.RESOLUTION", 64)


def test_deepminds_tracker_is_asked_for_the_same_tracks_as_ours(tapnet, tmp_path, monkeypatch):
    path, clip = save_tapir(tmp_path / "bootstapir_checkpoint_v2.pt"), moving_square(3)
    points = np.array([[0, 10, 20], [2, 95, 71], [1, 50.5, 33]], np.float32)
    monkeypatch.setattr("segmo.zoo.meta_models.TAPNET_POINTS", 2)
    models = [kind.load(path, "cpu") for kind in (DeepMindTapnet, BootsTapir)]
    state = torch.get_rng_state()
    theirs, ours = (finish(model.track(clip, points, None)) for model in models)
    np.testing.assert_allclose(theirs.positions_xy, ours.positions_xy, atol=1e-3)
    np.testing.assert_allclose(theirs.visibility, ours.visibility, atol=1e-5)
    np.testing.assert_allclose(theirs.confidence, ours.confidence, atol=1e-5)
    assert torch.equal(torch.get_rng_state(), state)  # nobody else's random numbers change


def test_other_weights_are_refused(tapnet, tmp_path):
    torch.save({"something": torch.zeros(2)}, tmp_path / "bootstapir_checkpoint_v2.pt")
    with pytest.raises(WeightsError, match="bootstapir_checkpoint_v2"):
        DeepMindTapnet.load(tmp_path / "bootstapir_checkpoint_v2.pt", "cpu")


@pytest.mark.parametrize(("kind", "package"), [(DeepMindTapnet, "tapnet"), (Sam2MetaMasks, "sam2")])
def test_a_package_that_is_missing_is_named_with_the_line_that_installs_it(kind, package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SettingsError, match=rf"needs the package {package}, .* Install it with: pip install .*github"):
        kind.load(tmp_path / "file.pt", "cpu")


@pytest.fixture
def sam2(monkeypatch):
    def build(config, checkpoint, device, hydra_overrides_extra):
        torch.load(checkpoint, weights_only=True)
        return SimpleNamespace(config=config, device=device, fill_hole_area=8)

    modules = {name: ModuleType(name) for name in ("sam2", "sam2.build_sam", "sam2.sam2_video_predictor")}
    modules["sam2"].__path__ = []
    modules["sam2.build_sam"].HF_MODEL_ID_TO_FILENAMES = {"facebook/sam2-hiera-large": ("configs/large.yaml", "sam2_hiera_large.pt")}
    modules["sam2.build_sam"].build_sam2_video_predictor = build
    modules["sam2.sam2_video_predictor"].tqdm = lambda items, disable=False: items
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)


def test_metas_predictor_is_configured_by_the_name_of_its_checkpoint(sam2, tmp_path):
    torch.save({"model": {}}, tmp_path / "sam2_hiera_large.pt")
    predictor = Sam2MetaMasks.load(tmp_path / "sam2_hiera_large.pt", "cpu")._predictor
    assert (predictor.config, predictor.device) == ("configs/large.yaml", "cpu")
    assert predictor.fill_hole_area == 0  # the extension that fills holes is not there
    with pytest.raises(WeightsError, match=r"Known are sam2_hiera_large\.pt"):
        Sam2MetaMasks.load(tmp_path / "large.pt", "cpu")


def test_a_damaged_checkpoint_of_metas_is_refused(sam2, tmp_path):
    (tmp_path / "sam2_hiera_large.pt").write_bytes(b"not weights")
    with pytest.raises(WeightsError, match=r"Fetch it again\.$"):
        load_predictor("configs/large.yaml", tmp_path / "sam2_hiera_large.pt", "cpu")
