"""Getting published weights: fetched from where they are published, checked, and moved into place last.

    <weights>/<repository>/<file>     what a repository of Hugging Face has
    <weights>/<file>                  what is published elsewhere
    <weights>/.../.<file>.record      checksum, size, time and origin of the file beside it

`<weights>` is SEGMO_WEIGHTS, or `weights` in the cache folder. SEGMO_HUB names another place to fetch from, with the same layout: a folder
or `file://` address, whose files are taken as they are (their owner answers for them) and hold from then on; or an `http(s)://` address,
whose files must have the published checksums. Files can also be put into place by hand, and nobody but their owner need be allowed to write
there: a record that cannot be written is kept by the process.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import logging
import os
import shutil
import threading
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from segmo.cache import cache_directory
from segmo.errors import WeightsError
from segmo.types import Steps
from segmo.zoo.presets import fetch_name
from segmo.zoo.registry import ModelSpec, Weights, WeightsFile

log = logging.getLogger(__name__)

_CHUNK = 1 << 20
_POLL_S = 0.1
_TIMEOUT_S = 30.0
_PROBE_S = 3.0
_TRIES = 5  # of a connection that breaks; each goes on where the last one stopped
_BUSY = (429, 500, 502, 503, 504)  # what a server answers that may have more time in a moment


@dataclass(frozen=True)
class Record:
    """What is known of a file in place."""

    sha256: str
    size: int
    mtime_ns: int
    source: str
    """Address it was fetched from; empty for one that was put there by hand."""

    def is_of(self, status: os.stat_result) -> bool:
        """Whether a file of that status is untouched since."""
        return (self.size, self.mtime_ns) == (status.st_size, status.st_mtime_ns)


_unwritten: dict[Path, Record] = {}
"""Records of files in folders that cannot be written to."""


def weights_directory() -> Path:
    """Where weights are kept."""
    given = os.environ.get("SEGMO_WEIGHTS", "").strip()
    return Path(given).expanduser().absolute() if given else cache_directory() / "weights"


def place(weights: Weights, file: WeightsFile) -> Path:
    """Where a file belongs."""
    return weights_directory() / weights.repo / file.name


def local_path(weights: Weights) -> Path:
    """What an adapter loads: the file if there is only one, else their folder."""
    path = place(weights, weights.files[0])
    return path if len(weights.files) == 1 else path.parent


def state(weights: Weights, *, thorough: bool = False) -> str:
    """`ready`, `missing`, or what is wrong with the files in place.

    Args:
        thorough: read the files again even if they look untouched since they were checked.
    """
    found = [_problem(weights, file, thorough) for file in weights.files]
    return next(filter(None, sorted(found, key=lambda text: text == "missing")), "ready")  # first what is wrong, then what is missing


def fingerprint(weights: Weights) -> str:
    """What identifies the weights' content: known from the registry without the files, unless `content_unknown`."""
    known = [weights.repo, weights.revision, *(f"{file.name}:{file.sha256}" for file in weights.files)]
    if _own_folder():
        records = [_record(place(weights, file)) for file in weights.files]
        known = [record.sha256 for record in records if record]
    return hashlib.sha256("\n".join(known).encode()).hexdigest()


def content_unknown(weights: Weights) -> bool:
    """Whether the files must be in place before `fingerprint` can tell what they are."""
    return _own_folder() is not None and state(weights) != "ready"


def fetch(spec: ModelSpec) -> Steps[Path]:
    """Make sure that all files of a model are in place; yields the share that is there and returns what its adapter loads.

    Raises:
        WeightsError: a file cannot be fetched, or is not the published one; the message says where to get it and where to put it.
    """
    weights = spec.weights
    assert weights is not None, "only models with weights are fetched"
    sizes = [max(file.size_bytes, 1) for file in weights.files]
    for index, file in enumerate(weights.files):
        if not _problem(weights, file):
            continue
        before, size, total = sum(sizes[:index]), sizes[index], sum(sizes)
        with contextlib.closing(_obtain(spec, weights, file)) as steps:
            for fraction in steps:
                yield (before + size * min(fraction, 1.0)) / total
    return local_path(weights)


def can_fetch() -> bool:
    """Whether there is a network to fetch from, or a place that stands for it; asks at most a few seconds."""
    base = _mirror()
    if base:
        return _own_folder() is None or Path(_own_folder() or "").is_dir()
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return False
    endpoint = os.environ.get("HF_ENDPOINT", "").strip() or "https://huggingface.co"
    try:
        urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=_PROBE_S).close()
    except urllib.error.HTTPError:
        return True  # somebody answers, which is all that was asked
    except (OSError, http.client.HTTPException, ValueError):  # the last one for what is no address
        return False
    return True


def _mirror() -> str:
    return os.environ.get("SEGMO_HUB", "").strip().rstrip("/")


def _own_folder() -> Path | None:
    """The folder that stands for the hub, if there is one."""
    base = _mirror()
    if not base or base.startswith(("http://", "https://")):
        return None
    return Path(urllib.request.url2pathname(base.removeprefix("file://")) if base.startswith("file://") else base).expanduser()


def _source(weights: Weights, file: WeightsFile) -> str:
    """Where a file is fetched from."""
    folder, base = _own_folder(), _mirror()
    if folder:
        return (folder.absolute() / weights.repo / file.name).as_uri()
    return f"{base}/{weights.repo}/{file.name}".replace(f"{base}//", f"{base}/") if base else weights.address(file)


def _expected(file: WeightsFile) -> str:
    """The checksum that a file must have; empty where any will do."""
    return "" if _own_folder() else file.sha256


def _problem(weights: Weights, file: WeightsFile, thorough: bool = False) -> str:
    """Empty if a file is in place as it should be, else `missing` or what is wrong. A file put there by hand is recorded."""
    path = place(weights, file)
    try:
        status = path.stat()
    except OSError:
        return "missing"
    record = _record(path)
    untouched = record is not None and record.is_of(status)
    digest = record.sha256 if record and untouched and not thorough else _digest(path)
    expected = _expected(file) or (record.sha256 if record else digest)
    if digest != expected:
        # what was put there by hand may have been replaced by hand, as when the first copy was not whole
        by_hand = not _expected(file) and record is not None and not record.source and _record_path(path).exists()
        kept = f"; if you replaced it on purpose, delete {_record_path(path)} too" if by_hand else ""
        return f"{path} has SHA-256 {digest}, not {expected}{kept}"
    if not file.sha256 and not _own_folder() and record and record.source not in ("", _source(weights, file)):
        return f"{path} was fetched from {record.source}"
    if not untouched:
        _write_record(path, digest, record.source if record else "")
    return ""


def _obtain(spec: ModelSpec, weights: Weights, file: WeightsFile) -> Steps[None]:
    """Fetch one file, or wait for the process that is fetching it."""
    path, source, problem = place(weights, file), _source(weights, file), ""
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            while not _acquired(lock):
                yield 0.0
            problem = _problem(weights, file)
            if not problem:
                return
            lacking = file.size_bytes - _brought(partial)
            if shutil.disk_usage(path.parent).free < lacking:
                raise OSError(f"it takes {lacking / 1e9:.1f} GB more, and the disk has less")
            yield from _bring(weights, file, source, partial)
            digest, expected = _digest(partial), _expected(file)
            if expected and digest != expected:
                partial.unlink()
                raise OSError(f"what came has SHA-256 {digest}, not {expected}, and was deleted")
            os.replace(partial, path)
            _write_record(path, digest, source)
            log.info("Fetched %s from %s.", path, source)
        finally:
            lock.release()
    except Exception as error:  # every library on the way has exceptions of its own
        reason = " ".join(f"{error}".split())[:300].rstrip(".") or type(error).__name__
        found = "" if problem in ("", "missing") else f". It would replace what is in place: {problem}"
        what = f"{file.name} of the {spec.role} model {spec.name} cannot be fetched from {source}: {reason}{found}"
        by_hand = f"or get it from {weights.address(file)} on another machine and put it at {path}"
        raise WeightsError(f"{what}. With a network, run `python -m segmo weights fetch {fetch_name(spec)}`; {by_hand}.") from error


def _acquired(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=_POLL_S)
    except Timeout:
        return False
    return True


def _bring(weights: Weights, file: WeightsFile, source: str, partial: Path) -> Steps[None]:
    if source.startswith("file://"):
        return (yield from _copy(Path(urllib.request.url2pathname(source.removeprefix("file://"))), partial))
    if weights.repo and not _mirror():
        return (yield from _from_hub(weights, file, partial))
    return (yield from _stream(source, partial, resume=bool(_expected(file))))


def _staging(partial: Path) -> Path:
    """The folder that huggingface_hub downloads into."""
    return partial.with_name(f".{partial.stem}.hub")


def _brought(partial: Path) -> int:
    """Bytes of a file that an earlier call left, on which this one goes on or whose room it takes."""
    left = [partial, *_staging(partial).rglob("*.incomplete")]
    return max((found.stat().st_size for found in left if found.exists()), default=0)


def _copy(source: Path, partial: Path) -> Steps[None]:
    with source.open("rb") as old, partial.open("wb") as new:
        total, done = max(os.fstat(old.fileno()).st_size, 1), 0
        while block := old.read(_CHUNK):
            new.write(block)
            done += len(block)
            yield done / total


def _stream(url: str, partial: Path, *, resume: bool) -> Steps[None]:
    """Download over HTTP; a broken connection goes on where it stopped. Without `resume`, what an earlier call left is not trusted."""
    if not resume:
        partial.unlink(missing_ok=True)
    failures = 0
    while True:
        before = partial.stat().st_size if partial.exists() else 0
        try:
            total = yield from _stream_once(url, partial, before)
            if partial.stat().st_size >= total:
                return
            raise ConnectionError(f"the connection ended after {partial.stat().st_size} of {total} bytes")
        except urllib.error.HTTPError as error:
            failures += error.code in _BUSY
            if error.code == 416 and before:
                partial.unlink()  # longer than what is published now
            elif error.code not in _BUSY or failures >= _TRIES:
                raise
            else:
                time.sleep(0.1 * 2**failures)
        except (OSError, http.client.HTTPException):
            failures = 0 if partial.exists() and partial.stat().st_size > before else failures + 1
            if failures >= _TRIES or (not before and not partial.exists()):
                raise
            time.sleep(0.1 * 2**failures)


def _stream_once(url: str, partial: Path, before: int) -> Steps[int]:
    """One request for all after the first `before` bytes; returns the length that the file should have."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={before}-"} if before else {})
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
        done = before if answer.status == 206 else 0
        total = done + int(answer.headers.get("Content-Length") or 0)
        with partial.open("ab" if done else "wb") as file:
            while block := answer.read1(_CHUNK):  # what has come so far: of a connection that breaks, nothing is lost
                file.write(block)
                done += len(block)
                yield done / max(total, done, 1)
    return total


def _from_hub(weights: Weights, file: WeightsFile, partial: Path) -> Steps[None]:
    """Let huggingface_hub download, with its own resuming and credentials, into a folder of its own beside the file."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()  # progress is told by this generator
    staging = _staging(partial)
    outcome: dict[str, Any] = {}

    def work() -> None:
        try:
            endpoint = os.environ.get("HF_ENDPOINT") or None
            outcome["path"] = hf_hub_download(weights.repo, file.name, revision=weights.revision, local_dir=staging, endpoint=endpoint)
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=work, daemon=True, name=f"fetch {file.name}")
    thread.start()
    while thread.is_alive():
        thread.join(_POLL_S)
        there = sum(found.stat().st_size for found in list(staging.rglob("*.incomplete")) if found.exists())
        yield there / max(file.size_bytes, there, 1)
    if "error" in outcome:
        raise outcome["error"]
    os.replace(outcome["path"], partial)
    shutil.rmtree(staging, ignore_errors=True)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def _record_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.record")


def _record(path: Path) -> Record | None:
    kept = _unwritten.get(path)
    try:
        if kept and kept.is_of(path.stat()):
            return kept
        return Record(**json.loads(_record_path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write_record(path: Path, digest: str, source: str) -> None:
    """Beside the file, for all processes; where that is not allowed, for this one, which need not read the file again either."""
    status = path.stat()
    record = Record(digest, status.st_size, status.st_mtime_ns, source)
    temporary = path.with_name(f".{path.name}.record.{os.getpid()}.{threading.get_ident()}")
    try:
        temporary.write_text(json.dumps(asdict(record)), encoding="utf-8")
        os.replace(temporary, _record_path(path))
    except OSError as error:
        _unwritten[path] = record
        log.info("What %s holds was checked, and cannot be noted beside it (%s). The next process will read it again.", path, error)
