"""Clicks on a frame of a finished result: shown as marks, taken back, and applied by making the masks again.

The clicks are one text (`controls.CLICKS`), which is a setting of the next run as well.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from segmo.errors import DataError
from segmo.settings import Correction, Settings, with_values
from segmo.ui import handlers, panels, parts, text
from segmo.ui.controls import CLICKS, parse_clicks
from segmo.ui.events import QUIET, Page, follow_up, in_turn
from segmo.ui.examples import Example, origin
from segmo.ui.gpu import run_stages
from segmo.ui.panels import Updates
from segmo.ui.parts import ResultPart, RunPart
from segmo.ui.progress import DONE
from segmo.ui.results import find_result, link_or_copy, new_result
from segmo.ui.translate import Translator, buttons

if TYPE_CHECKING:
    from segmo.types import UInt8

Examples = Mapping[str, Example]


def show_frame(result: str, frame: int, clicks: str, examples: Examples, aim: Sequence[float] | None = None) -> Updates:
    """A frame of a result with its masks, and on it the clicks that are meant for it, and the place (x, y) in [0, 1] that is aimed at."""
    from segmo.ui.drawing import mark_aim, mark_clicks

    try:
        directory, part = _open(result, examples)
        picture = _picture(directory, part, int(frame))
        corrections = parse_clicks(clicks)
    except Exception as error:
        return {"correct_note": handlers.problem(error)}
    here = [correction for correction in corrections if _nearest(part, correction.frame) == frame]
    mark_clicks(picture, here)
    if aim:
        mark_aim(picture, *aim)
    count = len(corrections)
    words = f"{count} click{'' if count == 1 else 's'}, {len(here)} on this frame." if count else text.NO_CLICKS
    return {"correct_picture": picture, "correct_note": panels.note("", (words,), ()), CLICKS: clicks}


def click(result: str, frame: int, clicks: str, sign: str, place_xy: Sequence[float], examples: Examples) -> Updates:
    """Add a click, at a place in pixels of the picture."""
    try:
        directory, part = _open(result, examples)
        height, width = _picture(directory, part, int(frame)).shape[:2]
    except Exception as error:
        return {"correct_note": handlers.problem(error)}
    x, y = ((at + 0.5) / size for at, size in zip(place_xy, (width, height), strict=True))
    return add(result, frame, clicks, sign, (x, y), examples)


def add(result: str, frame: int, clicks: str, sign: str, place: Sequence[float], examples: Examples) -> Updates:
    """Add a click, at a place in [0, 1] of width and height."""
    try:
        _, part = _open(result, examples)
        x, y = (min(max(at, 0.0), 1.0) for at in place)
        added = Correction(_source_indices(part)[int(frame)], x, y, sign == "+")
    except Exception as error:
        return {"correct_note": handlers.problem(error)}
    return show_frame(result, frame, f"{clicks} {added}".strip(), examples)


def undo(result: str, frame: int, clicks: str, examples: Examples) -> Updates:
    """Take the last click back."""
    return show_frame(result, frame, " ".join(clicks.split()[:-1]), examples)


def apply(
    result: str, frame: int, clicks: str, examples: Examples, *, stages: handlers.Pipeline = run_stages
) -> Generator[Updates, None, None]:
    """Make the masks of a result again with what the clicks say, as a new result; links to the old one keep showing the old one."""
    found = origin(result, examples)
    if found is None:
        yield {"message": panels.message("info", "", text.NOT_KEPT)}
        return
    before, source = found
    yield {"message": panels.message("info", "Applying.", text.IN_LINE), **buttons(running=True)}
    page = None
    try:
        content = parts.load(before)
        record = content["run"]
        assert isinstance(record, RunPart)
        settings = with_values(Settings.from_dict(record.settings), {("masks", "corrections"): parse_clicks(clicks)})
        page = Translator(new_result(), content)
        shutil.copytree(before / parts.VIEW_FOLDER, page.directory / parts.VIEW_FOLDER, copy_function=link_or_copy)
        for updates in handlers.fill(page, source, settings, stages):
            yield {name: value for name, value in updates.items() if not name.startswith("correct")}
    except Exception as error:
        yield handlers.failed(page, error)
        return
    corrected, computed = page.parts["result"], [step.name for step in page.progress.steps if step.state == DONE]
    assert isinstance(corrected, ResultPart)
    message = panels.message("info", text.CORRECTED_TITLE, text.corrected(computed))
    yield {**panels.correct(corrected, int(frame)), **show_frame(page.directory.name, frame, clicks, examples), "message": message}


def _open(result: str, examples: Examples) -> tuple[Path, ResultPart]:
    """The folder of a result, and what its first tab shows."""
    directory = examples[result].result if result in examples else find_result(result)
    part = parts.load(directory)["result"] if directory else None
    if directory is None or not isinstance(part, ResultPart) or not part.overlay:
        raise DataError(f"{text.GONE_TITLE} {text.GONE}")
    return directory, part


def _picture(directory: Path, part: ResultPart, frame: int) -> UInt8:
    from segmo.video import read_frames

    return next(picture for _, picture in read_frames(directory / part.overlay, [frame])).copy()


def _source_indices(part: ResultPart) -> Sequence[int]:
    return part.source_indices or range(part.frame_count)


def _nearest(part: ResultPart, source_index: int) -> int:
    """The frame of the result that shows a frame of the source, or comes next to it."""
    indices = _source_indices(part)
    return min(range(len(indices)), key=lambda frame: abs(indices[frame] - source_index))


def place_correcting(given: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Place the controls where the layout is being built; `given` says what they start with."""
    placed: dict[str, Any] = {}
    with gr.Accordion(text.CORRECT_TITLE, elem_id="correct", **{"open": False, "visible": False, **given["correct"]}) as placed["correct"]:
        gr.HTML(panels.note(text.CORRECT_HELP, (), ()))
        modes = [(words, sign) for sign, words in text.CORRECT_MODES.items()]
        placed["correct_mode"] = gr.Radio(modes, value="+", label="A click says", elem_id="correct-mode")
        frame = {"value": 0, "maximum": 1, **given["correct_frame"]}
        placed["correct_frame"] = gr.Slider(minimum=0, step=1, label="Frame", buttons=[], elem_id="correct-frame", **frame)
        placed["correct_frame"].preprocess = int  # gradio refuses what is not in its own range, as frames of pages older than it
        placed["correct_picture"] = gr.Image(
            interactive=False, show_label=False, buttons=[], elem_id="correct-picture", alt_text="A frame of the result, to click on"
        )
        with gr.Row(elem_id="correct-aim"):
            for name, label in text.AIM.items():
                placed[name] = gr.Slider(0, 100, 50, step=0.5, label=label, buttons=[], min_width=140, elem_id=name.replace("_", "-"))
            placed["correct_add"] = gr.Button(text.AIM_ADD, size="sm", elem_id="correct-add", min_width=140)
        placed["correct_note"] = gr.HTML("", elem_id="correct-note")
        with gr.Row():
            placed["correct_undo"] = gr.Button("Undo", size="sm", elem_id="correct-undo", min_width=80)
            placed["correct_clear"] = gr.Button("Clear", size="sm", elem_id="correct-clear", min_width=80)
            placed["correct_apply"] = gr.Button("Apply the clicks", size="sm", variant="primary", elem_id="correct-apply", min_width=140)
    return placed


def connect_correcting(page: Page) -> Any:
    """Bind the events of the controls to the handlers; returns the one that applies the clicks."""
    own, everything = page.parts, list(page.all.values())
    shown = [own["shown"], own["correct_frame"], page.controls[CLICKS]]
    outputs = [own["correct_picture"], own["correct_note"], page.controls[CLICKS]]

    def on_show(result: str, frame: int, clicks: str) -> dict[Any, Any]:
        return page.named(show_frame(result, frame, clicks, page.examples))

    def on_click(result: str, frame: int, clicks: str, sign: str, place: gr.SelectData) -> dict[Any, Any]:
        return page.named(click(result, frame, clicks, sign, place.index, page.examples))

    def on_aim(result: str, frame: int, clicks: str, across: float, down: float) -> dict[Any, Any]:
        # The picture alone: this answer may come after that of a click made meanwhile, and must not take its words back.
        updates = show_frame(result, frame, clicks, page.examples, (across / 100, down / 100))
        return page.named({"correct_picture": updates["correct_picture"]})

    def on_add(result: str, frame: int, clicks: str, sign: str, across: float, down: float) -> dict[Any, Any]:
        return page.named(add(result, frame, clicks, sign, (across / 100, down / 100), page.examples))

    def on_undo(result: str, frame: int, clicks: str) -> dict[Any, Any]:
        return page.named(undo(result, frame, clicks, page.examples))

    def on_clear(result: str, frame: int) -> dict[Any, Any]:
        return page.named(show_frame(result, frame, "", page.examples))

    def on_apply(result: str, frame: int, clicks: str) -> Iterator[dict[Any, Any]]:
        for updates in apply(result, frame, clicks, page.examples):
            yield page.named(updates)

    gr.on(
        [own["correct"].expand, own["correct_frame"].input, page.controls[CLICKS].input],
        on_show,
        shown,
        outputs,
        trigger_mode="always_last",
        queue=False,
        **QUIET,
    )
    own["correct_picture"].select(on_click, [*shown, own["correct_mode"]], outputs, queue=False, **QUIET)
    aim = [own[name] for name in text.AIM]
    gr.on([slider.input for slider in aim], on_aim, [*shown, *aim], outputs[:1], trigger_mode="always_last", queue=False, **QUIET)
    own["correct_add"].click(on_add, [*shown, own["correct_mode"], *aim], outputs, queue=False, **QUIET)
    own["correct_undo"].click(on_undo, shown, outputs, queue=False, **QUIET)
    own["correct_clear"].click(on_clear, shown[:2], outputs, queue=False, **QUIET)
    applying = own["correct_apply"].click(on_apply, shown, everything, **in_turn(page.limits), **QUIET)
    follow_up(page, applying)
    own["stop"].click(None, cancels=[applying], queue=False, **QUIET)
    return applying
