"""`python -m segmo benchmark --davis DIR`: run a preset over a data set, evaluate it, and write a page to look at."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from segmo.cli.options import add_setting_flags, add_weights_flag, settings_from

if TYPE_CHECKING:
    from segmo.evaluation.benchmark import Benchmark


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `benchmark`."""
    parser = subparsers.add_parser(
        "benchmark",
        help="run and evaluate a data set",
        description="Run every sequence of a DAVIS data set on all its frames and evaluate the masks, all objects joined. "
        "Finished stages are kept: start it again after an interruption and it goes on.",
    )
    parser.add_argument("--davis", type=Path, required=True, metavar="DIR", help="folder with JPEGImages/480p and Annotations/480p")
    parser.add_argument("--sequences", metavar="FILE", help="file with a sequence a line, or the name of a published list (default: all)")
    parser.add_argument("--out", type=Path, default=Path("out/benchmark"), metavar="DIR", help="results (default: out/benchmark)")
    parser.add_argument("--json", action="store_true", help="print JSON lines on standard output, and nothing else there")
    parser.add_argument("--quiet", action="store_true", help="print the result only")
    add_setting_flags(parser, efficiency=False)
    add_weights_flag(parser)


def run(args: argparse.Namespace) -> int:
    """Run, evaluate, report."""
    from segmo.settings import with_values

    settings = settings_from(args)
    if "frames.efficiency" not in vars(args):  # which would leave frames of long sequences out
        settings = with_values(settings, {("frames", "efficiency"): False})

    from segmo.cache import StageCache
    from segmo.cli.progress import reporter
    from segmo.cli.run import drain, with_default_preset
    from segmo.device import pick_device
    from segmo.evaluation.benchmark import RECORD, REPORT, run_benchmark
    from segmo.zoo.presets import uses_weights
    from segmo.zoo.store import ModelStore

    settings, reason = with_default_preset(args, settings)
    device = pick_device(args.device, gpu_helps=uses_weights(settings))
    with reporter(as_json=args.json, quiet=args.quiet) as report, StageCache() as cache:
        report.say(f"{reason} {device.reason}".strip())
        store = ModelStore(args.device, motion_weights=args.motion_weights)
        steps = run_benchmark(args.davis, args.out, settings, sequences=args.sequences, cache=cache, store=store)
        benchmark = drain(steps, lambda event: report.event(*event))
    if args.json:
        print(json.dumps({"status": "finished", "out": str(args.out), **benchmark.to_dict()}))
    else:
        _print(benchmark)
        print(f"Report: {args.out / REPORT}; figures: {args.out / RECORD}")
    return 0


def _print(benchmark: Benchmark) -> None:
    from segmo.cli.evaluate import print_evaluation, text_table

    print_evaluation(benchmark.evaluation)
    seconds = benchmark.seconds_per_frame()
    if seconds:
        seconds["all"] = sum(seconds.values())
        print()
        print(text_table([["", *seconds], ["seconds a frame", *(f"{value:.4f}" for value in seconds.values())]]))
