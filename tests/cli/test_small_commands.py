from __future__ import annotations

import json

import numpy as np
import pytest

from segmo.cache import StageCache
from segmo.cli.main import main
from segmo.types import FeatureMaps
from segmo.zoo.registry import MODELS


@pytest.fixture
def filled(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGMO_CACHE", str(tmp_path))
    with StageCache() as cache:
        for stage in ("features", "features", "tracks"):
            key = cache.key(stage, 1, "", {}, [str(cache.info()["entries"])])
            cache.put(key, FeatureMaps(np.ones((1, 100, 100, 9), np.float16), np.zeros(1, np.int64)))


def info(capsys) -> dict:
    capsys.readouterr()
    assert main(["cache", "info", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_cache_info_tells_what_is_kept(filled, tmp_path, capsys):
    assert main(["cache", "info"]) == 0
    text = capsys.readouterr().out
    assert str(tmp_path) in text and "3 entries" in text and "20 GB" in text and "features   2" in text
    assert info(capsys)["stages"] == {"features": 2, "tracks": 1}


def test_cache_prune_shrinks_to_the_limit_and_clear_empties(filled, capsys):
    assert main(["cache", "prune"]) == 0
    assert info(capsys)["entries"] == 3
    assert main(["cache", "prune", "--gb", "0.0003"]) == 0
    assert info(capsys)["entries"] == 1
    assert main(["cache", "clear"]) == 0
    assert info(capsys)["entries"] == 0


@pytest.mark.parametrize("size", ["-1", "nan", "inf", "1e300"])
def test_cache_prune_refuses_a_wrong_size(size, capsys):
    assert main(["cache", "prune", "--gb", size]) == 2
    assert "at least 0" in capsys.readouterr().err


def test_cache_says_what_to_do_where_it_cannot_work(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SEGMO_CACHE", str(tmp_path / "file"))
    assert main(["cache", "info"]) == 1
    assert "set SEGMO_CACHE" in capsys.readouterr().err


def test_weights_list_shows_every_model(capsys):
    assert main(["weights", "list"]) == 0
    text = capsys.readouterr().out
    assert all(role in text for role in ("flow", "depth", "tracks", "features", "motion", "masks")) and "MIT" in text
    assert main(["weights", "list", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["role"], row["name"]) for row in rows] == [(spec.role, spec.name) for spec in MODELS]
