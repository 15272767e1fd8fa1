"""The motion network of the `lite` preset: from flow fields to the probability that a pixel moves, with weights from this repository."""

from __future__ import annotations

import functools
import hashlib
import json
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segmo.errors import WeightsError
from segmo.lite.flow import GAPS
from segmo.lite.inputs import PLANES, SCALES, NetworkInput
from segmo.zoo.registry import LITE_MOTION

if TYPE_CHECKING:
    from segmo.networks.flow_net import FlowNet

WEIGHTS = Path(__file__).parent / "weights" / LITE_MOTION.filename
WIDTHS_NOTE = "widths"
"""Note of a file of weights with the network's widths as JSON."""
BATCH = 4  # frames at once: more does not make the processor faster, and fewer pieces share out worse among the cores


def load_flow_net(path: Path = WEIGHTS, sha256: str = LITE_MOTION.sha256) -> FlowNet:
    """The trained network, ready for inference on the CPU.

    Args:
        sha256: checksum the file must have; empty accepts any.

    Raises:
        WeightsError: the file is missing, not the expected one, or does not fit the network.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load

    from segmo.networks.flow_net import FlowNet

    try:
        content = path.read_bytes()
        with safe_open(path, "pt") as file:
            widths = json.loads((file.metadata() or {})[WIDTHS_NOTE])
        tensors = {name: value.float() for name, value in load(content).items()}
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(f"The weights {path} cannot be read: {error!r}. Restore the file from the repository.") from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 and found != sha256:
        raise WeightsError(f"The weights {path} have SHA-256 {found}, not {sha256}. Restore the file from the repository.")
    net = FlowNet(PLANES, len(GAPS), SCALES, tuple(widths))
    counters = {name: value for name, value in net.state_dict().items() if not value.is_floating_point()}  # of batches: no weights
    try:
        net.load_state_dict(tensors | counters, strict=True)
    except RuntimeError as error:
        raise WeightsError(f"The weights {path} do not fit this version of the network: {error}. Restore both from one version.") from error
    return net.eval().requires_grad_(False).fused()


@functools.cache
def shipped_net() -> Future[FlowNet]:
    """The network as shipped, which a thread loads from the first call on: importing torch alone takes a second.

    Its result raises as `load_flow_net`.
    """
    pool = ThreadPoolExecutor(1)
    network = pool.submit(load_flow_net)
    pool.shutdown(wait=False)
    return network


def motion_probability(inputs: list[NetworkInput], model: FlowNet) -> npt.NDArray[np.float32]:
    """(T, h, w) probability that a pixel moves on its own, of T frames, on the calling thread alone: others do other frames meanwhile."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # counts for the calling thread; torch's own threads would spin between its steps
    try:
        return _probability(inputs, model)
    finally:
        torch.set_num_threads(threads)


def _probability(inputs: list[NetworkInput], model: FlowNet) -> npt.NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        planes, error, scales = (
            torch.from_numpy(np.stack(arrays))
            for arrays in ([i.planes for i in inputs], [i.error for i in inputs], [i.scales for i in inputs])
        )
        return torch.sigmoid(model(planes, error, scales)).numpy()
