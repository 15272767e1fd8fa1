"""Files that appear as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

from segmo.errors import OutputError

_TEMPORARY = re.compile(r"\.(.+)\.(?:[0-9a-f]{8}(?:\.\w+)?|\d+)")  # only digits: a process id, as in earlier versions


@contextlib.contextmanager
def replacing(path: Path, suffix: str = "") -> Iterator[Path]:
    """A new file beside `path` that takes its place at the end, or vanishes on an error; missing folders are made.

    Args:
        path: the file to write.
        suffix: end of the new file's name, for writers that tell the format by it.

    Raises:
        OutputError: it cannot be written.
    """
    path = path.absolute()
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}{suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error}). Check the folder, its permissions and the free space.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def name_to_replace(temporary: str) -> str:
    """The name of the file whose place a file of `replacing` was to take; empty for names that it does not give."""
    match = _TEMPORARY.fullmatch(temporary)
    return match[1] if match else ""


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one step. Raises as `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a file of UTF-8 in one step. Raises as `replacing`."""
    write_bytes(path, text.encode())
