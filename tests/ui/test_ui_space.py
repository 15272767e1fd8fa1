"""What a hosted Space needs."""

from __future__ import annotations

from pathlib import Path

import gradio
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_card_of_the_space_has_what_the_hub_asks_for() -> None:
    card = yaml.safe_load((REPOSITORY / "README.md").read_text(encoding="utf-8").split("---")[1])
    assert card["sdk"] == "gradio" and str(card["python_version"]) == "3.12" and card["app_file"] == "app.py"
    assert (REPOSITORY / card["app_file"]).is_file() and (REPOSITORY / "packages.txt").is_file()
    assert len(card["short_description"]) <= 60 and card["title"] == "segmo"
    assert str(card["sdk_version"]).split(".")[0] == gradio.__version__.split(".")[0]
