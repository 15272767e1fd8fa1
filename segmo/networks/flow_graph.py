"""FlowNet for use: the network of `flow_net.py` with its normalisations fused, run by ONNX Runtime without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, RuntimeException

from segmo.networks.onnx_writer import OnnxGraph

Weights = Mapping[str, npt.NDArray[np.floating[Any]]]

STRIDE = 16
"""Inputs are extended to multiples of this many pixels."""
ERROR_UNIT = 64.0
"""Grey levels of photometric error that count as 1."""
NORM_EPSILON = 1e-5
"""That of `torch.nn.BatchNorm2d`."""


class FlowGraph:
    """The network with fixed weights. Threads may use it side by side."""

    def __init__(self, weights: Weights, channels: int) -> None:
        """Take the entries of FlowNet's state dict, of any precision, counters left out; its input has so many `channels` in all.

        Raises:
            ValueError: an entry is missing, does not fit the others or the input, or belongs to no part of the network.
        """
        self._channels = channels
        model = _Layers({name: np.asarray(value, np.float32) for name, value in weights.items()}).model(channels)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # frames are done side by side: see `segmo.parallel`
        options.log_severity_level = 3  # errors alone: of those it raises, we tell
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            # now, so that what does not fit shows at once
            self._session.run(None, {"x": np.zeros((1, channels, STRIDE, STRIDE), np.float32)})
        except (Fail, InvalidArgument, InvalidGraph, RuntimeException) as error:
            raise ValueError(f"its layers do not fit each other ({error})") from error

    def logits(self, planes: npt.NDArray[Any], error: npt.NDArray[Any], scales: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """(outputs, h, w) logits from (planes, h, w), (errors, h, w) and (scales,) of a frame; see `FlowNet.forward`."""
        (count, height, width), errors = planes.shape, len(error)
        full = (height + -height % STRIDE, width + -width % STRIDE)
        x = np.empty((1, self._channels, *full), np.float32)
        maps = x[0, : count + errors]
        maps[:count, :height, :width] = planes
        np.multiply(error, np.float32(1 / ERROR_UNIT), out=maps[count:, :height, :width])
        maps[:, height:, :width] = maps[:, height - 1 : height, :width]  # what is added repeats the border
        maps[:, :, width:] = maps[:, :, width - 1 : width]
        x[0, count + errors :] = scales[:, None, None]
        (head,) = self._session.run(None, {"x": x})
        quarters: npt.NDArray[np.float32] = head[0].reshape(-1, 2, 2, full[0] // 2, full[1] // 2)
        return quarters.transpose(0, 3, 1, 4, 2).reshape(-1, *full)[:, :height, :width]


class _Layers:
    """FlowNet's layers by name, as nodes of a graph."""

    def __init__(self, weights: Weights) -> None:
        self._weights, self._used = weights, set[str]()
        self._graph = OnnxGraph()

    def model(self, channels: int) -> bytes:
        """The whole network for one frame of (1, channels, h, w), of any size: its head's (1, 4 outputs, h / 2, w / 2)."""
        if (sees := self._of("down2.0.0.weight").shape[1]) != channels:
            raise ValueError(f"it sees {sees} channels instead of {channels}")
        half = self._conv(self._conv("x", "down2.0", 2), "down2.1")
        quarter = self._residual(self._conv(half, "down4.0", 2), "down4.1")
        eighth = self._residual(self._conv(quarter, "down8.0", 2), "down8.1")
        deep = self._residual(self._residual(self._conv(eighth, "down16.0", 2), "down16.1"), "down16.2", dilation=2)
        node = self._graph.node
        whole = node("Flatten", node("Concat", node("GlobalAveragePool", deep), node("GlobalMaxPool", deep), axis=1))
        whole = self._linear(node("Relu", self._linear(whole, "whole.0")), "whole.2")
        whole = node("Reshape", whole, self._graph.constant(np.array([1, -1, 1, 1])))
        x = self._up(node("Add", deep, whole), eighth, "up8")
        x = self._up(self._up(x, quarter, "up4"), half, "up2")
        head = self._convolved(x, self._of("head.weight"), self._of("head.bias"))
        if unused := sorted(self._weights.keys() - self._used):
            raise ValueError(f"{unused[0]} belongs to no part of the network")
        outputs = len(self._of("head.bias"))
        return self._graph.to_bytes({"x": (1, channels, "height", "width")}, {head: (1, outputs, "half_height", "half_width")})

    def _of(self, name: str) -> npt.NDArray[np.float32]:
        if name not in self._weights:
            raise ValueError(f"{name} is missing")
        self._used.add(name)
        value: npt.NDArray[np.float32] = self._weights[name]
        return value

    def _normalised(self, x: str, name: str, norm: str, stride: int = 1, dilation: int = 1) -> str:
        """A convolution and the normalisation behind it in one."""
        gain = self._of(f"{norm}.weight") / np.sqrt(self._of(f"{norm}.running_var") + np.float32(NORM_EPSILON))
        bias = self._of(f"{norm}.bias") - self._of(f"{norm}.running_mean") * gain
        return self._convolved(x, self._of(f"{name}.weight") * gain[:, None, None, None], bias, stride, dilation)

    def _conv(self, x: str, name: str, stride: int = 1, dilation: int = 1) -> str:
        return self._graph.node("Relu", self._normalised(x, f"{name}.0", f"{name}.1", stride, dilation))

    def _residual(self, x: str, name: str, dilation: int = 1) -> str:
        inner = self._conv(x, f"{name}.first", dilation=dilation)
        return self._graph.node(
            "Relu", self._graph.node("Add", x, self._normalised(inner, f"{name}.second.0", f"{name}.second.1", 1, dilation))
        )

    def _linear(self, x: str, name: str) -> str:
        weight, bias = (self._graph.constant(self._of(f"{name}.{part}")) for part in ("weight", "bias"))
        return self._graph.node("Gemm", x, weight, bias, transB=1)

    def _up(self, x: str, beside: str, name: str) -> str:
        scales = self._graph.constant(np.array([1.0, 1.0, 2.0, 2.0]))
        twice = self._graph.node("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")
        return self._conv(self._graph.node("Concat", twice, beside, axis=1), name)

    def _convolved(self, x: str, kernel: npt.NDArray[np.float32], bias: npt.NDArray[np.float32], stride: int = 1, dilation: int = 1) -> str:
        """A convolution whose output is as large as its input, or a `stride`-th of it."""
        if len(bias) != len(kernel):
            raise ValueError(f"{len(kernel)} channels have {len(bias)} biases")
        side = kernel.shape[-1]
        settings: dict[str, int | Sequence[int]] = {
            "kernel_shape": [side, side],
            "strides": [stride, stride],
            "pads": [side // 2 * dilation] * 4,
            "dilations": [dilation, dilation],
        }
        return self._graph.node("Conv", x, self._graph.constant(kernel), self._graph.constant(bias), **settings)
