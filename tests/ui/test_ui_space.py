"""What a hosted Space needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio
import pytest
import yaml
from packaging.requirements import Requirement

from segmo.settings import Settings
from segmo.zoo.presets import ALL, models_of
from segmo.zoo.registry import find

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def card() -> dict[str, Any]:
    return dict(yaml.safe_load((REPOSITORY / "README.md").read_text(encoding="utf-8").split("---")[1]))


def requirement(file: str, package: str) -> Requirement:
    lines = [line.partition("#")[0].strip() for line in (REPOSITORY / file).read_text(encoding="utf-8").splitlines()]
    return next(row for row in map(Requirement, filter(None, lines)) if row.name == package)


def test_the_card_of_the_space_has_what_the_hub_asks_for(card: dict[str, Any]) -> None:
    assert card["sdk"] == "gradio" and str(card["python_version"]) == "3.12" and card["app_file"] == "app.py"
    assert (REPOSITORY / card["app_file"]).is_file() and (REPOSITORY / "packages.txt").is_file()
    assert len(card["short_description"]) <= 60 and card["title"] == "segmo"
    assert str(card["sdk_version"]).split(".")[0] == gradio.__version__.split(".")[0]
    assert card["sdk_version"] in requirement("requirements.txt", "gradio").specifier


def test_the_space_has_every_published_weight_of_the_presets_before_it_starts(card: dict[str, Any]) -> None:
    """The hub knows only its own repositories; what is published elsewhere is fetched when the app starts."""
    models = {find(*model) for preset in ALL for model in models_of(Settings(preset=preset)).items()}
    weights = [model.weights for model in models if model.weights and model.weights.repo]
    assert {f"{row.repo} {','.join(file.name for file in row.files)} {row.revision}" for row in weights} == set(card["preload_from_hub"])
    assert {row.repo for row in weights} == set(card["models"])


def test_the_space_gets_a_torch_that_zerogpu_offers(card: dict[str, Any]) -> None:
    space = {"python_version": str(card["python_version"]), "sys_platform": "linux"}
    lines = [Requirement(line.partition("#")[0]) for line in (REPOSITORY / "requirements.txt").read_text().splitlines() if line]
    wanted = [line.specifier for line in lines if line.name == "torch" and (line.marker is None or line.marker.evaluate(space))]
    allowed = [version for version in ("2.8.0", "2.9.1", "2.10.0", "2.11.0", "2.12.0", "2.13.0") if all(version in one for one in wanted)]
    assert allowed == ["2.8.0", "2.9.1", "2.10.0", "2.11.0"]
