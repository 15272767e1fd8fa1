from __future__ import annotations

import sys
from types import ModuleType

import pytest

from segmo import settings
from segmo.errors import SettingsError
from segmo.zoo import registry
from segmo.zoo.presets import default_preset, find_preset
from segmo.zoo.registry import MODELS, ROLES, ModelSpec, find
from segmo.zoo.store import ModelStore


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
    monkeypatch.setattr(registry, "MODELS", (ModelSpec("depth", "mine", "lite", "an_adapter:Model", "MIT", "none"),))
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
    assert len({(spec.role, spec.name) for spec in MODELS}) == len(MODELS)
    for spec in MODELS:
        assert spec.role in ROLES and spec.licence and spec.paper and ":" in spec.adapter
        weights = (spec.repo, spec.revision, spec.filename, spec.size_bytes, spec.sha256)
        assert all(weights) or not any(weights)
        assert not spec.repo or (len(spec.revision) == 40 and len(spec.sha256) == 64)


def test_a_preset_names_a_model_for_every_role():
    name, reason = default_preset()
    assert name == settings.Settings().preset and reason.endswith(".")
    preset = find_preset(name)
    for role in ROLES:
        assert find(role, preset.model(role)).preset == name


def test_the_lite_models_need_no_download():
    assert all(spec.size_bytes == 0 and spec.licence == "MIT" for spec in MODELS if spec.preset == "lite")


def test_the_default_store_has_an_identity_for_every_model():
    store = ModelStore()
    identities = [store.identity(spec.role, spec.name) for spec in MODELS]
    assert all(identities) and len(set(identities)) == len(identities) and store.loaded == ()


def test_presets_that_settings_offer_are_there_or_say_what_is():
    for name in settings.PRESETS:
        try:
            assert find_preset(name).name == name
        except SettingsError as error:
            assert "lite" in str(error)
