"""What happens when something is dropped, pressed or changed: plain functions and generators, testable without a browser.

They return or yield `Updates`: new values of components by name. `run` only translates the events of the pipeline, and closing it (which
Stop and a closed tab do) closes the pipeline; finished stages stay in the cache and on the page.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr

from segmo.errors import DataError, InputError, SettingsError
from segmo.settings import Settings
from segmo.ui import cost, panels, parts, text
from segmo.ui.controls import CLICKS, settings_from, values_of
from segmo.ui.edits import ObjectEdits, apply_edits, parse_edits
from segmo.ui.examples import Example, origin
from segmo.ui.gpu import run_stages, stages_on_gpu, warm_up
from segmo.ui.limits import Limits
from segmo.ui.panels import Updates
from segmo.ui.progress import Progress
from segmo.ui.results import find_result, keep_source, link_or_copy, new_result, results_directory, same_content
from segmo.ui.translate import Translator, buttons, shown

if TYPE_CHECKING:  # imported when the first clip comes, so that the page opens fast
    from segmo.pipeline import Result, StageEvent

log = logging.getLogger(__name__)

PLAYER_SIDE_PX = 640
"""Of the version of an upload that plays in the panel."""
SETTLE_S = 0.5
"""After this long nothing of a stopped run is under way to the page any more."""

Pipeline = Callable[[Path, Settings], "Generator[StageEvent, None, Result]"]
Item = TypeVar("Item")
Seen = TypeVar("Seen")
Made = TypeVar("Made")
Answer = tuple[str | None, str | None, dict[str, Any]]


def inspect(clip: str | None, values: Mapping[str, Any]) -> Updates:
    """Look at a dropped clip: its first picture, and which of its frames the present settings use."""
    nothing = no_clip()
    if clip is None:
        return nothing
    from segmo.ui.preview import preview

    try:
        seen = preview(Path(clip), settings_from(values))
    except Exception as error:
        return {**nothing, "clip_note": problem(error)}
    return {
        **nothing,
        "poster": gr.update(value=seen.picture, visible=True),
        "to_play": clip if seen.plays else None,
        "clip_note": panels.forecast(seen.facts, seen.use, seen.cost, seen.warnings),
    }


def no_clip() -> Updates:
    """Nothing of the visitor's own on the page; clicks on an earlier clip mean nothing on the next."""
    hidden = {"poster": gr.update(value=None, visible=False), "player": gr.update(value=None, visible=False)}
    return {**hidden, "clip_note": "", "to_play": None, CLICKS: ""}


def describe(clip: Path | None, values: Mapping[str, Any]) -> Updates:
    """What the present settings make of a clip, and what that will cost."""
    return {"clip_note": inspect(str(clip), values)["clip_note"] if clip else ""}


def drop(upload: str | None, values: Mapping[str, Any]) -> Updates:
    """A clip was dropped or taken away: describe it. A run.json instead of a clip brings its settings back."""
    if upload and Path(upload).suffix.lower() == ".json":
        return {"upload": None, **restore(Path(upload))}
    return {**inspect(upload, values), "example": None, "correct": gr.update(visible=False)}  # which clip Run takes must be plain to see


def play(clip: str | None, values: Mapping[str, Any]) -> Updates:
    """Let a dropped clip play, whatever it was recorded with; its first picture stays where that cannot be done."""
    if clip is None:
        return {"poster": gr.update()}  # gradio wants something of every event
    from segmo.video import normalise

    try:
        warm_up(settings_from(values))
        player = new_result() / "clip.mp4"
        normalise(clip, player, max_side=PLAYER_SIDE_PX)
    except Exception as error:
        log.warning("A clip cannot be shown: %s", error)
        return {"poster": gr.update()}
    return {"poster": gr.update(visible=False), "player": gr.update(value=str(player), visible=True)}


def restore(path: Path) -> Updates:
    """The controls as a run.json has them, and a word about it."""
    from segmo.ui.checks import settings_of_record

    try:
        settings = settings_of_record(path)
    except SettingsError as error:
        return {"clip_note": problem(error)}
    return {**values_of(settings), "clip_note": panels.message("info", "Settings restored.", text.SETTINGS_RESTORED)}


def open_result(directory: Path) -> Updates:
    """Put a finished run on the page.

    Raises:
        DataError: the folder holds none.
    """
    content = parts.load(directory)
    progress = Progress.of_rows(_record(content).stages)
    page = {"steps": progress.to_html(), "progress": progress, "message": "", **buttons(running=False)}
    return {**panels.show_all(content, directory), **page, **shown(directory)}


def open_link(result: str, examples: Mapping[str, Path]) -> Updates:
    """Put the result that a link names on the page, and its settings into the controls."""
    directory = examples.get(result) or find_result(result)
    try:
        if directory is None:
            raise DataError("There is no such result.")
        return {**open_result(directory), **take_settings(result, examples), "example": result if result in examples else None}
    except DataError:
        return {"message": panels.message("error", text.GONE_TITLE, text.GONE)}


def take_settings(result: str, examples: Mapping[str, Path]) -> Updates:
    """The controls as they were for a result."""
    directory = examples.get(result) or find_result(result)
    if directory is None:
        return {"message": panels.message("error", text.GONE_TITLE, text.GONE)}
    return values_of(Settings.from_dict(_record(parts.load(directory)).settings))


def use_settings(result: str, source: Path | None, examples: Mapping[str, Example]) -> Updates:
    """The controls as they were for a result; clicks, which are places in its clip, only where no other clip is to be run."""
    updates = take_settings(result, {name: example.result for name, example in examples.items()})
    if not _may_be_of(result, source, examples):
        updates.pop(CLICKS, None)
    return updates


def settled(result: str, source: Path | None, values: Mapping[str, Any], examples: Mapping[str, Example]) -> Updates:
    """What a new result leaves to say about the clip and settings of the page, which may be others than the result has by now.

    The same run costs next to nothing now; and clicks on the result are settings of the next run, so they must be of the same clip.
    """
    return {**describe(source, values), "correct": gr.update(visible=bool(result) and _may_be_of(result, source, examples))}


def _may_be_of(result: str, source: Path | None, examples: Mapping[str, Example]) -> bool:
    """Whether a result was made from a clip, or there is none to run."""
    found = origin(result, examples)
    return source is None or (found is not None and same_content(found[1], source))


def stand_in_line(clip: Path | None = None, values: Mapping[str, Any] | None = None, limits: Limits | None = None) -> Updates:
    """Answer a press of Run at once, also when others are being served; what is not allowed does not wait at all."""
    if clip is not None and limits is not None:
        from segmo.ui.checks import check_clip

        try:
            check_clip(clip, settings_from(values or {}), limits)
        except Exception as error:
            progress = Progress().fail()
            page = {"steps": progress.to_html(), "progress": progress, "message": problem(error)}
            return {**page, "allowed": False, **buttons(running=False)}
    page = {"steps": Progress().to_html(), "progress": Progress()}
    return {**page, "message": panels.message("info", "Starting.", text.IN_LINE), "allowed": True, **buttons(running=True)}


def turn_away(progress: Progress | None) -> Updates:
    """Answer a run that could not even begin, because too many wait; one that had begun was ended by Stop, which has its own answer."""
    if progress is not None and progress.begun:
        return {"progress": progress}
    return {"message": panels.message("error", "This run could not start.", text.BUSY), **buttons(running=False)}


def run(clip: Path | None, values: Mapping[str, Any], *, stages: Pipeline = run_stages) -> Generator[Updates, None, None]:
    """Run a clip and fill the page as it goes; errors become a message."""
    if clip is None:
        yield {"message": panels.message("info", "", text.NO_CLIP), **buttons(running=False)}
        return
    page = None
    try:
        page = Translator(new_result())
        yield page.begin()
        yield from fill(page, clip, settings_from(values), stages)
    except Exception as error:
        yield failed(page, error)


def fill(page: Translator, clip: Path, settings: Settings, stages: Pipeline = run_stages) -> Generator[Updates, None, None]:
    """Run a clip, fill the page, and keep in the page's folder what opens it again.

    Raises:
        SegmoError: the run failed.
    """
    from segmo.ui.delivery import record, write_files

    page.stride = settings.query.stride
    result = yield from translated(stages(clip, settings), page.take)
    files = yield from translated(write_files(result, page.directory), page.take_files)
    seconds = page.end_files()
    _learn(result, 0.0 if page.redraws_masks_only else seconds + page.drawing_s)
    yield {**page.steps(), **page.put("files", files)}
    yield page.put("run", record(result, seconds))
    if page.directory.parent == results_directory():
        keep_source(page.directory, clip)
    parts.save(page.directory, page.parts)
    yield page.end()


def edit_objects(
    result: str, listed: str, examples: Mapping[str, Example], *, stages: Pipeline = run_stages
) -> Generator[Updates, None, None]:
    """Apply the list of objects to the video and the files, as a new result; links to the old one keep showing the old one."""
    found = origin(result, examples)
    if found is None:
        yield {"message": panels.message("info", "", text.NOT_KEPT)}
        return
    yield {"message": panels.message("info", "Applying.", text.IN_LINE), **buttons(running=True)}
    page = None
    try:
        page = Translator(new_result())
        yield from _redrawn(page, *found, parse_edits(listed), stages)
    except Exception as error:
        yield failed(page, error)
        return
    yield {**open_result(page.directory), "message": panels.message("info", "Applied.", text.APPLIED)}


def _redrawn(page: Translator, before: Path, source: Path, edits: ObjectEdits, stages: Pipeline) -> Generator[Updates, None, None]:
    """Make a copy of a result with other objects; the products come from the cache."""
    from segmo.ui import drawing
    from segmo.ui.delivery import write_files

    content = parts.load(before)
    record, result_part = _record(content), content["result"]
    assert isinstance(result_part, parts.ResultPart)
    all_edits = ObjectEdits.from_dict(result_part.edits).then(edits)
    result = yield from translated(stages(source, Settings.from_dict(record.settings)), page.follow)
    shutil.copytree(before / parts.VIEW_FOLDER, page.directory / parts.VIEW_FOLDER, copy_function=link_or_copy)
    canvas = drawing.open_canvas(page.directory, result.clip)
    masks = apply_edits(result.masks, all_edits)
    content["result"] = drawing.draw_result(canvas, result_part, result.masks, all_edits)
    content["masks"] = drawing.draw_masks(canvas, masks)
    edited = dataclasses.replace(result, masks=masks)
    content["files"] = yield from translated(write_files(edited, page.directory, all_edits.to_dict()), page.take_files)
    keep_source(page.directory, source)
    parts.save(page.directory, content)


def stop(progress: Progress | None) -> Updates:
    """Say that a run was stopped; the event itself closes the run."""
    stopped = (progress or Progress()).stop()
    message = panels.message("info", "Stopped.", text.STOPPED)
    return {"steps": stopped.to_html(), "progress": stopped, "message": message, **buttons(running=False)}


def settle(progress: Progress | None) -> Updates:
    """Show a run as stopped once more: news of it that was under way when Stop was pressed may have arrived after."""
    time.sleep(SETTLE_S)
    stopped = (progress or Progress()).stop()
    return {"steps": stopped.to_html(), "progress": stopped}


def segment(clip: str | None, values: Mapping[str, Any], *, stages: Pipeline = run_stages) -> Generator[Answer, None, None]:
    """The API: yields (None, None, {"stage", "fraction"}) on the way, then the overlay video, the archive and a summary.

    Raises:
        gr.Error: the run failed; the message says why and what to do.
    """
    from segmo.ui.delivery import OVERLAY, summary, write_files

    try:
        if clip is None:
            raise InputError("No clip was given. Pass a video file as `clip`.")
        directory = new_result()
        result = yield from translated(stages(Path(clip), settings_from(values)), lambda event: [_answer(event.stage, event.fraction)])
        files = yield from translated(write_files(result, directory), lambda fraction: [_answer("files", fraction)])
    except Exception as error:
        raise gr.Error(" ".join(_words(error)), print_exception=False) from error
    yield str(directory / OVERLAY), str(directory / files.archive), summary(result)


def stages_of(
    clip: str | None, values: Mapping[str, Any], *, stages: Pipeline = run_stages
) -> Generator[tuple[list[str] | None, dict[str, Any]], None, None]:
    """The API: yields (None, {"stage", "fraction"}) on the way, then the files that the tabs show and a summary.

    Raises:
        gr.Error: the run failed; the message says why and what to do.
    """
    try:
        if clip is None:
            raise InputError("No clip was given. Pass a video file as `clip`.")
        page = Translator(new_result())
        for _ in fill(page, Path(clip), settings_from(values), stages):
            step = next((step for step in page.progress.steps if step.name == page.progress.running), None)
            if step is not None:
                yield None, {"stage": step.name, "fraction": round(step.fraction, 3)}
    except Exception as error:
        raise gr.Error(" ".join(_words(error)), print_exception=False) from error
    record = _record(page.parts)
    views = sorted(str(path) for path in (page.directory / parts.VIEW_FOLDER).iterdir())
    yield (
        views,
        {"result": page.directory.name, "stages": [dataclasses.asdict(row) for row in record.stages], "warnings": list(record.notes)},
    )


def evaluate_threshold(result: str | None, threshold: float | None) -> dict[str, Any]:
    """The API: how many tracks of a finished result move at a threshold.

    Raises:
        gr.Error: there is no such result, or the threshold is out of range.
    """
    directory = find_result(result)
    motion = parts.load(directory)["motion"] if directory else None
    if directory is None or not isinstance(motion, parts.MotionPart) or not motion.points:
        raise gr.Error(f"{text.GONE_TITLE} {text.GONE}", print_exception=False)
    if threshold is None or not 0 <= threshold <= 1:
        raise gr.Error(f"The threshold is {threshold}. Give a number from 0 to 1.", print_exception=False)
    probability = json.loads((directory / motion.points).read_text(encoding="utf-8"))["probability"]
    moving = sum(value > threshold for value in probability)
    return {"threshold": threshold, "moving_tracks": moving, "tracks": len(probability), "threshold_of_the_run": motion.threshold}


def refuse(clip: Path | None, values: Mapping[str, Any], limits: Limits) -> str:
    """Why a clip may not run, in words; empty if it may."""
    from segmo.ui.checks import check_clip

    try:
        if clip is None:
            raise InputError("No clip was given. Pass a video file as `clip`.")
        check_clip(clip, settings_from(values), limits)
    except Exception as error:
        return " ".join(_words(error))
    return ""


def _learn(result: Result, files_seconds: float) -> None:
    """Let the next estimate know what this run took (0 is nothing to learn); lent GPUs tell for themselves, without the wait for them."""
    told = stages_on_gpu(result.settings)
    seconds = [(row.stage, row.seconds) for row in result.stages if not row.cached and row.stage not in told]
    cost.learn(cost.work_on(result.clip, result.settings), [*seconds, ("files", files_seconds)])


def _record(content: Mapping[str, parts.Part]) -> parts.RunPart:
    record = content["run"]
    assert isinstance(record, parts.RunPart)
    return record


def translated(steps: Generator[Item, None, Made], translate: Callable[[Item], Iterable[Seen]]) -> Generator[Seen, None, Made]:
    """Run a generator, yield what `translate` makes of each of its items, and return its result; closed when this one is."""
    with closing(steps):
        while True:
            try:
                item = next(steps)
            except StopIteration as end:
                made: Made = end.value
                return made
            yield from translate(item)


def _answer(stage: str, fraction: float) -> Answer:
    return None, None, {"stage": stage, "fraction": round(fraction, 3)}


def failed(page: Translator | None, error: Exception) -> Updates:
    """The page after an error; `page` is None where the run could not even begin."""
    return {**(page.fail() if page else buttons(running=False)), "message": problem(error)}


def problem(error: Exception) -> str:
    """A box that says what happened and what to do."""
    return panels.message("error", *_words(error))


def _words(error: Exception) -> tuple[str, str]:
    """What to tell the visitor; what that leaves out goes to the log."""
    title, explanation = text.problem(error)
    if explanation == text.UNEXPECTED:
        log.error("A run ended unexpectedly.", exc_info=error)
    return title, explanation
