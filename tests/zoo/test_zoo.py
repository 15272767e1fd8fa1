from __future__ import annotations

import dataclasses
import re
import sys
from types import ModuleType

import pytest

from segmo import settings
from segmo.errors import SettingsError
from segmo.networks.sam2_video import FEATURE_BYTES
from segmo.settings import ModelSettings, Settings, TrackSettings
from segmo.zoo import download, presets, registry
from segmo.zoo import store as store_module
from segmo.zoo.paper_tracks import GPU_CHUNK_BYTES
from segmo.zoo.presets import find_preset, models_of, uses_weights, within_preset
from segmo.zoo.registry import MODELS, ROLES, ModelSpec, find
from segmo.zoo.store import ModelStore, default_preset


@pytest.fixture
def adapter(monkeypatch):
    """A registered model whose adapter counts how often it is made."""
    module = ModuleType("an_adapter")

    class Model:
        identity = "model-3"
        needs_flow = True
        made = 0

        def __init__(self) -> None:
            Model.made += 1

    module.Model = Model
    monkeypatch.setitem(sys.modules, "an_adapter", module)
    monkeypatch.setattr(registry, "MODELS", (ModelSpec("depth", "mine", "an_adapter:Model", "MIT", "none"),))
    return Model


def test_the_store_knows_identities_without_loading(adapter):
    store = ModelStore()
    assert store.identity("depth", "mine") == "model-3" and store.needs_flow("depth", "mine")
    assert adapter.made == 0 and store.loaded == ()


def test_the_store_loads_once_and_says_so(adapter):
    store = ModelStore()
    assert store.get("depth", "mine") is store.get("depth", "mine")
    assert adapter.made == 1 and store.loaded == ("depth/mine",)
    store.free()
    assert store.loaded == ()
    store.get("depth", "mine")
    assert adapter.made == 2


def test_an_unknown_model_lists_the_known(adapter):
    with pytest.raises(SettingsError, match=r"'theirs'.*Known are mine"):
        find("depth", "theirs")
    with pytest.raises(SettingsError, match="roles are flow, depth"):
        find("sound", "mine")


def test_every_row_is_complete_and_unique():
    assert len({spec.full_name for spec in MODELS}) == len(MODELS)
    for spec in MODELS:
        assert spec.role in ROLES and spec.licence and spec.paper and ":" in spec.adapter and bool(spec.package) == bool(spec.install)
        assert not spec.only_with or find(*spec.only_with.split("/"))
        if spec.weights is None:
            assert spec.name == "lite" and spec.licence == "MIT"
            continue
        assert spec.memory_bytes > spec.weights.size_bytes and bool(spec.weights.repo) != bool(spec.weights.url)
        assert len(spec.weights.revision) == (40 if spec.weights.repo else 0)
        for file in spec.weights.files:
            assert len(file.sha256) in (0, 64) and "/" not in file.name and spec.weights.address(file).startswith("https://")
            assert file.sha256 or spec.weights.repo, "without a commit only a checksum pins a file"


def test_what_a_model_takes_covers_its_weights_and_what_it_keeps_of_50_frames():
    features = 50 * 4 * (256**2 * 32 + 128**2 * 64 + 64**2 * 256)  # of SAM 2: two levels for the masks, and one for the memory
    for name in ("bootstapir", "tapir"):
        spec = find("tracks", name)
        assert spec.memory_bytes > spec.weights.size_bytes + GPU_CHUNK_BYTES
    for spec in MODELS:
        if spec.adapter.startswith("segmo.zoo.sam2_masks"):
            assert features < FEATURE_BYTES and spec.memory_bytes > spec.weights.size_bytes + features


def test_presets_name_a_model_for_every_role():
    assert tuple(presets.ALL) == settings.PRESETS
    for name, preset in presets.ALL.items():
        chosen = models_of(Settings(preset=name))
        assert chosen == {role: find(role, preset.model(role)).name for role in ROLES} and preset.uses_torch == (name != "lite")


def test_settings_offer_every_model_alone():
    for spec in dataclasses.fields(ModelSettings):
        assert spec.metadata["choices"] == ("preset", *(model.name for model in MODELS if model.role == spec.name))


def test_a_model_can_be_chosen_alone():
    chosen = models_of(Settings(preset="paper", models=ModelSettings(depth="depth-anything-v2-small", masks="edgetam")))
    assert (chosen["depth"], chosen["masks"], chosen["tracks"]) == ("depth-anything-v2-small", "edgetam", "bootstapir")
    assert uses_weights(Settings(models=ModelSettings(depth="depth-anything-v2-small"))) and not uses_weights(Settings())


@pytest.mark.parametrize(
    ("preset", "models", "told"),
    [
        (
            "paper",
            ModelSettings(features="dinov2-small"),
            "motion/moseg works only with features/dinov2-base, not with features/dinov2-small",
        ),
        ("paper", ModelSettings(masks="lite"), "masks/lite works only with motion/lite, not with motion/moseg"),
        ("lite", ModelSettings(motion="moseg"), "motion/moseg works only with features/dinov2-base, not with features/lite"),
    ],
)
def test_models_that_do_not_go_together_are_an_error_that_says_so(preset, models, told):
    with pytest.raises(SettingsError, match=told):
        models_of(Settings(preset=preset, models=models))


def test_the_fast_preset_draws_fewer_tracks_and_obeys_who_wants_still_fewer():
    assert within_preset(Settings(preset="paper-fast")).tracks.max_tracks == 2000
    few = Settings(preset="paper-fast", tracks=TrackSettings(max_tracks=300))
    assert within_preset(few) == few and within_preset(Settings(preset="paper")) == Settings(preset="paper")


def test_the_default_store_has_an_identity_for_every_model():
    store = ModelStore()
    identities = [store.identity(spec.role, spec.name) for spec in MODELS]
    assert all(identities) and len(set(identities)) == len(identities) and store.loaded == ()


def test_an_unknown_preset_lists_the_known():
    with pytest.raises(SettingsError, match="lite, paper, paper-fast"):
        find_preset("best")


@pytest.fixture
def machine(monkeypatch):
    """Pretend whether there is a GPU, and whether weights are there or can be fetched."""

    def pretend(*, gpu: bool, here: bool = False, network: bool = False) -> None:
        monkeypatch.setattr(store_module, "may_have_cuda", lambda: gpu)
        monkeypatch.setattr(store_module, "has_cuda", lambda: gpu)
        monkeypatch.setattr(download, "state", lambda weights: "ready" if here else "missing")
        monkeypatch.setattr(download, "can_fetch", lambda: network)

    return pretend


@pytest.mark.parametrize(
    ("there", "name", "told"),
    [
        ({"gpu": False, "here": True}, "lite", "no CUDA GPU"),
        ({"gpu": True, "here": True}, "paper", "weights are here"),
        ({"gpu": True, "network": True}, "paper", r"depth/depth-anything-v2-large first\) and will be fetched"),
        ({"gpu": True}, "lite", "cannot be fetched.*weights fetch paper"),
    ],
)
def test_the_default_is_paper_where_it_can_run_and_the_reason_is_told(machine, there, name, told):
    machine(**there)
    chosen, reason = default_preset()
    assert chosen == name and re.search(told, reason) and reason.endswith(".")


def test_a_driver_without_a_gpu_that_torch_can_use_is_not_enough(machine, monkeypatch):
    machine(gpu=True, here=True)
    monkeypatch.setattr(store_module, "has_cuda", lambda: False)
    assert default_preset() == ("lite", "lite is used because no CUDA GPU was found.")


def test_torch_is_not_imported_to_find_that_the_weights_cannot_be_had(machine, monkeypatch):
    machine(gpu=True)
    monkeypatch.setattr(store_module, "has_cuda", lambda: pytest.fail("asked torch"))
    assert default_preset()[0] == "lite"


def test_without_wanting_the_gpu_the_default_is_lite(machine):
    machine(gpu=True, here=True)
    assert default_preset("cpu") == ("lite", "lite is used because the device is cpu.") and default_preset("cuda:0")[0] == "paper"
