"""SAM 2 as segmo runs it against Meta's own predictor: the same random weights, clip and prompts must give the same masks.

Meta's package lives in an environment of its own, whose Python the variable SEGMO_META_PYTHON names; `.ci/run` makes one.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from parity.common import random_entry
from parity.sam2_answers import answers
from transformers import Sam2VideoConfig

from segmo.networks.sam2_video import HOLE, Sam2Video, VideoSegmenter

REPOSITORY = Path(__file__).resolve().parents[2]
SIDE, FRAMES, HW = 256, 16, (90, 120)
TOLERANCE = 1e-3
AMBIGUOUS = 1e-3
"""Share of pixels that may differ where holes are filled: a logit of 1e-7 beside a hole has another sign on other processors, and the
hole is too large then. Unfilled, half of all pixels differ."""
SCORE = 0.16
"""About the median of what the random weights say of an object's presence; taken off, so that objects come and go."""
CONFIGS = {
    "SAM 2": (
        "configs/sam2/sam2_hiera_t.yaml",
        {"enable_temporal_pos_encoding_for_object_pointers": False, "enable_occlusion_spatial_embedding": False},
    ),
    "SAM 2.1": ("configs/sam2.1/sam2.1_hiera_t.yaml", {}),
}
PROMPTS = [
    {"object": 1, "frame": 5, "points": [[30, 40]], "outside": []},
    {"object": 1, "frame": 0, "points": [[28.5, 41]], "outside": []},
    {"object": 1, "frame": 12, "points": [[50, 35]], "outside": []},
    {"object": 1, "frame": 12, "points": [[50, 35], [55.25, 30], [45, 44]], "outside": [[100, 80]]},
    {"object": 2, "frame": 15, "points": [[90, 60]], "outside": []},
    {"object": 2, "frame": 3, "points": [[80, 60]], "outside": []},
]
_MLP = {"proj_in": "layers.0", "layers.0": "layers.1", "proj_out": "layers.2"}
_SEQUENTIAL = {
    "mask_embed.conv1": "mask_downscaling.0",
    "mask_embed.layer_norm1": "mask_downscaling.1",
    "mask_embed.conv2": "mask_downscaling.3",
    "mask_embed.layer_norm2": "mask_downscaling.4",
    "mask_embed.conv3": "mask_downscaling.6",
    "upscale_conv1": "output_upscaling.0",
    "upscale_layer_norm": "output_upscaling.1",
    "upscale_conv2": "output_upscaling.3",
    "mask_downsampler.final_conv": "mask_downsampler.encoder.12",
}
_RENAMED = {
    r"^vision_encoder\.backbone\.": "image_encoder.trunk.",
    r"^vision_encoder\.neck\.(convs\.\d+)": r"image_encoder.neck.\1.conv",
    r"patch_embed\.projection": "patch_embed.proj",
    r"^mask_decoder\.": "sam_mask_decoder.",
    r"^prompt_encoder\.": "sam_prompt_encoder.",
    r"\.o_proj\.": ".out_proj.",
    r"layer_norm": "norm",
    r"memory_encoder\.memory_fuser": "memory_encoder.fuser",
    r"depthwise_conv": "dwconv",
    r"pointwise_conv": "pwconv",
    r"(fuser\.layers\.\d+)\.scale": r"\1.gamma",
    r"memory_encoder\.projection": "memory_encoder.out_proj",
    r"memory_encoder\.feature_projection": "memory_encoder.pix_feat_proj",
    r"^memory_temporal_positional_encoding": "maskmem_tpos_enc",
    r"^no_memory_embedding": "no_mem_embed",
    r"^no_memory_positional_encoding": "no_mem_pos_enc",
    r"^no_object_pointer": "no_obj_ptr",
    r"^occlusion_spatial_embedding_parameter": "no_obj_embed_spatial",
    r"^object_pointer_proj": "obj_ptr_proj",
    r"^temporal_positional_encoding_projection_layer": "obj_ptr_tpos_proj",
    r"shared_embedding\.positional_embedding": "pe_layer.positional_encoding_gaussian_matrix",
    r"mlp\.proj_in": "mlp.layers.0",
    r"mlp\.proj_out": "mlp.layers.1",
}


def meta_name(name: str) -> str:
    """An entry of transformers' state dict as Meta calls it."""
    for ours, theirs in _SEQUENTIAL.items():
        name = name.replace(f"{ours}.", f"{theirs}.")
    name = re.sub(r"mask_downsampler\.layers\.(\d)\.conv", lambda found: f"mask_downsampler.encoder.{3 * int(found[1])}", name)
    name = re.sub(r"mask_downsampler\.layers\.(\d)\.layer_norm", lambda found: f"mask_downsampler.encoder.{3 * int(found[1]) + 1}", name)
    three_layers = (
        r"(iou_prediction_head|output_hypernetworks_mlps\.\d|pred_obj_score_head|object_pointer_proj)\.(proj_in|layers\.0|proj_out)"
    )
    name = re.sub(three_layers, lambda found: f"{found[1]}.{_MLP[found[2]]}", name)
    for ours, theirs in _RENAMED.items():
        name = re.sub(ours, theirs, name)
    return name


def meta_weights(network: Sam2Video) -> dict[str, torch.Tensor]:
    """A network's weights in the format that Meta publishes."""
    weights = {}
    for name, value in network.state_dict().items():
        if name == "prompt_encoder.point_embed.weight":
            weights |= {f"sam_prompt_encoder.point_embeddings.{row}.weight": value[row : row + 1].clone() for row in range(4)}
        elif name != "shared_image_embedding.positional_embedding":  # that of the prompts, once more
            weights[meta_name(name)] = value
    return weights


def random_network(changes: dict[str, bool]) -> Sam2Video:
    """Hiera-tiny on small frames, with pseudo-random weights under which objects come and go."""
    vision = {
        "backbone_config": {"model_type": "sam2_hiera_det_model", "image_size": [SIDE, SIDE]},
        "backbone_feature_sizes": [[SIDE // n, SIDE // n] for n in (4, 8, 16)],
    }
    sizes = {
        "image_size": SIDE,
        "prompt_encoder_config": {"image_size": SIDE},
        "memory_attention_rope_feat_sizes": [SIDE // 16, SIDE // 16],
    }
    network = Sam2Video(Sam2VideoConfig(vision_config=vision, **sizes, **changes)).eval()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            value.copy_(torch.from_numpy(random_entry(name, list(value.shape), 3)))
        network.mask_decoder.pred_obj_score_head.proj_out.bias -= SCORE
        network.shared_image_embedding.positional_embedding.copy_(network.prompt_encoder.shared_embedding.positional_embedding)
    return network


def random_clip() -> np.ndarray:
    """Coloured patches that move over others."""
    random = np.random.default_rng(8)
    scene, patch = (np.kron(random.integers(0, 255, (n, n, 3), np.uint8), np.ones((6, 6, 1), np.uint8)) for n in (30, 6))
    frames = np.zeros((FRAMES, *HW, 3), np.uint8)
    for t in range(FRAMES):
        frames[t] = scene[: HW[0], t : t + HW[1]]
        frames[t, 20:56, 2 * t + 10 : 2 * t + 46] = patch
    return frames


@pytest.mark.parametrize(("name", "hole"), [("SAM 2", 0), ("SAM 2.1", 0), ("SAM 2.1", HOLE)])
def test_masks_agree_with_metas_predictor(name, meta_python, tmp_path, hole):
    config, differences = CONFIGS[name]
    network, frames = random_network(differences), random_clip()
    torch.save({"model": meta_weights(network)}, tmp_path / "weights.pt")
    np.save(tmp_path / "frames.npy", frames)
    task = {"config": config, "changes": [f"++model.image_size={SIDE}"], "prompts": PROMPTS, "hole": hole}
    (tmp_path / "task.json").write_text(json.dumps(task))
    command = [meta_python, "-m", "tests.parity.sam2_answers", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr[-3000:]
    theirs = dict(np.load(tmp_path / "answers.npz"))
    ours = answers(VideoSegmenter(network, frames, hole=hole), PROMPTS)
    assert ours.keys() == theirs.keys()
    exceeded = {key: int((~(np.abs(ours[key] - theirs[key]) <= TOLERANCE)).sum()) for key in ours}
    assert sum(exceeded.values()) <= (AMBIGUOUS if hole else 0) * sum(answer.size for answer in ours.values()), exceeded
    absent = [mask.max() < -1000 for mask in theirs.values()]
    assert 0.1 < np.mean(absent) < 0.9 and all((mask > 0).any() for mask, gone in zip(theirs.values(), absent, strict=True) if not gone)
