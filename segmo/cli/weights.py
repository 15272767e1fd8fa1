"""`python -m segmo weights list`: the models, where their weights come from and under which licence."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `weights` and its actions."""
    parser = subparsers.add_parser("weights", help="list the models and their weights")
    parser.add_argument("action", choices=("list",), help="list: every model, its preset, size and licence")
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of a table")


def run(args: argparse.Namespace) -> int:
    """Print the registry."""
    import dataclasses

    from segmo.zoo.registry import MODELS

    rows = [dataclasses.asdict(model) for model in MODELS]
    if args.json:
        for row in rows:
            print(json.dumps(row))
    else:
        _print_table(rows)
    return 0


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for heading in ("role", "name", "preset", "MB", "licence", "from"):
        table.add_column(heading, justify="right" if heading == "MB" else "left")
    for row in rows:
        source = f"{row['repo']}@{row['revision'][:8]}" if row["repo"] else "this repository"
        table.add_row(row["role"], row["name"], row["preset"], f"{row['size_bytes'] / 1e6:.0f}", row["licence"], source)
    Console().print(table)
