from __future__ import annotations

from pathlib import Path

import pytest

from segmo.cli.main import main
from segmo.datasets import layout
from segmo.synthetic import render
from segmo.synthetic.scenarios import scenario


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    """A rendered clip prepared with the models of the lite preset, through the command line."""
    root = tmp_path_factory.mktemp("data")
    rendered = render(scenario("two_crossing"), range(20, 32, 2))
    scene = layout.Layout(root).scene("crossing")
    for t in range(6):
        layout.write_image(scene.images / f"{t:05d}.png", rendered.frames[t])
        layout.write_mask(scene.mask_file(f"{t:05d}"), rendered.moving_labels[t] > 0)
    assert main(["prepare", str(root), "--step", "4", "--preset", "lite"]) == 0
    return root
