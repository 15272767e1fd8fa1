"""Files appear as a whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from segmo.errors import OutputError
from segmo.files import replacing, write_text


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
