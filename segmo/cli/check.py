"""`python -m segmo check DATA`: what is missing, truncated or inconsistent in a data folder."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from segmo.cli.prepare import add_part_flags, parts_from


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `check`."""
    parser = subparsers.add_parser(
        "check",
        help="find what is missing, truncated or inconsistent in a data folder",
        description="Read every file of a prepared data folder once, and list what is missing, truncated or inconsistent, a line a file: "
        "scene, file, problem. Exit code 1 if there is anything. Remove what is damaged, and `prepare` makes it again.",
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="folder in the layout of the published code")
    add_part_flags(parser)
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="scenes at a time (default: 2)")
    parser.add_argument("--json", action="store_true", help="print JSON lines")


def run(args: argparse.Namespace) -> int:
    """List the faults; returns 1 if there are any."""
    from segmo.cli.main import DONE, FAILED
    from segmo.cli.progress import counted, run_with_bar
    from segmo.datasets.check import check
    from segmo.datasets.layout import open_layout

    layout = open_layout(args.data)
    faults = run_with_bar("Scenes", check(layout, parts_from(args), max(1, args.workers)))
    for fault in faults:
        if args.json:
            print(json.dumps({"scene": fault.scene, "file": str(fault.path), "problem": fault.problem}))
        else:
            print(f"{fault.scene}: {fault.path} {fault.problem}")
    if not args.json:
        scenes = len({fault.scene for fault in faults})
        total = counted(len(layout.scenes()), "scene")
        print(f"{counted(len(faults), 'fault')} in {scenes} of {total}." if faults else f"No fault in {total}.")
    return FAILED if faults else DONE
