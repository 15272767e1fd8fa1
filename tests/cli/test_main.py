from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from segmo.cli import main as module
from segmo.cli.main import COMMANDS, exit_code, main
from segmo.errors import CacheError, DeviceError, OutputError, SettingsError, VideoError, WeightsError

REPOSITORY = Path(__file__).resolve().parents[2]


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert [name for name in COMMANDS if re.search(rf"^    {name}\b", text, re.MULTILINE)] == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0 and f"segmo {name}" in capsys.readouterr().out


def test_the_help_of_benchmark_tells_its_own_default(capsys):
    for command, default in (("run", "on"), ("benchmark", "off")):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert f"at most 1000 px on the longer side. (default: {default})" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["run"], ["cache", "nonsense"], ["run", "x", "--nonsense"], ["run", "x", "--strid", "3"]]
)
def test_wrong_usage_is_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2 and capsys.readouterr().err


def test_exit_codes_tell_bad_input_from_everything_else():
    assert [exit_code(kind("x")) for kind in (VideoError, SettingsError)] == [2, 2]
    assert [exit_code(kind("x")) for kind in (CacheError, DeviceError, OutputError, WeightsError)] == [1, 1, 1, 1]


@pytest.mark.parametrize(("raised", "code", "says"), [(SettingsError("No. Do."), 2, "No. Do."), (KeyboardInterrupt(), 130, "kept")])
def test_errors_and_ctrl_c_become_a_line_and_a_code(monkeypatch, capsys, raised, code, says):
    def fail(args):
        raise raised

    monkeypatch.setattr(importlib.import_module("segmo.cli.cache"), "run", fail)
    assert module.main(["cache", "info"]) == code
    captured = capsys.readouterr()
    assert says in captured.err and "Traceback" not in captured.err and not captured.out


def test_a_reader_that_leaves_is_no_disaster():
    command = [sys.executable, "-m", "segmo", "weights", "list", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY)
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait()
