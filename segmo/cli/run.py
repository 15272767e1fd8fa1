"""`python -m segmo run CLIP...`: masks, videos and data of everything that moves."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Collection, Generator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from segmo.cli.options import add_setting_flags, add_weights_flag, gave_preset, settings_from

if TYPE_CHECKING:
    from segmo.cache import StageCache
    from segmo.cli.progress import Reporter
    from segmo.pipeline import Result
    from segmo.settings import Settings
    from segmo.zoo.store import ModelStore

Event = TypeVar("Event")
Made = TypeVar("Made")

MORE = ("matte", "static", "csv")
"""What `--also` takes: `segmo.export.EXTRA_OUTPUTS`, which would be slow to import for a parser."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `run`."""
    parser = subparsers.add_parser(
        "run",
        help="segment everything that moves in clips",
        description="Segment everything that moves. The results for a clip NAME go to DIR/NAME: masks, videos, objects, tracks, run.json.",
    )
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP", help="a video file or a folder of images")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="folder of the results (default: out)")
    parser.add_argument(
        "--also",
        type=_outputs,
        default=(),
        metavar="LIST",
        help="write more, with commas between: matte (matte.mp4, white where anything moves), static (static_masks/<frame>.png, "
        "white where nothing does, for COLMAP and NeRF tools), csv (tracks.csv)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON lines on standard output, and nothing else there")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    add_setting_flags(parser)
    add_weights_flag(parser)


def _outputs(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in MORE:
            raise argparse.ArgumentTypeError(f"there is no output {name!r} to add; choose from {', '.join(MORE)}")
    return names


def run(args: argparse.Namespace) -> int:
    """Segment every clip; one that fails does not stop the others.

    Returns:
        0 if all are done; 2 if those that failed all did so for bad input or settings; 1 otherwise.
    """
    settings = settings_from(args)  # wrong settings end here, before anything heavy is imported
    settings, reason = with_default_preset(args, settings)

    from segmo.cache import StageCache
    from segmo.cli.main import DONE, FAILED, exit_code
    from segmo.cli.outputs import claimed_folder, output_folder
    from segmo.cli.progress import reporter
    from segmo.device import pick_device
    from segmo.errors import SegmoError
    from segmo.zoo.presets import uses_weights
    from segmo.zoo.store import ModelStore

    codes, taken = [DONE], set[Path]()
    with reporter(as_json=args.json, quiet=args.quiet) as report, StageCache() as cache:
        device = pick_device(args.device, gpu_helps=uses_weights(settings))
        report.say(f"{reason} {device.reason}".strip())
        store = ModelStore(args.device, motion_weights=args.motion_weights)
        for clip in dict.fromkeys(Path(os.path.abspath(path)) for path in args.clips):  # a link keeps its own name
            claim = claimed_folder(args.out, clip, frozenset(taken))
            name = output_folder(args.out, clip, taken).name
            taken.add(args.out / name)
            try:
                taken.add(_run_clip(clip, name, claim, settings, args.also, report, cache, store))
            except SegmoError as error:
                report.failed(name, error)
                codes.append(exit_code(error))
    return FAILED if FAILED in codes else max(codes)


def with_default_preset(args: argparse.Namespace, settings: Settings) -> tuple[Settings, str]:
    """The settings with the preset that suits this machine, where none was asked for, and why it is that one.

    Raises:
        SettingsError: the models that were asked for do not go together.
    """
    from segmo.settings import with_values
    from segmo.zoo.presets import models_of
    from segmo.zoo.store import default_preset

    reason = ""
    if not gave_preset(args):
        name, reason = default_preset(args.device)
        settings = with_values(settings, {("preset",): name})
    models_of(settings)
    return settings, reason


def _run_clip(
    clip: Path,
    name: str,
    claim: AbstractContextManager[Path],
    settings: Settings,
    also: Collection[str],
    report: Reporter,
    cache: StageCache,
    store: ModelStore,
) -> Path:
    """Segment one clip, reported as `name`, and write its results into the folder that is claimed for them; returns that."""
    from segmo import pipeline
    from segmo.cli.outputs import write_outputs

    def tell(event: pipeline.StageEvent) -> None:
        report.event(name, event)

    def tell_outputs(fraction: float, status: str = "progress") -> None:
        tell(pipeline.StageEvent("outputs", status, fraction, time.perf_counter() - began))

    started = time.perf_counter()
    result = drain(pipeline.run(clip, settings, cache=cache, store=store), tell)
    began = time.perf_counter()
    tell_outputs(0.0, "started")
    with claim as folder:
        wrote = drain(write_outputs(result, folder, also), tell_outputs)
    tell_outputs(1.0, "done" if wrote else "cached")
    report.finished(name, *_summary(result, folder, time.perf_counter() - started))
    return folder


def drain(steps: Generator[Event, None, Made], each: Callable[[Event], None]) -> Made:
    """Run a generator to its end, passing on all it yields; returns what it returns."""
    with closing(steps):
        while True:
            try:
                event = next(steps)
            except StopIteration as stop:
                return stop.value
            each(event)


def _summary(result: Result, folder: Path, seconds: float) -> tuple[str, dict[str, Any]]:
    """What came out, as a sentence and as values."""
    count, frames = len(result.masks.object_ids), len(result.clip)
    found = "nothing moves; the masks are empty" if not count else "1 object moves" if count == 1 else f"{count} objects move"
    sentence = f"{found} ({frames} of {result.clip.source_frame_count} frames, {seconds:.1f} s). Results are in {folder}"
    values = {
        "out": str(folder),
        "objects": count,
        "nothing_moves": not count,
        "moving_score": round(result.labels.evidence.moving_score, 4),
        "frames": frames,
        "seconds": round(seconds, 3),
        "warnings": list(result.warnings),
    }
    return sentence, values
