"""Motion networks with weights that the user trained."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from paper_models import moving_square, save_moseg
from safetensors import safe_open
from safetensors.torch import save_file

from segmo.errors import SettingsError, WeightsError
from segmo.lite import fusion
from segmo.lite.flow import GAPS
from segmo.lite.inputs import PLANES, SCALES
from segmo.networks.motion_net import CONFIG_NOTE, MotionNet, MotionNetConfig
from segmo.stages.motion import MotionInputs
from segmo.types import DepthMaps, FeatureMaps, Tracks, finish
from segmo.zoo.lite_motion import FUSION_WEIGHTS, WEIGHTS, WIDTHS_NOTE, load_flow_graph, load_fusion_graph
from segmo.zoo.store import ModelStore

SMALL = MotionNetConfig(depth=False, track_layers=1, time_layers=1, track_width=32, track_hidden=32)


def lite_weights(path: Path, seed: int = 0) -> Path:
    """As `segmo train` writes them: ours with another last layer."""
    with safe_open(WEIGHTS, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        widths = file.metadata()["widths"]
    tensors["head.bias"] = torch.randn(4, generator=torch.Generator().manual_seed(seed)).half()
    save_file(tensors, path, {WIDTHS_NOTE: widths, "code": "0.1"})
    return path


def paper_weights(path: Path, prefix: str = "") -> Path:
    torch.manual_seed(3)
    tensors = {prefix + name: value for name, value in MotionNet(SMALL).state_dict().items()}
    save_file(tensors, path, {CONFIG_NOTE: json.dumps(dataclasses.asdict(SMALL))})
    return path


@pytest.fixture
def nothing_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub without any file, so that whatever looks for published weights fails."""
    (tmp_path / "hub").mkdir()
    monkeypatch.setenv("SEGMO_HUB", str(tmp_path / "hub"))
    monkeypatch.setenv("SEGMO_WEIGHTS", str(tmp_path / "weights"))


@pytest.mark.parametrize(("save", "model"), [(lite_weights, "lite"), (paper_weights, "moseg"), (save_moseg, "moseg")])
def test_results_are_kept_under_the_content_of_the_file(save, model, tmp_path, nothing_published):
    path = save(tmp_path / ("best.pth" if save is save_moseg else "best.safetensors"))
    identity = ModelStore("cpu", motion_weights=path).identity("motion", model)
    copy = shutil.copy(path, tmp_path / f"copy{path.suffix}")
    assert ModelStore("cpu", motion_weights=copy).identity("motion", model) == identity
    assert ModelStore("cpu").identity("motion", "lite") != identity
    assert ModelStore("cpu", motion_weights=path).identity("masks", "lite") == ModelStore("cpu").identity("masks", "lite")
    store = ModelStore("cpu", motion_weights=path)
    assert not list(store.fetch([("motion", model)])) and store.get("motion", model).identity == identity


def test_other_trained_weights_are_another_model(tmp_path):
    paths = [lite_weights(tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2)]
    stores = [ModelStore("cpu", motion_weights=path) for path in paths]
    assert stores[0].identity("motion", "lite") != stores[1].identity("motion", "lite")
    frame = (np.ones((PLANES, 16, 16), np.float32), np.zeros((len(GAPS), 16, 16), np.uint8), np.zeros(SCALES, np.float32))
    loaded = [store.get("motion", "lite")._network.logits(*frame) for store in stores]
    expected = load_flow_graph(paths[0], sha256="").logits(*frame)
    assert np.array_equal(loaded[0], expected) and not np.array_equal(*loaded)


def second_weights(path: Path) -> Path:
    """As `segmo train` writes those of the second network: ours with another last layer."""
    with safe_open(FUSION_WEIGHTS, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        notes = {"fusion_widths": file.metadata()["fusion_widths"]}
    tensors["head.bias"] = tensors["head.bias"] + 1
    save_file(tensors, path, notes)
    return path


def test_either_network_of_the_lite_preset_can_be_replaced_or_both(tmp_path):
    first, second = lite_weights(tmp_path / "first.safetensors", 1), second_weights(tmp_path / "second.safetensors")
    frame = (np.ones((fusion.PLANES, 16, 16), np.float32), np.zeros((fusion.ERRORS, 16, 16), np.uint8), np.zeros(fusion.SCALES, np.float32))
    expected = load_fusion_graph().logits(*frame)
    one, both, turned = (ModelStore("cpu", motion_weights=paths) for paths in (second, (first, second), (second, first)))
    assert one.get("motion", "lite")._network is None  # ours
    for store in (one, both):
        found = store.get("motion", "lite")._fusion.logits(*frame)
        np.testing.assert_allclose(found, expected + 1, atol=2e-3)  # biases are kept in half precision
    flow = (np.ones((PLANES, 16, 16), np.float32), np.zeros((len(GAPS), 16, 16), np.uint8), np.zeros(SCALES, np.float32))
    assert np.array_equal(both.get("motion", "lite")._network.logits(*flow), load_flow_graph(first, sha256="").logits(*flow))
    identities = {store.identity("motion", "lite") for store in (ModelStore("cpu"), ModelStore("cpu", motion_weights=first), one, both)}
    assert len(identities) == 4 and turned.identity("motion", "lite") == both.identity("motion", "lite")


@pytest.mark.parametrize("save", [lite_weights, paper_weights])
def test_two_files_for_one_network_or_for_two_models_are_refused(save, tmp_path):
    paths = lite_weights(tmp_path / "one.safetensors"), save(tmp_path / "other.safetensors")
    with pytest.raises(SettingsError, match=r"cannot be used together\. Give one file, or one for each"):
        ModelStore("cpu", motion_weights=paths)


@pytest.mark.parametrize("prefix", ["", "average."])
def test_a_network_of_another_shape_judges_tracks_with_its_own_inputs(prefix, tmp_path, nothing_published):
    random, clip = np.random.default_rng(0), moving_square(4)
    positions = random.uniform(0, 70, (9, 4, 2)).astype(np.float32)
    tracks = Tracks(positions, np.ones((9, 4), np.float32), np.ones((9, 4), np.float32), np.zeros(9, int), clip.hw)
    features = FeatureMaps(random.standard_normal((1, 5, 7, 768)).astype(np.float16), np.array([0]))

    def judged(depth: float) -> np.ndarray:
        maps = DepthMaps(np.full((4, 9, 12), depth, np.float16), np.ones(4, bool))
        return finish(model.evidence(MotionInputs(clip, maps, tracks, features, None))).track_probability

    model = ModelStore("cpu", motion_weights=paper_weights(tmp_path / "best.safetensors", prefix)).get("motion", "moseg")
    assert np.ptp(judged(0.1)) > 0 and np.array_equal(judged(0.1), judged(0.9))  # it was trained without depth


@pytest.mark.parametrize(
    ("save", "other", "told"), [(lite_weights, "moseg", "Choose the preset lite,"), (paper_weights, "lite", "Choose the preset paper")]
)
def test_weights_of_the_other_network_are_an_error_that_says_what_to_choose(save, other, told, tmp_path):
    store = ModelStore("cpu", motion_weights=save(tmp_path / "best.safetensors"))
    with pytest.raises(SettingsError, match=rf"best\.safetensors holds weights of the motion model .*, and this run uses {other}\. {told}"):
        store.identity("motion", other)


def test_what_holds_no_motion_network_is_refused_with_what_to_give(tmp_path):
    (tmp_path / "damaged.safetensors").write_bytes(b"nothing")
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    for name in ("missing.safetensors", "damaged.safetensors", "other.safetensors"):
        with pytest.raises(WeightsError, match=rf"{name} .*Give best\.safetensors of a run of `python -m segmo train`"):
            ModelStore("cpu", motion_weights=tmp_path / name)


def test_a_file_that_a_training_replaces_meanwhile_is_not_taken_for_the_one_before(tmp_path):
    store = ModelStore("cpu", motion_weights=lite_weights(tmp_path / "best.safetensors", 1))
    lite_weights(tmp_path / "best.safetensors", 2)
    with pytest.raises(WeightsError, match="changed since this run began"):
        store.get("motion", "lite")
