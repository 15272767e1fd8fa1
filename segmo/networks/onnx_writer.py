"""Writing small networks as ONNX, for ONNX Runtime: on a processor it is faster than torch, whose import alone takes a second.

Source: the protocol buffers of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (Apache-2.0), of which the few messages and fields
that a graph of convolutions needs are written here. The package `onnx` would do the same, at twenty times the size of all that is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Attribute = int | str | Sequence[int]
Shape = Sequence[int | str]

IR_VERSION, OPERATOR_SET = 8, 13
_FLOAT32, _INT64 = 1, 7  # TensorProto.DataType
_INT, _STRING, _INTS = 2, 3, 7  # AttributeProto.AttributeType


class OnnxGraph:
    """A graph that is put together node by node; every value has the name of the node that makes it."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._tensors: list[bytes] = []

    def constant(self, value: npt.NDArray[np.floating[Any]] | npt.NDArray[np.int64]) -> str:
        """Add a constant, as float32 or, where the operator asks for a shape, int64; returns its name."""
        name = f"c{len(self._tensors)}"
        kind, form = (_INT64, "<i8") if value.dtype == np.int64 else (_FLOAT32, "<f4")
        dims = b"".join(_number(1, side) for side in value.shape)
        self._tensors.append(dims + _number(2, kind) + _text(8, name) + _bytes(9, np.ascontiguousarray(value, form).tobytes()))
        return name

    def node(self, operator: str, *inputs: str, **attributes: Attribute) -> str:
        """Add a node of an operator of ONNX; returns the name of what it makes."""
        name = f"v{len(self._nodes)}"
        message = b"".join(_text(1, value) for value in inputs) + _text(2, name) + _text(3, name) + _text(4, operator)
        self._nodes.append(message + b"".join(_bytes(5, _attribute(key, value)) for key, value in attributes.items()))
        return name

    def to_bytes(self, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> bytes:
        """The model, with the shape of each input and output; a side that has a name instead of a number may have any length."""
        graph = b"".join(_bytes(1, node) for node in self._nodes) + _text(2, "graph")
        graph += b"".join(_bytes(5, tensor) for tensor in self._tensors)
        for field, values in ((11, inputs), (12, outputs)):
            graph += b"".join(_bytes(field, _value(name, shape)) for name, shape in values.items())
        return _number(1, IR_VERSION) + _bytes(7, graph) + _bytes(8, _text(1, "") + _number(2, OPERATOR_SET))


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, int):
        return _text(1, name) + _number(3, value) + _number(20, _INT)
    if isinstance(value, str):
        return _text(1, name) + _text(4, value) + _number(20, _STRING)
    return _text(1, name) + b"".join(_number(8, element) for element in value) + _number(20, _INTS)


def _value(name: str, shape: Shape) -> bytes:
    dims = b"".join(_bytes(1, _text(2, side) if isinstance(side, str) else _number(1, side)) for side in shape)
    tensor = _number(1, _FLOAT32) + _bytes(2, dims)
    return _text(1, name) + _bytes(2, _bytes(1, tensor))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Seven bits a byte, lowest first; the eighth says that more follow."""
    if value < 0:
        raise ValueError(f"{value} is negative; no field of a graph of convolutions is.")
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
