"""How the page's events are bound: what waits for what, and what ends what."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BINDINGS = """
import json
from segmo.ui.launch import build_app, find_examples
from segmo.ui.limits import Limits

events = build_app("lite", find_examples(), Limits(runs_at_once=3)).fns.values()
rows = [
    {
        "id": event._id,
        "name": event.name,
        "lane": event.concurrency_id,
        "limit": event.concurrency_limit,
        "ends": list(event.cancels),
        "targets": [trigger for _, trigger in event.targets],
        "takes": [block.get_block_name() for block in event.inputs],
        "frames": [block.preprocess(500) for block in event.inputs if block.elem_id == "correct-frame"],
    }
    for event in events
]
print(json.dumps(rows))
"""


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    """All events of the page and the API; in a process of its own, for gradio leaves an event loop open."""
    done = subprocess.run([sys.executable, "-c", BINDINGS], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout.splitlines()[-1]))


def named(events: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    """The events of handlers with these names."""
    return [event for event in events if event["name"] in names]


def ids(events: list[dict[str, Any]]) -> set[int]:
    return {event["id"] for event in events}


def test_as_many_runs_at_once_as_the_limits_say(events: list[dict[str, Any]]) -> None:
    """Gradio takes the smallest limit of all events that share a lane."""
    lane = [event for event in events if event["lane"] == "runs"]
    assert {event["limit"] for event in lane} == {3} and len(lane) == 6


def test_dropped_clips_do_not_wait_for_those_of_other_visitors(events: list[dict[str, Any]]) -> None:
    assert [event["limit"] for event in named(events, "on_drop", "on_change", "on_recorded", "on_example")] == [None] * 4
    assert {event["lane"] for event in named(events, "on_play")} == {"players"}, "encoding has a lane of its own"


def test_an_example_ends_all_that_would_answer_on_its_page(events: list[dict[str, Any]]) -> None:
    earlier = named(events, "on_run", "on_apply", "on_choice", "on_missing", "on_drop", "on_play", "on_recorded")
    assert len(earlier) == 8
    (ending,) = [event for event in events if set(event["ends"]) == ids(earlier)]
    (answer,) = named(events, "on_example")
    assert ending["id"] < answer["id"], "or what is ended still has its news shown after the answer"


def test_a_new_result_ends_packing_for_the_one_before(events: list[dict[str, Any]]) -> None:
    packing = ids(named(events, "on_choice", "on_missing"))
    (ending,) = [event for event in events if set(event["ends"]) == packing]
    assert ending["targets"] == ["change"], "of what is shown: a press that is refused leaves the page as it was"


def test_the_page_itself_knows_which_result_it_shows(events: list[dict[str, Any]]) -> None:
    """A session's state is gone when the server starts again: all pages that are open would mean the first example."""
    handlers = ["on_use", "on_apply", "on_result", "on_choice", "on_missing"]
    handlers += ["on_show", "on_click", "on_aim", "on_add", "on_undo", "on_clear"]
    bound = named(events, *handlers)
    assert len(bound) == len(handlers) + 3
    for event in bound:
        assert "state" not in event["takes"], event["name"]
        assert event["frames"] in ([], [500]), "the range is that of the page's own result"
