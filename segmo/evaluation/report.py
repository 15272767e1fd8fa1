"""The page of a benchmark: one HTML file that shows scores, times, and the worst and best frame of every sequence.

It loads nothing from anywhere, so it can be kept, sent or published as it is.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from segmo import __version__
from segmo.datasets.annotations import AnnotatedSequence, frame_number, read_foreground
from segmo.errors import DataError
from segmo.evaluation.predictions import prediction_files
from segmo.evaluation.report_style import STYLE
from segmo.evaluation.results import GLOBAL_COLUMNS, Scores
from segmo.files import write_text
from segmo.pipeline import STAGES
from segmo.types import Bool, UInt8
from segmo.video import read_frames

if TYPE_CHECKING:
    from segmo.evaluation.benchmark import Benchmark, SequenceRun

FOUND, EXTRA, MISSED = (30, 190, 160), (255, 150, 40), (225, 60, 190)
"""Colours of pixels that are right, that should not be there, and that are missing; apart also for colour-blind people."""
_PICTURE_WIDTH = 560
_TINT = 0.55
_ABOUT_CARDS = "The worst sequence comes first. Lines show J and F over its frames, from 0 to 100; a white line is the annotated outline."


def write_report(file: Path, benchmark: Benchmark, sequences: Mapping[str, AnnotatedSequence], predictions: Path) -> None:
    """Write the page of a benchmark.

    Args:
        file: where to.
        benchmark: what to show.
        sequences: annotations and pictures of each sequence.
        predictions: folder of the predicted masks.

    Raises:
        DataError: a picture or mask cannot be read.
        OutputError: the page cannot be written.
    """
    rows = sorted(benchmark.evaluation.rows, key=lambda row: row.measures()["J&F-Mean"])
    cards = "".join(_card(row, sequences[row.sequence], predictions) for row in rows)
    title = f"segmo benchmark: {benchmark.settings.preset}"
    body = "".join(
        [
            _head(benchmark),
            _section("Score of each sequence", _bars(rows[::-1]), "Region similarity J and boundary measure F, means over all frames."),
            _section("All measures", _table(benchmark)),
            _section("Time", _times(benchmark)),
            _section("Worst and best frames", f'{_legend()}<div class="cards">{cards}</div>', _ABOUT_CARDS),
        ]
    )
    write_text(file, _PAGE.format(title=escape(title), style=STYLE, body=body))


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body><main>{body}</main></body>
</html>
"""


def _section(title: str, content: str, remark: str = "") -> str:
    return f"<section><h2>{escape(title)}</h2>{f'<p>{escape(remark)}</p>' if remark else ''}{content}</section>"


def _head(benchmark: Benchmark) -> str:
    overall, seconds = benchmark.evaluation.overall(), benchmark.seconds_per_frame()
    settings = benchmark.settings
    facts = (
        f"{len(benchmark.runs)} sequences, {sum(run.frames for run in benchmark.runs)} frames · query-frame stride {settings.query.stride}"
    )
    tiles = [("J&F", _percent(overall["J&F-Mean"])), ("J", _percent(overall["J-Mean"])), ("F", _percent(overall["F-Mean"]))]
    tiles.append(("seconds a frame", f"{sum(seconds.values()):.3f}" if seconds else "–"))
    shown = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in tiles)
    return (
        f'<header><p class="name">segmo {escape(__version__)}</p><h1>Moving objects on DAVIS, preset {escape(settings.preset)}</h1>'
        f'<p>{escape(facts)}</p><dl class="tiles">{shown}</dl></header>'
    )


def _bars(rows: list[Scores]) -> str:
    lines = []
    for row in rows:
        values = (("j", "J", row.region.mean), ("f", "F", row.boundary.mean))
        bars = "".join(
            f'<span class="bar {kind}" title="{label}"><i style="width:{_percent(value)}%"></i></span><b>{_percent(value)}</b>'
            for kind, label, value in values
        )
        lines.append(f'<li><a href="#{escape(row.name)}">{escape(row.name)}</a><span class="pair">{bars}</span></li>')
    return f'{_keys({"j": "J", "f": "F"})}<ol class="bars">{"".join(lines)}</ol>'


def _table(benchmark: Benchmark) -> str:
    runs = {run.name: run for run in benchmark.runs}
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in ("", *GLOBAL_COLUMNS, "frames", "objects", "s/frame"))
    frames = sum(run.frames for run in benchmark.runs)
    speed = sum(benchmark.seconds_per_frame().values())
    lines = [_line("all", benchmark.evaluation.overall(), frames, "", speed)]
    for row in benchmark.evaluation.rows:
        run = runs[row.sequence]
        lines.append(_line(row.name, row.measures(), run.frames, str(run.objects), _speed(run)))
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def _line(name: str, measures: Mapping[str, float], frames: int, objects: str, speed: float) -> str:
    cells = [f"{measures[column]:.3f}" for column in GLOBAL_COLUMNS] + [str(frames), objects, f"{speed:.3f}" if speed else "–"]
    return f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _times(benchmark: Benchmark) -> str:
    seconds = benchmark.seconds_per_frame()
    total = sum(seconds.values())
    if not total:
        return "<p>Everything came from the cache; nothing was measured.</p>"
    parts = "".join(f'<i class="s{k}" style="flex-grow:{value / total:.4f}"></i>' for k, value in enumerate(seconds.values()))
    names = "".join(
        f'<li><span class="key s{k}"></span>{escape(stage)} <b>{value * 1000:.0f} ms</b></li>'
        for k, (stage, value) in enumerate(seconds.items())
    )
    remark = f"Milliseconds a frame: {total * 1000:.0f} in all, measured when each stage was computed."
    return f'<p>{remark}</p><div class="stack" aria-hidden="true">{parts}</div><ul class="stages">{names}</ul>'


def _legend() -> str:
    kinds = {"found": "found", "extra": "found, but not annotated", "missed": "annotated, but missed"}
    return _keys({"j": "J", "f": "F", **kinds})


def _keys(kinds: Mapping[str, str]) -> str:
    """What the colours mean."""
    return f'<p class="keys">{"".join(f"""<span><span class="key {kind}"></span>{text}</span> """ for kind, text in kinds.items())}</p>'


def _card(row: Scores, sequence: AnnotatedSequence, predictions: Path) -> str:
    score = (row.j + row.f) / 2
    figures = "".join(
        _figure(kind, row, int(t), sequence, predictions) for kind, t in (("worst", score.argmin()), ("best", score.argmax()))
    )
    head = f"<h3>{escape(row.name)}</h3><span>J {_percent(row.region.mean)} · F {_percent(row.boundary.mean)}</span>"
    return f'<article id="{escape(row.name)}"><div class="title">{head}</div>{_curve(row)}<div class="frames">{figures}</div></article>'


def _curve(row: Scores) -> str:
    """J and F of each frame as lines."""
    x = np.linspace(0, 100, len(row.j)) if len(row.j) > 1 else np.array([50.0])
    lines = "".join(
        f'<polyline class="{kind}" points="{" ".join(f"{a:.2f},{30 - 30 * b:.2f}" for a, b in zip(x, values, strict=True))}"/>'
        for kind, values in (("f", row.f), ("j", row.j))
    )
    label = f"J and F of the {len(row.j)} frames of {row.name}"
    return (
        f'<svg viewBox="0 0 100 30" preserveAspectRatio="none" role="img" aria-label="{escape(label)}">'
        f'<path class="grid" d="M0 0H100M0 15H100M0 30H100"/>{lines}</svg>'
    )


def _figure(kind: str, row: Scores, t: int, sequence: AnnotatedSequence, predictions: Path) -> str:
    only = replace(sequence, frames=tuple(frame for frame in sequence.frames if frame.name == row.frames[t]))
    gt, pred = only.read_foreground()[0], read_foreground(prediction_files(predictions, only)[0])
    if (void := only.read_void()) is not None:
        pred = pred & ~void[0]
    picture = comparison_picture(_picture_of(only), pred, gt)
    text = f"{kind}: frame {row.frames[t]}, J {_percent(row.j[t])}, F {_percent(row.f[t])}"
    source = f"data:image/jpeg;base64,{base64.b64encode(_jpeg(picture)).decode()}"
    height, width = picture.shape[:2]
    image = f'<img src="{source}" width="{width}" height="{height}" alt="{escape(f"{row.name}, {text}")}">'
    return f"<figure>{image}<figcaption><b>{kind}</b> {escape(text.removeprefix(f'{kind}: '))}</figcaption></figure>"


def _picture_of(sequence: AnnotatedSequence) -> UInt8:
    """The picture of a sequence's only frame."""
    frame = sequence.frames[0]
    stems = [path.stem for path in sequence.images]
    numbers = [frame_number(stem) for stem in stems]
    if frame.name not in stems and frame.number not in numbers:
        raise DataError(f"There is no picture for {frame.files[0]} in {sequence.images[0].parent}. Add it.")
    index = stems.index(frame.name) if frame.name in stems else numbers.index(frame.number)
    return next(read_frames(sequence.images[0].parent, [index]))[1]


def comparison_picture(frame: UInt8, pred: Bool, gt: Bool) -> UInt8:
    """A frame with right, extra and missed pixels in colour and the annotation's outline in white, at most 560 px wide.

    Args:
        frame: (H, W, 3) RGB.
        pred, gt: (H, W) masks.
    """
    tinted = frame.copy()
    for where, colour in ((pred & gt, FOUND), (pred & ~gt, EXTRA), (gt & ~pred, MISSED)):
        tinted[where] = (frame[where] * (1 - _TINT) + np.array(colour) * _TINT).astype(np.uint8)
    outlines, _ = cv2.findContours(gt.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(tinted, outlines, -1, (255, 255, 255), max(1, frame.shape[1] // 600))
    if frame.shape[1] > _PICTURE_WIDTH:
        size = (_PICTURE_WIDTH, round(frame.shape[0] * _PICTURE_WIDTH / frame.shape[1]))
        tinted = cv2.resize(tinted, size, interpolation=cv2.INTER_AREA)
    return tinted


def _jpeg(picture: UInt8) -> bytes:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 82])
    assert done
    return bytes(data)


def _speed(run: SequenceRun) -> float:
    """Seconds a frame; 0 where not all stages were measured (flow is no stage of every preset)."""
    return sum(run.seconds.values()) / run.frames if run.seconds.keys() >= set(STAGES) - {"flow"} else 0.0


def _percent(value: float) -> str:
    return f"{value * 100:.1f}"
