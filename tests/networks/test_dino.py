"""The descriptors beyond the published figures: sizes, and loading folders as the hub publishes them. Models are tiny and random."""

from __future__ import annotations

import logging
import shutil

import pytest
import torch
from paper_models import tiny_dino
from safetensors.torch import load_file, save_file
from transformers import Dinov2Config, Dinov2Model

from segmo.errors import WeightsError
from segmo.networks.dino import DinoKeys, grid_hw, load_dino, prepare_images


@pytest.fixture(scope="module")
def model() -> Dinov2Model:
    torch.manual_seed(0)
    return Dinov2Model(
        Dinov2Config(image_size=56, patch_size=14, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, mlp_ratio=2)
    ).eval()


@pytest.mark.parametrize("hw", [(14, 14), (15, 29), (56, 70)])
def test_every_frame_size_gets_its_grid(model, hw):
    frames = torch.randint(0, 256, (2, *hw, 3), dtype=torch.uint8)
    with torch.inference_mode():
        keys = DinoKeys(model)(prepare_images(frames))
    assert keys.shape == (2, *grid_hw(hw), 24) and keys.isfinite().all()


def test_without_overlap_and_at_its_own_size_it_is_the_library_s_model(model):
    images = prepare_images(torch.randint(0, 256, (1, 56, 56, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)))
    seen = {}
    hook = model.encoder.layer[-1].attention.k_proj.register_forward_hook(lambda *call: seen.update(keys=call[2]))
    with torch.inference_mode():
        model(images)
        hook.remove()
        keys = DinoKeys(model, 14)(images)
    assert torch.allclose(keys.reshape(16, 8, 3).transpose(1, 2).reshape(16, 24), seen["keys"][0, 1:], atol=1e-5)


def test_a_frame_of_one_colour_is_normalised(model):
    images = prepare_images(torch.full((1, 20, 14, 3), 255, dtype=torch.uint8))
    assert images.shape == (1, 3, 28, 14)
    assert images[0, :, 5, 5].tolist() == pytest.approx([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225], abs=1e-5)


def test_a_published_folder_loads_and_others_are_refused(model, tmp_path):
    model.save_pretrained(tmp_path / "good")
    loaded = load_dino(tmp_path / "good")
    images = prepare_images(torch.zeros(1, 28, 28, 3, dtype=torch.uint8))
    with torch.inference_mode():
        assert torch.equal(loaded(images), DinoKeys(model)(images))
    with pytest.raises(WeightsError, match="absent"):
        load_dino(tmp_path / "absent")
    (tmp_path / "good" / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="good"):
        load_dino(tmp_path / "good")


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_computed_with_in_float32(stored, tmp_path):
    model = tiny_dino(64).to(stored)
    model.save_pretrained(tmp_path)
    loaded = load_dino(tmp_path)
    images = prepare_images(torch.zeros(1, 28, 28, 3, dtype=torch.uint8))
    with torch.inference_mode():
        assert torch.equal(loaded(images), DinoKeys(model.float())(images))


def test_weights_of_another_size_than_the_configuration_says_are_told_in_one_sentence(tmp_path, caplog):
    tiny_dino(64).save_pretrained(tmp_path / "small")
    tiny_dino(128).save_pretrained(tmp_path / "large")
    shutil.copy(tmp_path / "small/model.safetensors", tmp_path / "large")
    told = r"its config\.json describes it: 43 weights .* embeddings\.cls_token with \(1, 1, 64\) instead of \(1, 1, 128\)\."
    logging.getLogger("transformers").addHandler(caplog.handler)
    try:
        with pytest.raises(WeightsError, match=told):
            load_dino(tmp_path / "large")
    finally:
        logging.getLogger("transformers").removeHandler(caplog.handler)
    assert "REPORT" not in caplog.text


def test_the_names_of_the_published_checkpoint_are_understood(model, tmp_path):
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    old = {"q_proj": "attention.query", "k_proj": "attention.key", "v_proj": "attention.value", "o_proj": "output.dense"}
    for new, name in old.items():
        weights = {key.replace(f"attention.{new}", f"attention.{name}"): value for key, value in weights.items()}
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    loaded = load_dino(tmp_path).model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("heads", [2, 3])
def test_files_of_torch_hub_load_and_tell_their_size(tmp_path, heads):
    """The names of torch hub, from transformers' ones: queries, keys and values are one matrix there."""
    torch.manual_seed(heads)
    width = 64 * heads
    config = Dinov2Config(image_size=56, hidden_size=width, num_hidden_layers=2, num_attention_heads=heads, mlp_ratio=2)
    model = Dinov2Model(config).eval()
    own = model.state_dict()
    published = {
        "cls_token": own["embeddings.cls_token"],
        "mask_token": own["embeddings.mask_token"],
        "pos_embed": own["embeddings.position_embeddings"],
    }
    names = {"embeddings.patch_embeddings.projection": "patch_embed.proj", "layernorm": "norm", "encoder.layer": "blocks"}
    names |= {"attention.o_proj": "attn.proj", "layer_scale1.lambda1": "ls1.gamma", "layer_scale2.lambda1": "ls2.gamma"}
    for name, value in own.items():
        if "attention.q_proj" in name:
            joined = torch.cat([own[name.replace("q_proj", f"{part}_proj")] for part in "qkv"])
            published[name.replace("encoder.layer", "blocks").replace("attention.q_proj", "attn.qkv")] = joined
        elif not name.startswith(("embeddings.cls", "embeddings.mask", "embeddings.pos")) and "k_proj" not in name and "v_proj" not in name:
            for long, short in names.items():
                name = name.replace(long, short)
            published[name] = value
    torch.save(published, tmp_path / "dinov2.pth")
    loaded = load_dino(tmp_path / "dinov2.pth")
    images = prepare_images(torch.randint(0, 256, (1, 28, 42, 3), dtype=torch.uint8))
    with torch.inference_mode():
        assert torch.equal(loaded(images), DinoKeys(model)(images))
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"other\.pth"):
        load_dino(tmp_path / "other.pth")
