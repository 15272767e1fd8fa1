"""`python -m segmo data KIND`: renders scenes, or turns a published data set into the folder layout of training."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_PUBLISHED = ("kubric", "dynamic-replica", "hoi4d", "waymo", "davis")
_DESCRIPTION = """kubric, dynamic-replica, hoi4d, waymo, davis: the published data set SRC as pictures and masks of what moves,
in the folder layout that `prepare` and `train` read; SRC is left as it is, and what is already in DST is kept. synthetic: random
scenes with exact ground truth, in the layout of DAVIS. examples: the clips of examples/, rebuilt from their scenarios. scenario: one
hand-written scene as a viewable clip, with its ground truth."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `data` and its kinds."""
    parser = subparsers.add_parser("data", help="render scenes, or convert published data sets for training", description=_DESCRIPTION)
    kinds = parser.add_subparsers(dest="kind", title="kinds", metavar="KIND", required=True)
    synthetic = kinds.add_parser("synthetic", help="a data set of random scenes", allow_abbrev=False)
    synthetic.add_argument(
        "out", type=Path, metavar="OUT", help="folder to write to; scenes there are kept, those of other settings refused"
    )
    synthetic.add_argument("--scenes", type=int, default=100, metavar="N", help="number of scenes (default: 100)")
    synthetic.add_argument("--seed", type=int, default=0, metavar="S", help="the same seed gives the same scenes (default: 0)")
    synthetic.add_argument("--frames", type=int, default=0, metavar="T", help="consecutive frames a scene instead of t-4, t-1, t, t+1, t+4")
    synthetic.add_argument("--size", default="448x256", metavar="WxH", help="size of the frames (default: 448x256)")
    synthetic.add_argument(
        "--photos", type=float, default=0.0, metavar="X", help="share of textures from scikit-image's photographs (default: 0)"
    )
    synthetic.add_argument(
        "--like", choices=("everyday", "varied"), default="varied", help="everyday: pictures as good as most video (default: varied)"
    )
    synthetic.add_argument("--movers", choices=("any", "some", "none"), default="any", help="whether something moves (default: any)")
    synthetic.add_argument("--workers", type=int, default=2, metavar="N", help="processes; 0 = this one (default: 2)")
    synthetic.add_argument("--preview", action="store_true", help="also write an mp4 a scene with its ground truth beside it")
    examples = kinds.add_parser("examples", help="the clips of examples/", allow_abbrev=False)
    examples.add_argument("out", type=Path, metavar="OUT", help="folder to write to")
    scenario = kinds.add_parser("scenario", help="one hand-written scene with its ground truth", allow_abbrev=False)
    scenario.add_argument("name", metavar="NAME", help="two_crossing, parallax_static, ...; an unknown name lists all")
    scenario.add_argument("out", type=Path, metavar="OUT", help="folder to write to")
    scenario.add_argument("--preview", action="store_true", help="also write an mp4 with the ground truth beside it")
    for name in _PUBLISHED:
        published = kinds.add_parser(name, help=f"convert {name} for training", allow_abbrev=False)
        published.add_argument("source", type=Path, metavar="SRC", help="the published data set; a wrong folder tells what is expected")
        published.add_argument("target", type=Path, metavar="DST", help="folder to write to")
        published.add_argument("--workers", type=int, default=2, metavar="N", help="clips at a time (default: 2)")


def run(args: argparse.Namespace) -> int:
    """Render or convert, and say what was written."""
    if args.kind == "synthetic":
        return _synthetic(args)
    if args.kind in _PUBLISHED:
        return _convert(args)
    from segmo.synthetic import render_clip
    from segmo.synthetic.dataset import write_scene
    from segmo.synthetic.examples import write_examples
    from segmo.synthetic.scenarios import scenario

    if args.kind == "examples":
        for path in write_examples(args.out):
            print(f"{path}  {path.stat().st_size / 1000:.0f} kB")
        return 0
    write_scene(args.out, args.name, render_clip(scenario(args.name)), preview=args.preview)
    print(f"{args.name} is in {args.out}.")
    return 0


def _synthetic(args: argparse.Namespace) -> int:
    from rich.progress import Progress

    from segmo.errors import SettingsError
    from segmo.synthetic.dataset import write_dataset
    from segmo.synthetic.sampling import EVERYDAY, SceneConfig

    width, _, height = args.size.partition("x")
    if not (width.isdigit() and height.isdigit() and min(int(width), int(height)) >= 16):
        raise SettingsError(f"--size is {args.size!r}. Give width and height of at least 16 pixels, as in 448x256.")
    if args.frames < 0 or args.seed < 0:
        raise SettingsError(f"--frames is {args.frames} and --seed {args.seed}. Give numbers of at least 0.")
    times = tuple(float(frame - args.frames // 2) for frame in range(args.frames)) or SceneConfig.times
    shares: dict[str, Any] = dict(EVERYDAY) if args.like == "everyday" else {}
    if args.movers != "any":
        shares["mover_shares"] = (1.0,) if args.movers == "none" else (0.0, 0.55, 0.3, 0.15)
    config = SceneConfig(hw=(int(height), int(width)), times=times, photos=args.photos, **shares)
    steps = write_dataset(args.out, args.seed, args.scenes, config, preview=args.preview, workers=args.workers)
    with Progress() as progress:
        task = progress.add_task("Scenes", total=1.0)
        for fraction in steps:
            progress.update(task, completed=fraction)
    print(f"{args.scenes} scenes are in {args.out}.")
    return 0


def _convert(args: argparse.Namespace) -> int:
    """Returns 2 if a clip is incomplete."""
    import sys

    from segmo.cli.main import BAD_INPUT, DONE
    from segmo.cli.progress import counted, run_with_bar
    from segmo.datasets.catalogue import find_data_set
    from segmo.datasets.convert import convert

    done = run_with_bar("Clips", convert(find_data_set(args.kind), args.source, args.target, args.workers))
    for failure in done.failures:
        print(f"segmo: {failure}", file=sys.stderr)
    failed = f" Not converted: {counted(len(done.failures), 'clip')}." if done.failures else ""
    print(f"{counted(done.clips, 'clip')} in {args.target}, {counted(done.frames_written, 'frame')} written now.{failed}")
    return BAD_INPUT if done.failures else DONE
