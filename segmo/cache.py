"""A content-addressed store of stage products, shared by all processes of a machine.

A key is a digest of everything a product depends on (`StageCache.key`), so an entry is never out of date: it is only ever absent.
The index (size, last use) is diskcache's; every product is one file of our own layout, so no pickle is ever read or written::

    magic, length and checksum of the header | header (JSON) | arrays, raw, each on a 64-byte boundary

The header holds the plain fields and, for every array, its dtype, shape, place and CRC-32. Reading checks them all (0.05 s for 110 MB)
and maps the file instead of loading it. A damaged entry is dropped with a warning and counts as absent.

A cache that cannot be used (read-only folder, full disk) costs time, not results: it warns, says so in `problem`, and
keeps nothing. Only the commands on the cache itself (`info`, `prune`, `clear`) raise CacheError.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import mmap
import os
import re
import sqlite3
import struct
import time
import typing
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

import diskcache
import filelock
import numpy as np
import numpy.typing as npt

from segmo.errors import CacheError, ProductError, SettingsError

log = logging.getLogger(__name__)
T = TypeVar("T")
Array = npt.NDArray[Any]

DEFAULT_LIMIT_GB = 20.0
_MAGIC = b"segmo p1"
_PREFIX = struct.Struct("<8sQI")  # magic, bytes of header, CRC-32 of header
_ALIGNMENT = 64
_MAPPED_FROM_BYTES = 1 << 20
_SWAPPED_FROM_BYTES = 64 << 20  # smaller ones are not worth reading back
_ORPHAN_AGE_S = 3600.0  # a file without an index row is being written, or was left by a killed process
_FILE_NAME = re.compile(r"[0-9a-f]{2}[/\\][0-9a-f]{2}[/\\][0-9a-f]{28}\.val")


def cache_directory() -> Path:
    """Where results and weights are kept: SEGMO_CACHE, or `cache` in the checkout, or `cache` in the working directory."""
    if os.environ.get("SEGMO_CACHE"):
        return Path(os.environ["SEGMO_CACHE"]).expanduser()
    checkout = Path(__file__).resolve().parent.parent
    return (checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()) / "cache"


def default_limit() -> int:
    """Size limit in bytes: SEGMO_CACHE_GB (10^9 bytes each), or 20 GB.

    Raises:
        SettingsError: SEGMO_CACHE_GB is not a number of at least 0.
    """
    text = os.environ.get("SEGMO_CACHE_GB", str(DEFAULT_LIMIT_GB))
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = -1.0
    if not 0 <= gigabytes < 1e9:
        raise SettingsError(f"SEGMO_CACHE_GB is {text!r}. Set it to a number of gigabytes of at least 0, for example 20.")
    return int(gigabytes * 1e9)


def pack(product: Any) -> list[bytes | memoryview]:
    """The bytes of a product, in pieces; arrays are not copied where they are contiguous."""
    arrays: list[Array] = []
    tree = _describe(product, arrays)
    rows, offset = [], 0
    for array in arrays:
        rows.append({"dtype": array.dtype.str, "shape": array.shape, "offset": offset, "crc": zlib.crc32(_raw(array))})
        offset += array.nbytes + -array.nbytes % _ALIGNMENT
    header = json.dumps({"product": tree, "arrays": rows, "bytes": offset}).encode()
    start = _PREFIX.size + len(header)
    pieces: list[bytes | memoryview] = [_PREFIX.pack(_MAGIC, len(header), zlib.crc32(header)), header, bytes(-start % _ALIGNMENT)]
    for array in arrays:
        pieces += [_raw(array), bytes(-array.nbytes % _ALIGNMENT)]
    return [piece for piece in pieces if len(piece)]


def unpack(buffer: bytes | mmap.mmap, kind: type[T], *, verify: bool = True) -> T:
    """The product of type `kind` in a buffer that `pack` filled; its arrays are read-only views. Checksums are for `verify`.

    Raises:
        ValueError: the bytes are damaged or hold something else.
    """
    try:
        magic, length, crc = _PREFIX.unpack_from(buffer)
        header = buffer[_PREFIX.size : _PREFIX.size + length]
        if magic != _MAGIC or zlib.crc32(header) != crc:
            raise ValueError("the header is damaged or of another format")
        layout = json.loads(header)
        start = _PREFIX.size + length + -(_PREFIX.size + length) % _ALIGNMENT
        if len(buffer) != start + layout["bytes"]:
            raise ValueError(f"it has {len(buffer)} bytes instead of {start + layout['bytes']}")
        arrays = [_array(buffer, start, row, verify) for row in layout["arrays"]]
        return typing.cast(T, _restore(layout["product"], kind, arrays))
    except (struct.error, KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _raw(array: Array) -> memoryview:
    return array.data.cast("B") if array.size else memoryview(b"")


def _describe(value: Any, arrays: list[Array]) -> Any:
    """A JSON tree of a product; its arrays go to `arrays`, C-contiguous, and are referred to by index."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            raise ProductError(f"An array of dtype {value.dtype} cannot be cached. Use booleans, integers or floats in products.")
        arrays.append(np.ascontiguousarray(value))
        return {"array": len(arrays) - 1}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _describe(getattr(value, field.name), arrays) for field in dataclasses.fields(value)}
        return {"type": type(value).__name__, "fields": fields}
    return {"value": value}


def _restore(node: Any, kind: Any, arrays: list[Array]) -> Any:
    if "array" in node:
        return arrays[node["array"]]
    if "value" in node:
        return _tuples(node["value"])
    if node["type"] != kind.__name__ or set(node["fields"]) != {field.name for field in dataclasses.fields(kind)}:
        raise ValueError(f"it holds a {node['type']} with the fields {sorted(node['fields'])}, not a {kind.__name__}")
    kinds = typing.get_type_hints(kind)
    return kind(**{name: _restore(child, kinds[name], arrays) for name, child in node["fields"].items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _array(buffer: bytes | mmap.mmap, start: int, row: Mapping[str, Any], verify: bool) -> Array:
    dtype, shape = np.dtype(row["dtype"]), tuple(row["shape"])
    if dtype.kind not in "biuf":
        raise ValueError(f"it has an array of dtype {dtype}")
    count = int(np.prod(shape, dtype=np.int64))
    if not count:
        return np.zeros(shape, dtype)
    array: Array = np.frombuffer(buffer, dtype, count, start + row["offset"]).reshape(shape)
    if verify and zlib.crc32(_raw(array)) != row["crc"]:
        raise ValueError("an array does not match its checksum")
    return array


class _ProductDisk(diskcache.Disk):  # type: ignore[misc]
    """Files of our layout only: whatever row someone planted in the index, no pickle is loaded and no file outside is touched."""

    def put(self, key: str) -> tuple[str, bool]:
        return key, True

    def get(self, key: Any, raw: bool) -> str:
        return str(key)

    def store(self, value: Sequence[bytes | memoryview], read: bool, key: Any = None) -> tuple[int, int, str, None]:
        name, path = self.filename()
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "xb") as file:
                for piece in value:
                    file.write(piece)
        except BaseException:
            self.remove(name)  # a full disk must not be kept full by a useless half
            raise
        return sum(map(len, value)), diskcache.core.MODE_BINARY, name, None

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> IO[bytes]:
        if mode != diskcache.core.MODE_BINARY or filename is None or not _FILE_NAME.fullmatch(filename):
            raise ValueError(f"its index row is not one of ours (mode {mode}, file {filename!r})")
        return open(os.path.join(self._directory, filename), "rb")

    def remove(self, file_path: str) -> None:
        if _FILE_NAME.fullmatch(file_path):
            super().remove(file_path)


class _Index(diskcache.Cache):  # type: ignore[misc]
    """diskcache's index, evicting one by one: its own culling takes ten entries at once, which with few large ones is nearly all."""

    def evict(self, limit: int, keep: int) -> int:
        removed = 0
        while self.volume() > limit and len(self) > keep:
            with self._transact(retry=True) as (sql, cleanup):
                rows = sql("SELECT rowid, filename FROM Cache ORDER BY access_time LIMIT 1").fetchall()
                for rowid, filename in rows:
                    sql("DELETE FROM Cache WHERE rowid = ?", (rowid,))
                    cleanup(filename)
                removed += len(rows)
        return removed

    def rows(self) -> list[tuple[str, str | None]]:
        return [(str(key), name) for key, name in self._sql("SELECT key, filename FROM Cache").fetchall()]


class KeyLock:
    """Excludes other computations of one key in this and other processes; a process that dies holds nothing."""

    def __init__(self, path: Path | None) -> None:
        # Not thread-local: a stage that starts in one thread of a server may be closed in another.
        self._lock = filelock.FileLock(path, thread_local=False) if path else None

    def acquire(self, timeout_s: float = -1) -> bool:
        """Wait at most `timeout_s` seconds (negative: for ever); whether the lock, or the right to go on without one, was got."""
        try:
            if self._lock:
                self._lock.acquire(timeout=timeout_s)
        except filelock.Timeout:
            return False
        except OSError as error:
            log.warning("No lock in the cache (%s); two processes may compute the same.", error)
        return True

    def close(self) -> None:
        """Let others have it; harmless where it is not held."""
        if self._lock:
            self._lock.release()

    def __enter__(self) -> KeyLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class StageCache:
    """Products by key, on disk. Safe to share between threads and processes; close it or use it as a context manager."""

    def __init__(self, directory: Path | None = None, size_limit: int | None = None) -> None:
        """Open or create the cache.

        Args:
            directory: folder of results and weights; `cache_directory()` by default. Products go to its folder `stages`.
            size_limit: bytes; beyond it the least recently used products go. `default_limit()` by default.
        """
        self.directory = (directory or cache_directory()) / "stages"
        self.size_limit = default_limit() if size_limit is None else size_limit
        self.problem = ""
        """Why the last product could not be kept or read, for the user; empty when all is well."""
        self._index: _Index | None = self._attempt("opened", self._open, None)

    def __enter__(self) -> StageCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the index; products that were read stay valid."""
        if self._index is not None:
            self._index.close()

    @staticmethod
    def key(stage: str, version: int, identity: str, settings: Mapping[str, Any], inputs: Sequence[str]) -> str:
        """The key of a product.

        Args:
            stage: name of the stage.
            version: version of the stage's code.
            identity: identity of its model; empty without one.
            settings: the settings that matter to this stage, as plain values.
            inputs: content hash of the source, or keys of the products that the stage reads.
        """
        text = json.dumps([stage, version, identity, settings, list(inputs), _MAGIC.decode()], sort_keys=True)
        return f"{stage}-{hashlib.sha256(text.encode()).hexdigest()[:40]}"

    def get(self, key: str, kind: type[T]) -> T | None:
        """The product of type `kind`, or None where it is absent or damaged; arrays are read-only and mapped where large."""
        return self._attempt("read", lambda: self._read(key, kind), None) if self._index is not None else None

    def has(self, key: str) -> bool:
        """Whether there is a product, without reading it; it may still turn out to be damaged."""
        return self._attempt("read", lambda: key in self._opened(), False) if self._index is not None else False

    def put(self, key: str, product: T) -> T:
        """Keep a product and return it; a large one as `get` would, mapped, so that the caller's copy in memory can go."""
        if self._index is None:
            return product
        return self._attempt("written", lambda: self._write(key, product), product)

    def lock(self, key: str) -> KeyLock:
        """A lock to hold while the product of `key` is computed, so that others wait for it instead of computing it too."""
        if self._index is None:
            return KeyLock(None)
        return KeyLock(self.directory / "locks" / f"{key}.lock")

    def info(self) -> dict[str, Any]:
        """What is kept: `directory`, `entries`, `bytes`, `limit_bytes`, and `stages` with the entries of each.

        Raises:
            CacheError: the cache cannot be opened.
        """
        index = self._opened()
        stages: dict[str, int] = {}
        for key, _ in index.rows():
            stage = key.split("-")[0]
            stages[stage] = stages.get(stage, 0) + 1
        volume = int(index.volume())
        return {"directory": str(self.directory), "entries": len(index), "bytes": volume, "limit_bytes": self.size_limit, "stages": stages}

    def prune(self, size_limit: int | None = None) -> int:
        """Drop least recently used products down to a limit in bytes (default: the cache's own), and what killed processes left.

        Returns:
            How many products were dropped.

        Raises:
            CacheError: the cache cannot be opened.
        """
        index = self._opened()
        removed = index.evict(self.size_limit if size_limit is None else size_limit, keep=0)
        known = {name for _, name in index.rows()}
        for path in [*self.directory.glob("??/??/*.val"), *self.directory.glob("locks/*.lock")]:
            # filelock notices when a lock's file is gone and makes a new one
            if str(path.relative_to(self.directory)) not in known and time.time() - _modified(path) > _ORPHAN_AGE_S:
                path.unlink(missing_ok=True)
        return removed

    def clear(self) -> int:
        """Drop every product. Returns how many. Raises CacheError like `prune`."""
        return self.prune(0)

    def _open(self) -> _Index:
        (self.directory / "locks").mkdir(parents=True, exist_ok=True)
        options = {"disk": _ProductDisk, "eviction_policy": "least-recently-used", "cull_limit": 0, "size_limit": self.size_limit}
        try:
            return _Index(str(self.directory), **options)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            log.warning("The index of the cache in %s is damaged (%s); starting an empty one.", self.directory, error)
            for path in self.directory.glob("cache.db*"):
                path.unlink(missing_ok=True)
            return _Index(str(self.directory), **options)

    def _opened(self) -> _Index:
        if self._index is None:
            raise CacheError(self.problem)
        return self._index

    def _read(self, key: str, kind: type[T], *, verify: bool = True) -> T | None:
        index = self._opened()
        try:
            file = index.get(key, read=True, retry=True)
            if file is None:
                return None
            with file:
                small = os.fstat(file.fileno()).st_size < _MAPPED_FROM_BYTES
                return unpack(file.read() if small else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), kind, verify=verify)
        except ValueError as error:
            log.warning("Dropped a damaged cache entry, %s: %s. It will be computed again.", key, error)
            index.delete(key, retry=True)
            return None

    def _write(self, key: str, product: T) -> T:
        index = self._opened()
        pieces = pack(product)
        index.set(key, pieces, retry=True)
        index.evict(self.size_limit, keep=1)
        self.problem = ""
        large = sum(map(len, pieces)) >= _SWAPPED_FROM_BYTES
        stored = self._read(key, type(product), verify=False) if large else None  # the pieces have just been checksummed
        return product if stored is None else stored

    def _attempt(self, what: str, action: Callable[[], T], otherwise: T) -> T:
        """Do something with the disk; if that fails remember why, warn once, and go on without."""
        try:
            return action()
        except (OSError, sqlite3.Error, diskcache.Timeout) as error:
            problem = (
                f"The cache in {self.directory} cannot be {what} ({error}), so results are not kept for the next run. "
                "Free some space with `python -m segmo cache prune --gb 1`, or set SEGMO_CACHE to a folder that can be written."
            )
            if problem != self.problem:
                log.warning(problem)
            self.problem = problem
            return otherwise


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()
