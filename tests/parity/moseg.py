"""The motion network against the published one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from segmo.networks.motion_net import MotionNet, encode_tracks

from .common import Check, compare, exact, random_weights

TOLERANCE = 2e-5
GAIN_TOLERANCE = 1e-4
CASES = ("normal", "empty_frame", "all_visible", "gain2")


def check(folder: Path, device: str = "cpu") -> Iterator[Check]:
    arrays = dict(np.load(folder / "moseg.npz"))
    weights = {name: torch.from_numpy(value) for name, value in random_weights(folder / "manifest.json").items()}
    network = MotionNet().eval().to(device)
    for case in CASES:
        if f"logits_{case}" in arrays:
            gain = {name: 2 * value if value.ndim >= 2 else value for name, value in weights.items()}
            network.load_state_dict(gain if case == "gain2" else weights)
            yield from _check_case(network, case, arrays, device)


def _check_case(network: MotionNet, case: str, arrays: dict[str, np.ndarray], device: str) -> Iterator[Check]:
    tolerance = GAIN_TOLERANCE if case == "gain2" else TOLERANCE
    visible = arrays["visible_empty_frame"] if case == "empty_frame" else arrays["visible_normal"]
    hidden = torch.from_numpy(np.zeros_like(visible) if case == "all_visible" else ~visible)[None].to(device)
    one = {name: torch.from_numpy(arrays[name])[None].to(device) for name in ("traj_norm", "visib_value", "confi_value", "depth", "dino")}
    seen: dict[str, np.ndarray] = {}

    def keep(name: str):
        return lambda _module, _arguments, output: seen.update({name: output[0].cpu().numpy()})

    transformer = network.joint_encoder.transformer_model
    parts = {"trans_encoder": transformer.encoder, "trans_output": transformer, "feature": network.joint_encoder}
    parts |= {"point_encoder": network.decoder.encoders[-1], "point_decoder": network.decoder.decoders[-1]}
    hooks = [module.register_forward_hook(keep(name)) for name, module in parts.items()]
    with exact():
        inputs = encode_tracks(one["traj_norm"], hidden, one["visib_value"], one["confi_value"], one["depth"].permute(0, 3, 1, 2))
        logits = network(inputs, hidden, one["dino"].transpose(1, 2))
    for hook in hooks:
        hook.remove()
    if case == "normal":
        yield compare("normal inputs", inputs[0], arrays["augmented"], tolerance)
    ours = {**seen, "feature": seen["feature"].T, "logits": logits, "prob": torch.sigmoid(logits)}
    ours |= {name: seen[name].transpose(1, 0, 2) for name in ("trans_encoder", "trans_output")}
    for name, value in ours.items():
        if f"{name}_{case}" in arrays:
            yield compare(f"{case} {name}", value, arrays[f"{name}_{case}"], tolerance)
