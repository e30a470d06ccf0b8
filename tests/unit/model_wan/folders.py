"""Checkpoint folders of a few kilobytes, written by hand: no model could run on them, but nothing is missing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SHARDS = ("diffusion_pytorch_model-00001-of-00002.safetensors", "diffusion_pytorch_model-00002-of-00002.safetensors")
PARAMETERS = {"transformer": 6 * 4 + 5, "vae": 7, "text_encoder": 8 * 3, "tokenizer": 0, "scheduler": 0}


def safetensors(tensors: Mapping[str, tuple[int, ...]], *, fill: int = 0) -> bytes:
    """A file of float32 tensors by name and shape, laid out as the format's description says."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in tensors.items():
        start, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes([fill]) * end


def contents() -> dict[str, bytes]:
    """Every file of a checkpoint by path."""

    def text(value: Any) -> bytes:
        return json.dumps(value).encode()

    index = {"weight_map": {"a.weight": SHARDS[0], "b.weight": SHARDS[1]}}
    return {
        "README.md": b"---\nlicense: apache-2.0\n---\n",
        "model_index.json": text(
            {
                "_class_name": "WanPipeline",
                "expand_timesteps": True,
                "scheduler": ["diffusers", "UniPCMultistepScheduler"],
                "text_encoder": ["transformers", "UMT5EncoderModel"],
                "tokenizer": ["transformers", "T5TokenizerFast"],
                "transformer": ["diffusers", "WanTransformer3DModel"],
                "transformer_2": [None, None],
                "vae": ["diffusers", "AutoencoderKLWan"],
            }
        ),
        "scheduler/scheduler_config.json": text({"_class_name": "UniPCMultistepScheduler"}),
        "text_encoder/config.json": text({"model_type": "umt5"}),
        "text_encoder/model.safetensors": safetensors({"shared.weight": (8, 3)}),
        "tokenizer/tokenizer_config.json": text({"tokenizer_class": "T5Tokenizer"}),
        "tokenizer/spiece.model": b"\x0a\x0epieces",
        "transformer/config.json": text({"_class_name": "WanTransformer3DModel"}),
        "transformer/diffusion_pytorch_model.safetensors.index.json": text(index),
        f"transformer/{SHARDS[0]}": safetensors({"a.weight": (6, 4)}),
        f"transformer/{SHARDS[1]}": safetensors({"b.weight": (5,)}, fill=1),
        "vae/config.json": text({"_class_name": "AutoencoderKLWan"}),
        "vae/diffusion_pytorch_model.safetensors": safetensors({"c.weight": (7,)}),
    }


def write(folder: Path, files: Mapping[str, bytes] | None = None) -> Path:
    """Write files into a folder; a whole checkpoint's when none are given. Returns the folder."""
    for path, content in (contents() if files is None else files).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder
