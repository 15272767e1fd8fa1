"""`python -m segmo evaluate mos|davis17|detection|compare`: measure masks against annotations, and runs against each other."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segmo.evaluation.comparison import Difference
    from segmo.evaluation.results import Evaluation


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `evaluate` and its protocols."""
    parser = subparsers.add_parser("evaluate", help="measure masks against annotations, or compare two runs")
    protocols = parser.add_subparsers(dest="protocol", title="protocols", metavar="PROTOCOL", required=True)
    mos = protocols.add_parser("mos", help="all objects joined: DAVIS 2016 and 2017, FBMS-59, SegTrackv2")
    mos.add_argument(
        "--dataset", choices=("auto", "davis", "fbms", "segtrack"), default="auto", help="layout of the annotations (default: told by it)"
    )
    davis17 = protocols.add_parser("davis17", help="object by object: the unsupervised protocol of DAVIS 2017")
    detection = protocols.add_parser("detection", help="false alarms, misses, split and merged objects, on rendered scenes")
    for one in (mos, davis17, detection):
        _add_folders(one)
    compare = protocols.add_parser("compare", help="differences between two runs, B minus A, with 95 %% intervals")
    compare.add_argument("a", type=Path, metavar="A", help="folder that evaluate or benchmark wrote with --out")
    compare.add_argument("b", type=Path, metavar="B", help="the other one")
    compare.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _add_folders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pred", type=Path, required=True, metavar="DIR", help="masks: DIR/SEQUENCE/masks/*.png or DIR/SEQUENCE/*.png")
    parser.add_argument("--gt", type=Path, required=True, metavar="DIR", help="the data set, or its folder of annotations")
    parser.add_argument("--sequences", metavar="FILE", help="file with a sequence a line, or the name of a published list")
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of picture folders, where it is not beside the annotations")
    parser.add_argument("--frames", choices=("all", "inner"), default="all", help="inner leaves out first and last (default: all)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write table_g.csv, table_seq.csv and evaluation.json there")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def run(args: argparse.Namespace) -> int:
    """Evaluate or compare, print, and write files where asked to."""
    return {"compare": _compare, "detection": _detection}.get(args.protocol, _evaluate)(args)


def _evaluate(args: argparse.Namespace) -> int:
    from segmo.evaluation import protocols, results
    from segmo.types import finish

    davis17 = args.protocol == "davis17"
    annotations = protocols.find_annotations(
        args.gt,
        dataset="davis" if davis17 else args.dataset,
        sequences=args.sequences,
        images=args.images,
        frames=args.frames,
        unsupervised=davis17,
    )
    protocol = protocols.evaluate_davis17 if davis17 else protocols.evaluate_mos
    evaluation = finish(protocol(args.pred, annotations))
    if args.out:
        results.write_tables(evaluation, args.out)
    if args.json:
        print(json.dumps(evaluation.to_dict()))
    else:
        print_evaluation(evaluation)
    return 0


def _detection(args: argparse.Namespace) -> int:
    from segmo.evaluation import protocols
    from segmo.evaluation.detection import evaluate_detection
    from segmo.files import write_text
    from segmo.types import finish

    choices = {"sequences": args.sequences, "images": args.images, "frames": args.frames}
    detection = finish(evaluate_detection(args.pred, protocols.find_annotations(args.gt, dataset="davis", **choices)))
    if args.out:
        write_text(args.out / "detection.json", json.dumps(detection.to_dict(), indent=1))
    if args.json:
        print(json.dumps(detection.to_dict()))
    else:
        print(text_table([[name, f"{value:.4g}"] for name, value in detection.summary().items()]))
    return 0


def print_evaluation(evaluation: Evaluation) -> None:
    """The global row and a row a sequence or object, in the columns of the published tables."""
    from segmo.evaluation.results import GLOBAL_COLUMNS

    rows = [("all", evaluation.overall(), sum(len(row.frames) for row in evaluation.rows))]
    rows += [(row.name, row.measures(), len(row.frames)) for row in evaluation.rows]
    cells = [[name, *(f"{measures[column]:.4f}" for column in GLOBAL_COLUMNS), str(frames)] for name, measures, frames in rows]
    print(text_table([["", *GLOBAL_COLUMNS, "frames"], *cells]))


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns, the first to the left and numbers to the right; never cut off, so that it survives a pipe."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) if k else cell.ljust(width) for k, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    )


def _compare(args: argparse.Namespace) -> int:
    from segmo.evaluation.comparison import MEASURES, compare
    from segmo.evaluation.results import load_evaluation

    comparison = compare(load_evaluation(args.a), load_evaluation(args.b))
    if args.json:
        print(json.dumps(comparison.to_dict()))
        return 0
    rows = {"all": comparison.overall, **comparison.rows}
    print(text_table([["B - A", *MEASURES], *([name, *(_difference(row[m]) for m in MEASURES)] for name, row in rows.items())]))
    print("95 % paired bootstrap intervals: over sequences for all, over blocks of frames for a row. * excludes zero.")
    return 0


def _difference(difference: Difference) -> str:
    if math.isnan(difference.low):  # too little is known for an interval
        return f"{difference.mean:+.4f} {'':19}"
    return f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]{'*' if difference.clear else ' '}"
