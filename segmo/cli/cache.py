"""`python -m segmo cache info|prune|clear`."""

from __future__ import annotations

import argparse
import json


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `cache` and its actions."""
    parser = subparsers.add_parser("cache", help="show, shrink or empty the cache of stage results")
    parser.add_argument(
        "action", choices=("info", "prune", "clear"), help="info: what is kept; prune: down to the limit; clear: everything"
    )
    parser.add_argument("--gb", type=float, metavar="GB", help="prune: shrink to this size (default: the limit, SEGMO_CACHE_GB or 20)")
    parser.add_argument("--json", action="store_true", help="print one JSON line instead of text")


def run(args: argparse.Namespace) -> int:
    """Do one action and say what it did."""
    from segmo.cache import StageCache
    from segmo.errors import SettingsError

    if args.gb is not None and not 0 <= args.gb < 1e9:
        raise SettingsError(f"--gb is {args.gb}. Give a number of gigabytes of at least 0, for example 20.")
    with StageCache() as cache:
        if args.action == "prune":
            removed = cache.prune(None if args.gb is None else int(args.gb * 1e9))
        elif args.action == "clear":
            removed = cache.clear()
        else:
            removed = 0
        info = cache.info()
    if args.json:
        print(json.dumps({"removed": removed, **info}))
        return 0
    if args.action != "info":
        print(f"Removed {removed} entries.")
    print(f"{info['directory']}: {info['entries']} entries, {info['bytes'] / 1e9:.2f} of at most {info['limit_bytes'] / 1e9:.0f} GB")
    for stage, count in info["stages"].items():
        print(f"  {stage:10} {count}")
    return 0
