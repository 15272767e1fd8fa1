"""The settings panel, derived from the options of `segmo.settings`, and the way back from its values to `Settings`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from segmo.settings import Option, Settings, iter_options, with_values

SLIDER_STEPS = 250
"""A range of more steps than this is a number to type, not a slider."""
AUTOMATIC = "_auto"
"""Ending of the name of the box beside an option that may be left to segmo."""


def name(option: Option) -> str:
    """Name of an option in the app's API: its last word, as on the command line."""
    return option.path[-1]


def is_optional(option: Option) -> bool:
    """Whether the option may be left to segmo (its default is None)."""
    return option.default is None


def build_controls(preset: str) -> dict[str, gr.components.Component]:
    """Place the controls where the layout is being built: plain ones first, advanced ones in an accordion; by API name."""
    options = list(iter_options())
    controls = _place([option for option in options if not option.advanced], preset)
    with gr.Accordion("Advanced", open=False):
        controls |= _place([option for option in options if option.advanced], preset)
    return controls


def settings_from(values: Mapping[str, Any]) -> Settings:
    """Settings from the controls' values by API name.

    Raises:
        SettingsError: a value is missing, of the wrong kind or out of range.
    """
    chosen: dict[tuple[str, ...], Any] = {}
    for option in iter_options():
        value = values.get(name(option))
        if is_optional(option) and values.get(name(option) + AUTOMATIC, value is None):
            value = None
        elif value is None:
            value = option.default
        elif isinstance(option.default, int) and not isinstance(option.default, bool) and float(value).is_integer():
            value = int(value)  # the page sends every number as it likes
        chosen[option.path] = value
    return with_values(Settings(), chosen)


def command_line(clip: str, settings: Settings) -> str:
    """The command that repeats a run in a terminal."""
    words = ["python -m segmo run", clip]
    for option in iter_options():
        value = _value(settings, option.path)
        if not option.flag or value == option.default:
            continue
        if isinstance(option.default, bool):
            words.append(option.flag if value else "--no-" + option.flag.removeprefix("--"))
        else:
            words.append(f"{option.flag} {value:g}" if isinstance(value, float) else f"{option.flag} {value}")
    return " ".join(words)


def client_snippet(settings: Settings) -> str:
    """The Python that repeats a run through the app's API."""
    changed = ""
    for option in iter_options():
        value = _value(settings, option.path)
        if value != option.default:
            changed += f", {name(option)}={value!r}" + (f", {name(option)}{AUTOMATIC}=False" if is_optional(option) else "")
    return (
        "from gradio_client import Client, handle_file\n\n"
        "client = Client(ADDRESS_OF_THIS_PAGE)\n"
        f'overlay, archive, summary = client.predict(handle_file("clip.mp4"){changed}, api_name="/segment")'
    )


def _value(settings: Settings, path: Sequence[str]) -> Any:
    value: Any = settings
    for word in path:
        value = getattr(value, word)
    return value


def _place(options: Sequence[Option], preset: str) -> dict[str, gr.components.Component]:
    """One control below the other, but numbers to type side by side."""
    controls: dict[str, gr.components.Component] = {}
    for typed, group in itertools.groupby(options, _is_typed):
        if typed:
            with gr.Row(elem_classes="numbers"):
                controls |= {name(option): _number(option) for option in group}
        else:
            for option in group:
                controls |= _control(option, preset)
    return controls


def _is_typed(option: Option) -> bool:
    """Whether the option is a number of too wide a range for a slider."""
    if option.choices or isinstance(option.default, bool) or option.default is None:
        return False
    return option.minimum is None or option.maximum is None or (option.maximum - option.minimum) / (option.step or 1) > SLIDER_STEPS


def _number(option: Option) -> gr.components.Component:
    return gr.Number(
        option.default,
        label=option.label,
        info=option.help,
        minimum=option.minimum,
        maximum=option.maximum,
        step=option.step or 1,
        precision=0 if isinstance(option.default, int) else None,
        min_width=120,
    )


def _control(option: Option, preset: str) -> dict[str, gr.components.Component]:
    label, info, key = option.label, option.help, name(option)
    if option.choices:
        return {key: gr.Radio(list(option.choices), value=preset if key == "preset" else option.default, label=label, info=info)}
    if isinstance(option.default, bool):
        return {key: gr.Checkbox(option.default, label=label, info=info)}
    if is_optional(option):
        return _optional(option)
    assert option.minimum is not None and option.maximum is not None, "a slider has ends"
    slider = gr.Slider(option.minimum, option.maximum, option.default, step=option.step, label=label, info=info, buttons=[])
    return {key: slider}


def _optional(option: Option) -> dict[str, gr.components.Component]:
    low, high = option.minimum or 0.0, 1.0 if option.maximum is None else option.maximum
    automatic = gr.Checkbox(True, label=f"{option.label}: automatic", info=option.help)
    slider = gr.Slider(low, high, (low + high) / 2, step=option.step, label=option.label, visible=False, buttons=[])
    automatic.input(lambda on: gr.update(visible=not on), automatic, slider, queue=False, show_progress="hidden", api_visibility="private")
    return {name(option): slider, name(option) + AUTOMATIC: automatic}
