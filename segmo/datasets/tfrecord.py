"""TFRecord files of `tf.train.Example`, read without TensorFlow.

A record is its length (8 bytes, little endian), 4 bytes of checksum, the data, and 4 bytes of checksum, which we leave unchecked. An
Example is a protocol buffer: a map from names to lists of bytes, floats or integers (tensorflow/core/example/example.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segmo.errors import DataError

_VARINT, _DELIMITED = 0, 2
_BYTES, _FLOATS, _INTEGERS = 1, 2, 3
_DAMAGED = "A TFRecord ends in the middle of a value. Download its file again."


def record_offsets(path: Path) -> tuple[int, ...]:
    """Where the data of each record begins, found without reading the data.

    Raises:
        DataError: the file is cut off or no TFRecord.
    """
    size, position = path.stat().st_size, 0
    offsets: list[int] = []
    with path.open("rb") as file:
        while position < size:
            header = file.read(12)
            length = struct.unpack("<Q", header[:8])[0] if len(header) == 12 else size
            if position + 16 + length > size:
                raise DataError(f"{path} is cut off after {len(offsets)} records, or is no TFRecord file. Download it again.")
            offsets.append(position + 12)
            position = file.seek(position + 16 + length)
    return tuple(offsets)


@dataclass(frozen=True)
class Example:
    """The named lists of a record."""

    path: Path
    features: dict[str, memoryview]

    @classmethod
    def read(cls, path: Path, offset: int) -> Example:
        """The record whose data begins at `offset`.

        Raises:
            DataError: it is damaged.
        """
        with path.open("rb") as file:
            file.seek(offset - 12)
            length = struct.unpack("<Q", file.read(12)[:8])[0]
            data = memoryview(file.read(length))
        features: dict[str, memoryview] = {}
        try:
            for entries in _fields(data, 1):
                for entry in _fields(entries, 1):
                    features[bytes(next(_fields(entry, 1))).decode()] = next(_fields(entry, 2), memoryview(b""))
        except (DataError, StopIteration, UnicodeDecodeError) as error:
            raise DataError(f"A record of {path} is damaged. Download the file again.") from error
        return cls(path, features)

    def texts(self, name: str) -> list[bytes]:
        """A list of bytes."""
        return [bytes(value) for values in self._lists(name, _BYTES) for value in _fields(values, 1)]

    def floats(self, name: str) -> npt.NDArray[np.float32]:
        """A list of floats."""
        chunks = [np.frombuffer(part, "<f4") for values in self._lists(name, _FLOATS) for part in _fields(values, 1)]
        return np.concatenate([np.zeros(0, np.float32), *chunks])

    def integers(self, name: str) -> list[int]:
        """A list of integers that are not negative."""
        found = []
        for values in self._lists(name, _INTEGERS):
            for packed in _fields(values, 1):
                position = 0
                while position < len(packed):
                    value, position = _varint(packed, position)
                    found.append(value)
        return found

    def _lists(self, name: str, kind: int) -> Iterator[memoryview]:
        if name not in self.features:
            known = ", ".join(sorted(self.features))
            raise DataError(f"A record of {self.path} has no {name!r}, only {known}. Download the right data set.")
        return _fields(self.features[name], kind)


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
    raise DataError(_DAMAGED)


def _fields(data: memoryview, wanted: int) -> Iterator[memoryview]:
    """The contents of all fields of a message with that number; of a number that is not packed, its bytes."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        start = position
        if tag & 7 == _DELIMITED:
            length, start = _varint(data, position)
            position = start + length
        elif tag & 7 == _VARINT:
            _, position = _varint(data, position)
        else:
            position += {1: 8, 5: 4}[tag & 7] if tag & 7 in (1, 5) else len(data) + 1
        if position > len(data):
            raise DataError(_DAMAGED)
        if tag >> 3 == wanted:
            yield data[start:position]
