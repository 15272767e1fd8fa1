"""Files appear as a whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from segmo.errors import OutputError
from segmo.files import name_to_replace, replacing, write_text


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    write_text(path, "old")
    with pytest.raises(ValueError, match="stop"), replacing(path) as temporary:
        temporary.write_text("half")
        raise ValueError("stop")
    assert path.read_text() == "old" and list(path.parent.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/a\.txt cannot be written"):
        write_text(tmp_path / "file" / "a.txt", "x")


def test_the_new_file_has_the_end_that_a_writer_asks_for(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.mp4", ".mp4") as temporary:
        assert temporary.suffix == ".mp4" and temporary.parent == tmp_path
        temporary.write_bytes(b"1")
    assert (tmp_path / "a.mp4").read_bytes() == b"1"


@pytest.mark.parametrize(("name", "suffix"), [("00000.npy", ""), ("a.b.mp4", ".mp4"), (".hidden", ""), ("12345678.json", ".json")])
def test_a_temporary_name_tells_the_name_it_was_to_take(tmp_path: Path, name: str, suffix: str) -> None:
    with replacing(tmp_path / name, suffix) as temporary:
        temporary.touch()
        assert name_to_replace(temporary.name) == name
    assert name_to_replace(name) == ""


def test_temporary_names_of_earlier_versions_are_known_too() -> None:
    assert name_to_replace(".00000_00001.npy.4242") == "00000_00001.npy"
