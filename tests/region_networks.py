"""Tiny random networks of mask proposals, of the real architectures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

SIDE = 128
"""Of the square that the random networks of mask proposals see, in pixels; EoMT sees half of it."""


def _point_parts(backbone: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The parts that SAM 2 and EdgeTAM share, at a toy size."""
    vision = {
        "backbone_feature_sizes": [[SIDE // step] * 2 for step in (4, 8, 16)],
        "fpn_hidden_size": 32,
    }
    prompts = {"hidden_size": 32, "image_size": SIDE, "patch_size": 16, "mask_input_channels": 8}
    decoder = {"hidden_size": 32, "mlp_dim": 32, "num_attention_heads": 4, "iou_head_hidden_dim": 32}
    return {
        "vision_config": vision | backbone,
        "prompt_encoder_config": prompts,
        "mask_decoder_config": decoder,
    }


def _sam2_parts() -> dict[str, dict[str, Any]]:
    hiera = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "num_attention_heads": 1,
        "image_size": [SIDE, SIDE],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [8, 4, 4, 4],
        "global_attention_blocks": [3],
        "window_positional_embedding_background_size": [2, 2],
    }
    return _point_parts({"backbone_config": hiera, "backbone_channel_list": [64, 32, 16, 8]})


def _edgetam_parts() -> dict[str, dict[str, Any]]:
    repvit = {
        "model_type": "timm_wrapper",
        "architecture": "repvit_m1",
        "num_classes": 2,
        "label_names": ["a", "b"],
        "model_args": {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    }
    return _point_parts({"backbone_config": repvit, "backbone_channel_list": [384, 192, 96, 48]})


_MEMORY = {
    "image_size": SIDE,
    "memory_attention_hidden_size": 32,
    "memory_attention_num_layers": 1,
    "memory_attention_feed_forward_hidden_size": 32,
    "memory_encoder_hidden_size": 32,
    "memory_encoder_output_channels": 16,
    "mask_downsampler_embed_dim": 32,
    "memory_fuser_embed_dim": 32,
    "memory_fuser_intermediate_dim": 32,
    "memory_fuser_num_layers": 1,
}


def save_region_network(kind: str, folder: Path) -> None:
    """Save ``sam2``, ``sam2_video`` (as the hub holds it), ``edgetam`` or ``eomt`` with random weights."""
    import transformers

    torch.manual_seed(3)
    network: Any

    if kind == "sam2":
        network = transformers.Sam2Model(transformers.Sam2Config(**_sam2_parts()))
    elif kind == "sam2_video":
        network = transformers.Sam2VideoModel(transformers.Sam2VideoConfig(**_sam2_parts(), **_MEMORY))
    elif kind == "edgetam":
        network = transformers.EdgeTamModel(transformers.EdgeTamConfig(**_edgetam_parts()))
    else:
        config = transformers.EomtConfig(
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=SIDE // 2,
            patch_size=16,
            num_blocks=1,
            num_queries=12,
            num_labels=5,
        )
        network = transformers.EomtForUniversalSegmentation(config)
    for name, parameter in network.named_parameters():
        if name.startswith("mask_decoder") or "class_predictor" in name or "query" in name:
            parameter.data *= 12  # so that prompts and queries differ
    network.save_pretrained(folder)
