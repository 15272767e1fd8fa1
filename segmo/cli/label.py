"""`python -m segmo label DATA`: which tracks of a prepared data folder move."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from segmo.cli.options import add_setting_flags, gave_preset, settings_from

if TYPE_CHECKING:
    from segmo.datasets.layout import Layout
    from segmo.settings import Settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `label`."""
    parser = subparsers.add_parser(
        "label",
        help="judge which tracks of a prepared data folder move",
        description="Judge which tracks move in every scene that `prepare` went through. Writes OUT/<scene>/labels.npz for `mask`.",
    )
    add_step_flags(parser, ("preset", "models", "tracks", "motion"))


def add_step_flags(parser: argparse.ArgumentParser, settings: Collection[str]) -> None:
    """Add what `label` and `mask` have in common."""
    parser.add_argument("data", type=Path, metavar="DATA", help="folder in the layout of the published code")
    parser.add_argument("--out", type=Path, metavar="OUT", help="folder of the results (default: DATA/results)")
    parser.add_argument("--gpus", type=int, nargs="+", default=[], metavar="N", help="a process for each of these GPUs")
    add_setting_flags(parser, only=settings, preset="that of `prepare`")


def run(args: argparse.Namespace) -> int:
    """Label, and say what was done; returns 2 if a scene failed."""
    return run_step(args, "label")


def run_step(args: argparse.Namespace, step: str) -> int:
    """Run `label` or `mask`."""
    settings = settings_from(args)  # wrong settings end here, before anything heavy is imported

    from segmo.cli.prepare import tell
    from segmo.cli.progress import run_with_bar
    from segmo.datasets import label
    from segmo.datasets.layout import open_layout
    from segmo.zoo.presets import models_of
    from segmo.zoo.store import ModelStore

    layout, store, out = open_layout(args.data), ModelStore(args.device), args.out or args.data / "results"
    settings, reason = _with_prepared_preset(args, settings, layout)
    if reason:
        print(reason)
    role = {"label": "motion", "mask": "masks"}[step]
    run_with_bar("Weights", store.fetch([(role, models_of(settings)[role])]))
    work = {"label": label.label, "mask": label.mask}[step]
    return tell(run_with_bar("Scenes", work(layout, out, settings, gpus=args.gpus, store=store)), f"with {step}s in {out}")


def _with_prepared_preset(args: argparse.Namespace, settings: Settings, layout: Layout) -> tuple[Settings, str]:
    """The settings with the preset that made the data, where none was asked for, and why it is that one; without a record, or where
    models were picked one by one, with the preset that suits this machine."""
    from segmo.cli.run import with_default_preset
    from segmo.datasets.prepare import PARTS, read_plan
    from segmo.errors import DataError
    from segmo.settings import with_values
    from segmo.zoo.presets import ALL

    for scene in () if gave_preset(args) else layout.scenes():
        plan = None
        with contextlib.suppress(DataError):  # a damaged record is no reason to stop before the scenes that are whole
            plan = read_plan(scene)
        made = {PARTS[part]: identity for part, identity in plan.models.items()} if plan else {}
        for preset in ALL.values() if made else ():
            if all(identity.startswith(f"{preset.model(role)}-") for role, identity in made.items()):
                chosen = with_values(settings, {("preset",): preset.name})
                return chosen, f"{preset.name} is used because {scene.name} was prepared with it."
    return with_default_preset(args, settings)
