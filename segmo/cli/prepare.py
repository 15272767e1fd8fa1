"""`python -m segmo prepare DATA`: depth, tracks and features of every scene, for training or labelling."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from segmo.cli.options import add_setting_flags, settings_from

if TYPE_CHECKING:
    from segmo.datasets.scenes import Done

PARTS = ("depths", "tracks", "features")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `prepare`."""
    parser = subparsers.add_parser(
        "prepare",
        help="write depth, tracks and features of every scene of a data folder",
        description="Write depth, tracks and features of every scene of a data folder, all three unless some are named. What is there is "
        "kept, so that a stopped run goes on. DATA holds images/<scene>/<name>.png, as `data` writes it.",
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="folder in the layout of the published code, or its folder images")
    add_part_flags(parser)
    parser.add_argument(
        *("--step", "--stride"), dest="query.stride", type=int, default=10, metavar="N", help="every n-th is a query frame (default: 10)"
    )
    parser.add_argument(
        "--efficiency", dest="frames.efficiency", action="store_true", help="at most 100 frames a scene, at most 1000 px (default: off)"
    )
    parser.add_argument("--gpus", type=int, nargs="+", default=[], metavar="N", help="a process for each of these GPUs")
    add_setting_flags(parser, only=("preset", "models"))


def add_part_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each part; `parts_from` reads them."""
    for part in PARTS:
        parser.add_argument(f"--{part}", action="append_const", const=part, dest="parts", help=f"only {part}, and what else is named")


def parts_from(args: argparse.Namespace) -> tuple[str, ...]:
    """The parts that the flags name; all where they name none."""
    return tuple(args.parts or PARTS)


def run(args: argparse.Namespace) -> int:
    """Prepare, and say what was written; returns 2 if a scene failed."""
    settings = settings_from(args)  # wrong settings end here, before anything heavy is imported

    from segmo.cli.progress import run_with_bar
    from segmo.cli.run import with_default_preset
    from segmo.datasets import prepare
    from segmo.datasets.layout import open_layout
    from segmo.zoo.presets import models_of
    from segmo.zoo.store import ModelStore

    layout, parts, store = open_layout(args.data), parts_from(args), ModelStore(args.device)
    settings, reason = with_default_preset(args, settings)
    if reason:
        print(reason)
    models = models_of(settings)
    run_with_bar("Weights", store.fetch([(prepare.PARTS[part], models[prepare.PARTS[part]]) for part in parts]))
    done = run_with_bar("Scenes", prepare.prepare(layout, settings, parts, gpus=args.gpus, store=store))
    return tell(done, f"prepared in {args.data}")


def tell(done: Done, what: str) -> int:
    """Say what was done; returns the exit code, 2 if a scene failed."""
    import sys

    from segmo.cli.main import BAD_INPUT, DONE
    from segmo.cli.progress import counted

    for failure in done.failures:
        print(f"segmo: {failure}", file=sys.stderr)
    failed = f" Failed: {counted(len(done.failures), 'scene')}." if done.failures else ""
    print(f"{counted(done.scenes, 'scene')} {what}, {counted(done.files_written, 'file')} written now.{failed}")
    return BAD_INPUT if done.failures else DONE
