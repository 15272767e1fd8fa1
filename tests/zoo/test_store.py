from __future__ import annotations

import hashlib
import logging
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

from segmo.device import Device
from segmo.errors import DeviceError, SettingsError, WeightsError
from segmo.types import finish
from segmo.zoo import registry
from segmo.zoo.registry import ModelSpec, Weights, WeightsFile
from segmo.zoo.store import ModelStore

GB = 10**9


def spec(role: str, gigabytes: int, *files: str, **more: Any) -> ModelSpec:
    weights = Weights(tuple(WeightsFile(name) for name in files or ("model.pt",)), f"someone/{role}", "c" * 40)
    return ModelSpec(role, "big", "an_adapter:Big", "MIT", "none", weights, gigabytes * GB, **more)


@pytest.fixture
def big(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type:
    """Models of 3, 4 and 5 GB for depth, tracks and masks, with a folder that stands for the hub; they count how often each is loaded."""
    module = ModuleType("an_adapter")

    class Big:
        needs_flow = False
        version = 2
        loads: ClassVar[Counter[str]] = Counter()
        gate = threading.Event()

        @classmethod
        def load(cls, path: Path, device: str) -> Big:
            cls.gate.wait(10)
            made = cls()
            made.path, made.device = path, device
            cls.loads[made.path.parent.name if made.path.is_file() else made.path.name] += 1
            return made

    Big.gate.set()
    module.Big = Big
    rows = (spec("depth", 3), spec("tracks", 4), spec("masks", 5, "config.json", "model.safetensors"))
    monkeypatch.setitem(sys.modules, "an_adapter", module)
    monkeypatch.setattr(registry, "MODELS", (*rows, *(row for row in registry.MODELS if row.name == "lite")))
    for row in rows:
        for file in row.weights.files:
            path = tmp_path / "hub" / row.weights.repo / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"weights of " + row.role.encode())
    monkeypatch.setenv("SEGMO_HUB", str(tmp_path / "hub"))
    monkeypatch.setenv("SEGMO_WEIGHTS", str(tmp_path / "weights"))
    return Big


def test_an_adapter_is_given_the_only_file_or_the_folder_and_the_device(big, tmp_path):
    store = ModelStore("cpu")
    alone, several = store.get("depth", "big"), store.get("masks", "big")
    assert alone.path == tmp_path / "weights/someone/depth/model.pt" and several.path == tmp_path / "weights/someone/masks"
    assert alone.device == several.device == "cpu" and several.path.joinpath("config.json").exists()


def test_the_identity_is_that_of_the_weights_and_known_without_loading(big, tmp_path, monkeypatch):
    store = ModelStore("cpu")
    identity = store.identity("depth", "big")
    assert identity.startswith("big-2-") and not big.loads and store.get("depth", "big").identity == identity
    (tmp_path / "hub/someone/depth/model.pt").write_bytes(b"other weights")
    monkeypatch.setenv("SEGMO_WEIGHTS", str(tmp_path / "more"))
    assert ModelStore("cpu").identity("depth", "big") != identity


def test_what_is_computed_in_another_precision_has_another_identity(big, monkeypatch):
    def identity(precision: str) -> str:
        monkeypatch.setattr("segmo.zoo.store.pick_device", lambda _: Device("cuda:0", precision, 9 * GB, ""))
        return ModelStore().identity("depth", "big")

    on_processor = ModelStore("cpu").identity("depth", "big")
    assert identity("float32") == on_processor  # where it is computed alone makes no other model
    assert {identity("bfloat16"), identity("float16")} == {f"{on_processor}-bfloat16", f"{on_processor}-float16"}
    big.precisions = ("float32", "bfloat16")
    assert identity("float16") == on_processor  # what the model falls back to


def test_lite_has_the_same_identities_whatever_the_device(monkeypatch):
    monkeypatch.setattr("segmo.zoo.store.pick_device", lambda _: pytest.fail("no device is looked for"))
    store = ModelStore("cuda:7")
    for role in ("flow", "depth", "tracks", "features", "motion", "masks"):
        assert store.identity(role, "lite").startswith(f"lite-{role}-")


def test_without_an_own_folder_the_identity_needs_no_file(big, monkeypatch):
    monkeypatch.delenv("SEGMO_HUB")
    assert ModelStore("cpu").identity("depth", "big") != ModelStore("cpu").identity("tracks", "big")


def test_the_least_recently_used_make_room(big):
    store = ModelStore("cpu", budget_bytes=9 * GB)
    store.get("flow", "lite")
    depth = store.get("depth", "big")
    store.get("tracks", "big")
    assert store.get("depth", "big") is depth
    store.get("masks", "big")  # 5 + 3 fit, and the tracker was used before depth
    assert store.loaded == ("flow/lite", "depth/big", "masks/big")
    store.get("tracks", "big")
    assert store.loaded == ("flow/lite", "masks/big", "tracks/big")
    assert big.loads == {"depth": 1, "tracks": 2, "masks": 1}


def test_all_stay_that_fit(big):
    store = ModelStore("cpu", budget_bytes=12 * GB)
    for _ in range(2):
        for role in ("depth", "tracks", "masks"):
            store.get(role, "big")
    assert set(big.loads.values()) == {1}


def test_a_model_that_seems_too_large_is_tried_alone_with_a_warning(big, caplog):
    store = ModelStore("cpu", budget_bytes=4 * GB)
    store.get("depth", "big")
    with caplog.at_level(logging.WARNING):
        store.get("masks", "big")
    assert store.loaded == ("masks/big",) and "paper-fast" in caplog.text


def test_the_budget_is_what_is_free(big, monkeypatch):
    monkeypatch.setattr("segmo.device.free_memory", lambda: 8 * GB)  # 7.2 GB less the reserve
    store = ModelStore("cpu")
    for role in ("depth", "tracks", "masks"):
        store.get(role, "big")
    assert store.loaded == ("masks/big",)


def test_threads_load_a_model_once(big):
    big.gate.clear()
    store = ModelStore("cpu")
    with ThreadPoolExecutor(4) as pool:
        wanted = [pool.submit(store.get, "depth", "big") for _ in range(4)]
        big.gate.set()
        assert len({id(model.result()) for model in wanted}) == 1
    assert big.loads == {"depth": 1}


def test_weights_can_be_fetched_beforehand(big, tmp_path):
    store = ModelStore("cpu")
    wanted = [("flow", "lite"), ("depth", "big"), ("masks", "big")]
    told = list(store.fetch(wanted))
    assert told == sorted(told) and told[-1] == 1 and not big.loads
    assert not list(store.fetch(wanted)) and not finish(store.fetch([("flow", "lite")]))


def test_missing_weights_and_devices_say_what_to_do(big, tmp_path):
    (tmp_path / "hub/someone/masks/config.json").unlink()
    with pytest.raises(WeightsError, match="weights fetch masks/big"):
        ModelStore("cpu").get("masks", "big")
    with pytest.raises(DeviceError, match="cuda:7"):
        ModelStore("cuda:7").get("depth", "big")


def test_a_missing_package_is_told_with_the_line_that_installs_it(big, monkeypatch):
    row = spec("features", 1, package="not_there", install="pip install not_there")
    monkeypatch.setattr(registry, "MODELS", (row,))
    with pytest.raises(SettingsError, match=r"needs the package not_there.*pip install not_there"):
        ModelStore("cpu").get("features", "big")


def test_files_that_changed_since_are_fetched_again(big, tmp_path):
    store = ModelStore("cpu")
    store.get("depth", "big")
    store.free()
    (tmp_path / "weights/someone/depth/model.pt").write_bytes(b"something else")
    store.get("depth", "big")
    restored = (tmp_path / "weights/someone/depth/model.pt").read_bytes()
    assert hashlib.sha256(restored).digest() == hashlib.sha256(b"weights of depth").digest()


@pytest.mark.parametrize("trained", [False, True])
def test_weights_that_do_not_load_are_to_be_deleted_unless_they_are_the_user_s_own(big, tmp_path, monkeypatch, trained):
    """Files whose checksum nobody published count as fetched, whatever they hold: fetching alone would leave them."""

    def refuse(path: Path, device: str) -> None:
        raise WeightsError(f"{path} holds no weights.")

    monkeypatch.setattr(big, "load", refuse)
    store = ModelStore("cpu")
    if trained:
        monkeypatch.setattr(store, "_trained_for", lambda _: (SimpleNamespace(unchanged_path=lambda: tmp_path / "mine.pth"),))
    with pytest.raises(WeightsError) as told:
        store.get("masks", "big")
    where = tmp_path / "weights/someone/masks"
    advice = f" What is in place counts as fetched: delete {where}, then run `python -m segmo weights fetch masks/big`."
    assert str(told.value) == (f"{tmp_path / 'mine.pth'} holds no weights." if trained else f"{where} holds no weights.{advice}")
