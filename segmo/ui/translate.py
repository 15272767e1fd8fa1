"""One run on one page: turns the events of the pipeline into updates of the page, and into the parts that are saved with the run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from segmo.ui import panels, results
from segmo.ui.panels import Updates
from segmo.ui.parts import Part, ResultPart, VideoPart
from segmo.ui.progress import CACHED, DONE, RUNNING, Progress, in_seconds

if TYPE_CHECKING:  # imported when the first clip comes, so that the page opens fast
    import numpy as np
    import numpy.typing as npt

    from segmo.pipeline import StageEvent
    from segmo.types import Tracks
    from segmo.ui.drawing import Canvas

REFRESH_S = 0.15
"""Least time between two updates of a percentage."""


def buttons(running: bool) -> Updates:
    """Run or Stop, whichever makes sense."""
    return {"run": gr.update(visible=not running), "stop": gr.update(visible=running)}


def shown(directory: Path | None) -> Updates:
    """Which finished result is on the page, and the link to it; an example's folder is not kept among the results."""
    usable = {name: gr.update(visible=directory is not None) for name in ("use_settings", "apply_objects")}
    if directory is None:
        return {"shown": "", "share": "", **usable}
    until = results.kept_until(directory) if directory.parent == results.results_directory() else None
    return {"shown": directory.name, "share": panels.share(directory.name, until), **usable}


class Translator:
    """What one run needs to remember from one event to the next."""

    def __init__(self, directory: Path, kept: Mapping[str, Part] | None = None) -> None:
        """`kept` are the parts of an earlier run that differs in its masks only: nothing else is drawn again."""
        self.directory = directory
        self.redraws_masks_only = bool(kept)
        self.stride = 1
        """Query-frame stride of the run."""
        self.drawing_s = 0.0
        """Seconds spent on the pictures and videos of the tabs."""
        self.progress = Progress()
        self.parts: dict[str, Part] = dict(kept or {})
        self._canvas: Canvas | None = None
        self._tracks: Tracks | None = None
        self._probability: npt.NDArray[np.float32] | None = None
        self._began = self._files_began = self._shown_at = time.perf_counter()

    def begin(self) -> Updates:
        """An empty page."""
        return {**panels.clear(), **self.steps(), **buttons(running=True), **shown(None), "message": ""}

    def take(self, event: StageEvent) -> Iterator[Updates]:
        """What an event changes on the page: the steps, and the tabs that a finished stage fills, one after the other."""
        yield from self.follow(event)
        if event.status in ("cached", "done"):
            began = time.perf_counter()
            for name, part in self._draw(event.stage, event.product):
                self.drawing_s += time.perf_counter() - began
                yield self.put(name, part)
                began = time.perf_counter()

    def follow(self, event: StageEvent) -> Iterator[Updates]:
        """What an event changes in the strip of steps alone."""
        if event.status in ("started", "progress"):
            yield from self.advance(event.stage, event.fraction, event.seconds, event.note)
            return
        state = CACHED if event.status == "cached" else DONE
        self.progress = self.progress.change(event.stage, state, 1.0, event.seconds)
        if event.stage == "masks":  # the last, after which drawing and files take a while
            self.progress = self.progress.before_files()
        yield self.steps()

    def advance(self, stage: str, fraction: float, seconds: float, note: str = "") -> Iterator[Updates]:
        """Progress of a step; most of it comes faster than a page needs and is dropped."""
        fresh = self.progress.running != stage
        if not fresh:  # a stage of several products counts each from nothing, and so does one that waits for its turn at the cache
            fraction = max(fraction, next(step.fraction for step in self.progress.steps if step.name == stage))
        self.progress = self.progress.change(stage, RUNNING, fraction, seconds, note)
        if fresh or time.perf_counter() - self._shown_at > REFRESH_S:
            yield self.steps()

    def take_files(self, fraction: float) -> Iterator[Updates]:
        """Progress of the last step, which is not one of the pipeline's."""
        if self.progress.running != "files":
            self._files_began = time.perf_counter()
        yield from self.advance("files", fraction, time.perf_counter() - self._files_began)

    def end_files(self) -> float:
        """The files are written; returns the seconds that took."""
        seconds = time.perf_counter() - self._files_began
        self.progress = self.progress.change("files", DONE, 1.0, seconds)
        return seconds

    def end(self) -> Updates:
        """The page after a complete run."""
        message = panels.message("info", "Done", f"in {in_seconds(time.perf_counter() - self._began)}.")
        result = self.parts["result"]
        assert isinstance(result, ResultPart)
        correcting = panels.correct(result)
        del correcting["correct"]  # it shows where the page still has this clip: see `handlers.settled`
        return {**self.steps(), **buttons(running=False), **shown(self.directory), **correcting, "message": message}

    def fail(self) -> Updates:
        """The page after an error, without the message."""
        self.progress = self.progress.fail()
        return {**self.steps(), **buttons(running=False)}

    def put(self, name: str, part: Part) -> Updates:
        """Fill a tab."""
        self.parts[name] = part
        return panels.show(name, part, self.directory)

    def steps(self) -> Updates:
        """The strip of steps, and its state for the Stop button."""
        self._shown_at = time.perf_counter()
        return {"steps": self.progress.to_html(), "progress": self.progress}

    def _draw(self, stage: str, product: Any) -> Iterator[tuple[str, Part]]:
        """The parts that a finished stage allows."""
        from segmo.stages.tracks import query_frames
        from segmo.types import MotionLabels
        from segmo.ui import drawing

        if stage == "frames":
            self._canvas = drawing.open_canvas(self.directory, product)
        assert self._canvas is not None, "frames come first"
        if self.redraws_masks_only and stage != "masks":
            return
        if stage == "frames":
            yield "frames", drawing.draw_frames(self._canvas, query_frames(len(product), self.stride))
            yield "result", drawing.draw_original(self._canvas)
        elif stage == "depth":
            yield "depth", drawing.draw_depth(self._canvas, product)
        elif stage == "tracks":
            self._tracks = product
            yield "tracks", drawing.draw_tracks(self._canvas, product)
        elif stage == "features":
            yield "features", drawing.draw_features(self._canvas, product)
        elif stage == "motion" and isinstance(product, MotionLabels) and self._tracks is not None:
            yield "motion", drawing.draw_motion(self._canvas, self._tracks, product)
            self._probability = product.evidence.track_probability
        elif stage == "masks":
            original = self.parts["result"]
            assert isinstance(original, ResultPart)
            yield "result", drawing.draw_result(self._canvas, original, product)
            yield "masks", drawing.draw_masks(self._canvas, product)
            if self._tracks is not None and self._probability is not None:  # now that nobody waits for it
                first = self.parts["tracks"]
                yield "tracks", drawing.draw_tracks(self._canvas, self._tracks, self._probability)
                assert isinstance(first, VideoPart)
                (self.directory / first.video).unlink(missing_ok=True)
