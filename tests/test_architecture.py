"""The plan of the house, checked by reading the code: who imports whom, how long things may be, and that importing does no work."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import segmo

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "segmo"
ROOMS = (
    *("errors", "shown", "types", "settings"),
    *("geometry", "parallel", "device", "files", "framing"),
    *("video", "cache"),
    *("render", "export"),
    *("stages", "networks", "lite", "synthetic"),
    *("zoo",),
    *("chain",),
    *("pipeline", "datasets"),
    *("evaluation",),
    *("training", "cluster"),
    *("cli", "ui"),
)
"""A room imports itself and rooms before it."""
STRANGERS = {"stages", "networks", "lite", "synthetic"}
"""None of these imports another of them."""
ENTRIES = {"__init__", "__main__"}
HEAVY = ("av", "cv2", "gradio", "moviepy", "numpy", "rich", "scipy", "spaces", "torch")
FILES = sorted(path.relative_to(REPOSITORY).as_posix() for path in PACKAGE.rglob("*.py"))


def room_of(file: str) -> str:
    return Path(file).parts[1].removesuffix(".py")


def tree_of(file: str) -> ast.Module:
    return ast.parse((REPOSITORY / file).read_text(encoding="utf-8"))


def imported(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Full names of what import statements among the nodes import."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """The nodes that run when the module is imported."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "__name__ == '__main__'"):
            continue
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def test_the_rooms_are_those_of_the_plan():
    assert {room_of(file) for file in FILES} - ENTRIES <= set(ROOMS)


@pytest.mark.parametrize("file", FILES)
def test_a_room_imports_only_rooms_before_it(file):
    room = room_of(file)
    if room in ENTRIES:
        return
    for name in imported(ast.walk(tree_of(file))):
        target = name.split(".")[1] if name.startswith("segmo.") else room
        if target in ROOMS:  # the package's own names, such as __version__, are no room
            assert ROOMS.index(target) <= ROOMS.index(room), f"{file} imports {name}"
            assert target == room or not {target, room} <= STRANGERS, f"{file} imports {name}"


@pytest.mark.parametrize("file", FILES)
def test_gradio_and_spaces_stay_in_ui_and_torch_is_imported_late(file):
    room = room_of(file)
    tree = tree_of(file)
    assert room == "ui" or not {"gradio", "spaces"} & {name.split(".")[0] for name in imported(ast.walk(tree))}
    assert room in ("networks", "training") or "torch" not in {name.split(".")[0] for name in imported(at_import(tree))}


@pytest.mark.parametrize("file", FILES)
def test_modules_and_functions_are_short(file):
    text = (REPOSITORY / file).read_text(encoding="utf-8")
    assert text.count("\n") <= (600 if room_of(file) == "networks" else 400)
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= 60
    ]
    assert long == []


@pytest.mark.parametrize("file", FILES)
def test_importing_does_no_work(file):
    tree = tree_of(file)
    loose = [node for node in tree.body if isinstance(node, ast.For | ast.While | ast.With | ast.Expr)]
    assert [ast.unparse(node) for node in loose if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))] == []


@pytest.mark.parametrize("file", FILES)
def test_nothing_prints_below_the_command_line_and_nothing_unsafe_is_used(file):
    tree = tree_of(file)
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert room_of(file) == "cli" or "print" not in calls
    assert not {"eval", "exec", "os.system"} & calls
    assert not {"pickle", "dill", "joblib", "cloudpickle"} & {name.split(".")[0] for name in imported(ast.walk(tree))}
    assert "shell=True" not in {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.keyword)}


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import segmo", HEAVY),
        ("from segmo.cli.main import build_parser; build_parser()", HEAVY),
        ("import segmo.pipeline, segmo.zoo.lite_models", ("gradio", "rich", "torch")),
    ],
)
def test_start_up_imports_nothing_heavy(statement, absent):
    code = f"{statement}; import sys; print(*sorted(set({absent!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.split() == []


def test_public_names_are_pinned():
    assert segmo.__all__ == ["Correction", "Result", "Settings", "StageEvent", "__version__", "run", "segment"]
    assert all(hasattr(segmo, name) for name in segmo.__all__)
    assert segmo.segment.__module__ == "segmo.pipeline" and segmo.Settings().preset == "lite"
    with pytest.raises(AttributeError, match="nothing_there"):
        segmo.nothing_there  # noqa: B018


def test_the_version_is_that_of_the_metadata():
    assert f'version = "{segmo.__version__}"' in (REPOSITORY / "pyproject.toml").read_text()


def test_an_interpreter_completes_the_public_names() -> None:
    run = subprocess.run([sys.executable, "-c", "import segmo; print(*dir(segmo))"], capture_output=True, text=True, check=True)
    assert set(segmo.__all__) <= set(run.stdout.split())
