"""Settings: ranges, kinds, and the texts and flags that controls are made from."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from segmo.errors import SettingsError
from segmo.settings import (
    PRESETS,
    Correction,
    FrameSettings,
    MaskSettings,
    MotionSettings,
    QuerySettings,
    Settings,
    TrackSettings,
    iter_options,
    with_values,
)

OPTIONS = list(iter_options())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: FrameSettings(max_frames=-1), r"Maximum frames is -1\. Give a value from 0 to 2000\."),
        (lambda: FrameSettings(max_side=5000), r"Maximum side is 5000\. Give a value from 0 to 4096\."),
        (lambda: FrameSettings(start_s=-0.5), r"Start is -0\.5\. Give a value from 0 to 86400\."),
        (lambda: FrameSettings(length_s=float("nan")), r"Length is nan\. Give a number\."),
        (lambda: FrameSettings(max_frames="7"), r"Maximum frames is '7'\. Give a whole number\."),
        (lambda: FrameSettings(max_frames=2.5), r"Maximum frames is 2\.5\. Give a whole number\."),
        (lambda: FrameSettings(max_frames=None), r"Maximum frames is None\. Give a whole number\."),
        (lambda: FrameSettings(max_frames=True), r"Maximum frames is True\. Give a whole number\."),
        (lambda: FrameSettings(efficiency="no"), r"Efficiency mode is 'no'\. Give True or False\."),
        (lambda: QuerySettings(stride=0), r"Query-frame stride is 0\. Give a value from 1 to 100\."),
        (lambda: TrackSettings(seed=float("inf")), r"Seed is inf\. Give a whole number\."),
        (lambda: MotionSettings(threshold=1.5), r"Motion threshold is 1\.5\. Give a value from 0 to 1\."),
        (lambda: MotionSettings(threshold="auto"), r"Motion threshold is 'auto'\. Give a number\."),
        (lambda: MaskSettings(max_objects=256), r"Maximum objects is 256\. Give a value from 1 to 255\."),
        (lambda: Correction(3, 1.2, 0.5, True), r"The correction 3,1\.2,0\.5,\+ lies outside the clip\. .*"),
        (lambda: Correction(3, 0.2, 0.5, "yes"), r"moves of a correction is 'yes'\. Give True or False\."),
        (lambda: Correction.parse("3,0.2,0.5,?"), r"The correction '3,0\.2,0\.5,\?' cannot be read\. .*"),
        (lambda: MaskSettings(corrections=[{"frame": 3}]), r"A correction is {'frame': 3}\. Give frame, x, y, moves\."),
        (lambda: Settings(preset="large"), rf"Preset is 'large'\. Choose one of {', '.join(PRESETS)}\."),
        (lambda: Settings(frames=3), r"frames is 3\. Give it as FrameSettings\."),
    ],
)
def test_a_wrong_value_names_the_setting_the_value_and_what_is_allowed(make, said):
    with pytest.raises(SettingsError, match=f"^{said}$"):
        make()


def test_equal_numbers_are_one_setting():
    by_slider = FrameSettings(max_frames=50.0, start_s=1, max_side=np.int64(640))
    assert by_slider == FrameSettings(max_frames=50, start_s=1.0, max_side=640)
    assert json.dumps(dataclasses.asdict(by_slider)) == json.dumps(
        dataclasses.asdict(FrameSettings(max_frames=50, start_s=1.0, max_side=640))
    )


def test_limits_themselves_are_allowed():
    for option in OPTIONS:
        for limit in (option.minimum, option.maximum):
            if limit is not None:
                changed = with_values(Settings(), {option.path: limit})
                assert changed.to_dict()[option.path[0]][option.path[1]] == limit


def test_settings_survive_json():
    settings = Settings(preset="paper", frames=FrameSettings(max_frames=9, start_s=0.5), motion=MotionSettings(threshold=0.4))
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    clicked = Settings(masks=MaskSettings(corrections=(Correction(12, 0.5, 1 / 3, True), Correction(0, 0, 1, False))))
    assert Settings.from_dict(json.loads(json.dumps(clicked.to_dict()))) == clicked
    assert Settings.from_dict({}) == Settings()
    assert Settings.from_dict({"frames": {"max_side": 640}}) == Settings(frames=FrameSettings(max_side=640))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"frame": {}}, r"Unknown setting 'frame'\. Known are preset, frames, query, tracks, motion, masks, models\."),
        ({"frames": {"maxframes": 3}}, r"Unknown setting frames\.maxframes\. Known are efficiency, max_frames, "),
        ({"query": {"stride": 0}}, r"Query-frame stride is 0"),
        ({"query": 3}, r"query is 3\. Give it as QuerySettings"),
    ],
)
def test_unknown_and_wrong_values_in_a_file(values, said):
    with pytest.raises(SettingsError, match=said):
        Settings.from_dict(values)


def test_a_click_reads_as_it_was_written():
    click = Correction(12, 1 / 3, 0.5, False)
    assert str(click) == "12,0.3333,0.5,-" and Correction.parse(str(click)) == click


def test_settings_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().preset = "paper"
    base = Settings()
    assert with_values(base, {("query", "stride"): 3}).query.stride == 3
    assert base == Settings()


def test_options_reach_every_setting_once_with_texts_for_people():
    paths = [option.path for option in OPTIONS]
    assert len(set(paths)) == len(paths)
    values = Settings().to_dict()
    everything = {("preset",)} | {(group, name) for group, inner in values.items() if isinstance(inner, dict) for name in inner}
    assert set(paths) == everything - {("masks", "corrections")}, "clicks belong to a clip and have no control"
    for option in OPTIONS:
        assert option.label[0].isupper() and option.help.endswith(".")
        default = values[option.path[0]] if len(option.path) == 1 else values[option.path[0]][option.path[1]]
        assert option.default == default
        if option.minimum is not None and option.default is not None:
            assert option.minimum <= option.default <= option.maximum


def test_flags_are_those_of_the_command_line():
    flags = {option.flag for option in OPTIONS if option.flag}
    promised = {"--preset", "--stride", "--efficiency", "--max-frames", "--max-side", "--start", "--seconds", "--threshold", "--seed"}
    promised |= {"--max-tracks", "--max-objects", "--min-area"}
    assert flags == promised | {"--always-moves"} | {f"--{role}-model" for role in ("depth", "tracks", "features", "motion", "masks")}


def test_the_limits_of_whole_numbers_are_told_to_the_last_digit():
    with pytest.raises(SettingsError, match="from 0 to 2147483647"):
        TrackSettings(seed=-1)
