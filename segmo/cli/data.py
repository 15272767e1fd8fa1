"""`python -m segmo data synthetic OUT` and `python -m segmo data examples OUT`."""

from __future__ import annotations

import argparse
from pathlib import Path

_DESCRIPTION = """synthetic: random scenes with exact ground truth, in the layout of DAVIS. examples: the clips of examples/,
rebuilt from their scenarios. scenario: one hand-written scene as a viewable clip, with its ground truth."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `data` and its kinds."""
    parser = subparsers.add_parser("data", help="render scenes with exact ground truth, or the example clips", description=_DESCRIPTION)
    kinds = parser.add_subparsers(dest="kind", title="kinds", metavar="KIND", required=True)
    synthetic = kinds.add_parser("synthetic", help="a data set of random scenes", allow_abbrev=False)
    synthetic.add_argument("out", type=Path, metavar="OUT", help="folder to write to; scenes already there are kept")
    synthetic.add_argument("--scenes", type=int, default=100, metavar="N", help="number of scenes (default: 100)")
    synthetic.add_argument("--seed", type=int, default=0, metavar="S", help="the same seed gives the same scenes (default: 0)")
    synthetic.add_argument("--frames", type=int, default=0, metavar="T", help="consecutive frames a scene instead of t-4, t-1, t, t+1, t+4")
    synthetic.add_argument("--size", default="448x256", metavar="WxH", help="size of the frames (default: 448x256)")
    synthetic.add_argument(
        "--photos", type=float, default=0.0, metavar="X", help="share of textures from scikit-image's photographs (default: 0)"
    )
    synthetic.add_argument("--workers", type=int, default=2, metavar="N", help="processes; 0 = this one (default: 2)")
    synthetic.add_argument("--preview", action="store_true", help="also write an mp4 a scene with its ground truth beside it")
    examples = kinds.add_parser("examples", help="the clips of examples/", allow_abbrev=False)
    examples.add_argument("out", type=Path, metavar="OUT", help="folder to write to")
    scenario = kinds.add_parser("scenario", help="one hand-written scene with its ground truth", allow_abbrev=False)
    scenario.add_argument("name", metavar="NAME", help="two_crossing, parallax_static, ...; an unknown name lists all")
    scenario.add_argument("out", type=Path, metavar="OUT", help="folder to write to")
    scenario.add_argument("--preview", action="store_true", help="also write an mp4 with the ground truth beside it")


def run(args: argparse.Namespace) -> int:
    """Render, and say what was written."""
    if args.kind == "synthetic":
        return _synthetic(args)
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
    from segmo.synthetic.sampling import SceneConfig

    width, _, height = args.size.partition("x")
    if not (width.isdigit() and height.isdigit() and min(int(width), int(height)) >= 16):
        raise SettingsError(f"--size is {args.size!r}. Give width and height of at least 16 pixels, as in 448x256.")
    if args.frames < 0 or args.seed < 0:
        raise SettingsError(f"--frames is {args.frames} and --seed {args.seed}. Give numbers of at least 0.")
    times = tuple(float(frame - args.frames // 2) for frame in range(args.frames)) or SceneConfig.times
    config = SceneConfig(hw=(int(height), int(width)), times=times, photos=args.photos)
    steps = write_dataset(args.out, args.seed, args.scenes, config, preview=args.preview, workers=args.workers)
    with Progress() as progress:
        task = progress.add_task("Scenes", total=1.0)
        for fraction in steps:
            progress.update(task, completed=fraction)
    print(f"{args.scenes} scenes are in {args.out}.")
    return 0
