"""The folder of a result: written as a whole or not at all, aware of which files are its own, and packed into one ZIP."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from segmo.errors import OutputError
from segmo.files import replacing, write_bytes

OUTPUTS = {
    "masks": "masks",
    "overlay": "overlay.mp4",
    "side_by_side": "side_by_side.mp4",
    "alpha": "alpha.webm",
    "matte": "matte.mp4",
    "static": "static_masks",
    "objects": "objects.json",
    "tracks": "tracks.npz",
    "csv": "tracks.csv",
    "run": "run.json",
}
"""File or folder of each output."""
NO_SOUND = f"The sound of the source cannot be decoded, so {OUTPUTS['overlay']} has none."


@contextlib.contextmanager
def staging_beside(directory: Path) -> Iterator[Path]:
    """A temporary folder on the same disk as `directory`, removed at the end; errors of the system become OutputError."""
    target = directory.resolve()
    staging = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".segmo.", dir=target.parent))  # not longer by the target's name, which may be the longest
        yield staging
    except OSError as error:
        raise OutputError(f"{directory} cannot be written ({error}). Check the folder, its permissions and the free space.") from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


def commit(staging: Path, directory: Path, record: Mapping[str, Any]) -> None:
    """Move the staged files into `directory`, remove what earlier exports wrote and this one did not, and write run.json.

    While files move, run.json lists old and new ones and says `"complete": false`; should the machine stop in that
    moment, the next export still knows which files are ours.
    """
    files = sorted(path.relative_to(staging).as_posix() for path in staging.rglob("*") if path.is_file())
    earlier = set(_files_of(_read_record(directory)))
    for file in files:
        (directory / file).parent.mkdir(parents=True, exist_ok=True)
        if (directory / file).is_dir():
            raise OutputError(f"{directory / file} is a folder where a file is to be written. Move it away.")
    directory.mkdir(parents=True, exist_ok=True)
    listing = OUTPUTS["run"]
    write_json(directory / listing, {**record, "complete": False, "files": sorted({*files, *earlier, listing})}, indent=1)
    for file in files:
        os.replace(staging / file, directory / file)
    for file in earlier - {*files, listing}:
        (directory / file).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # files of others are in it
            (directory / file).parent.rmdir()
    write_json(directory / listing, {**record, "complete": True, "files": sorted({*files, listing})}, indent=1)


def add_output(staging: Path, directory: Path, name: str) -> Path:
    """Move the staged file or folder of one output into a finished export, and list it in run.json; returns where it is."""
    record = _read_record(directory)
    if not record.get("complete"):
        raise OutputError(f"{directory.name} holds no finished result. Export one first.")
    files = [path.relative_to(staging).as_posix() for path in staging.rglob("*") if path.is_file()]
    if (directory / OUTPUTS[name]).is_dir():  # left by somebody who was stopped before it was listed
        shutil.rmtree(directory / OUTPUTS[name])
    os.replace(staging / OUTPUTS[name], directory / OUTPUTS[name])
    write_json(directory / OUTPUTS["run"], {**record, "files": sorted({*_files_of(record), *files})}, indent=1)
    return directory / OUTPUTS[name]


def has_output(directory: Path, name: str) -> bool:
    """Whether a folder holds a finished export with that output."""
    record = _read_record(directory)
    return bool(record.get("complete")) and any(PurePosixPath(file).parts[0] == OUTPUTS[name] for file in _files_of(record))


def update_record(directory: Path, record: Mapping[str, Any], outputs: Collection[str]) -> bool:
    """Write only run.json, where an earlier export of the same fingerprint left all `outputs`, untouched since; else return False."""
    earlier = _read_record(directory)
    files = _files_of(earlier)
    if not earlier.get("complete") or earlier.get("fingerprint") != record["fingerprint"]:
        return False
    if not {OUTPUTS[name] for name in outputs} <= {PurePosixPath(file).parts[0] for file in files}:
        return False
    try:
        finished = (directory / OUTPUTS["run"]).stat().st_mtime_ns  # it was written last
        if any((directory / file).stat().st_mtime_ns > finished for file in files):
            return False
        warnings = [*record["warnings"], *(text for text in [NO_SOUND] if text in earlier.get("warnings", ()))]  # of files that stay
        write_json(directory / OUTPUTS["run"], {**record, "warnings": warnings, "complete": True, "files": sorted(files)}, indent=1)
    except (OSError, OutputError):
        return False
    return True


def write_json(path: Path, value: Mapping[str, Any], indent: int | None = None) -> None:
    """Write JSON of UTF-8 in one step."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(path, text.encode(errors="backslashreplace"))  # names that are not UTF-8; to JSON, too, that is an escape


def write_zip(directory: Path, dest: Path, members: Collection[str] | None = None) -> Path:
    """Pack the outputs of an exported folder, all or those named in `members` (keys of `OUTPUTS`), into one ZIP file; returns `dest`.

    Only files that the export wrote are packed. Pictures and videos are stored, texts are compressed.

    Raises:
        OutputError: the folder holds no finished export, a member was not written, or the file cannot be written.
    """
    record = _read_record(directory)
    if not record.get("complete"):
        raise OutputError(f"{directory.name} holds no finished result. Export one first.")
    written = {name: [file for file in _files_of(record) if PurePosixPath(file).parts[0] == path] for name, path in OUTPUTS.items()}
    for name in members or ():
        if not written.get(name):
            raise OutputError(f"The result has no {name!r}. Choose from {', '.join(name for name in written if written[name])}.")
    chosen = sorted(file for name in (OUTPUTS if members is None else set(members)) for file in written[name])
    with replacing(dest) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for file in chosen:
            _add(archive, directory / file, file)
    return dest


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    entry = zipfile.ZipInfo(name)  # dated 1980, so that equal contents give equal bytes
    entry.external_attr = 0o644 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED if path.suffix in (".json", ".csv") else zipfile.ZIP_STORED
    entry.file_size = path.stat().st_size
    with path.open("rb") as stream, archive.open(entry, "w") as target:
        shutil.copyfileobj(stream, target, 1 << 20)


def _read_record(directory: Path) -> dict[str, Any]:
    """run.json of an earlier export; empty where there is none that can be read."""
    try:
        record = json.loads((directory / OUTPUTS["run"]).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _files_of(record: Mapping[str, Any]) -> list[str]:
    """The files a record lists, but only such as an export may write: run.json may have been edited, and what it lists is deleted."""
    files = record.get("files")
    names = [file for file in files if isinstance(file, str)] if isinstance(files, list) else []
    return [
        name for name in names if PurePosixPath(name).parts[:1] in {(path,) for path in OUTPUTS.values()} and ".." not in name.split("/")
    ]
