"""Pictures and captions as vectors, by a model of transformers in a folder: CLIP, SigLIP, DINOv2 and their like.

Loads safetensors alone, runs no code from the folder, asks no hub. Knows no clip.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from model.engine import Frames
from model.inspect.judges.judge import JudgeError

Vectors = npt.NDArray[np.float32]
"""One row a picture or a caption, of length 1."""

_DEFAULT_MEAN = _DEFAULT_DEVIATION = (0.5, 0.5, 0.5)
_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}

logging.getLogger("transformers").setLevel(logging.ERROR)


class Pictures:
    """Turns frames into a model's input as its folder says: side, mean and deviation."""

    def __init__(self, folder: Path, config: Any) -> None:
        vision = getattr(config, "vision_config", config)
        size = getattr(vision, "image_size", 224)
        self._side = int(size if isinstance(size, int) else size[0])
        said = _json(folder / "preprocessor_config.json")
        self._mean = np.array(said.get("image_mean", _DEFAULT_MEAN), np.float32)
        self._deviation = np.array(said.get("image_std", _DEFAULT_DEVIATION), np.float32)

    def of(self, frames: Frames) -> Any:
        """A tensor (frames, 3, side, side): the whole picture, squeezed to a square, so that no edge is cut away."""
        import torch  # noqa: PLC0415 - the gpu extra

        squares = np.stack(
            [
                np.asarray(Image.fromarray(each).resize((self._side, self._side), Image.Resampling.BICUBIC))
                for each in frames
            ]
        )
        scaled = (squares.astype(np.float32) / 255 - self._mean) / self._deviation
        return torch.from_numpy(np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)))


class Towers:
    """One model. Thread-safe: clips take turns on its device."""

    def __init__(self, folder: Path, device: str, *, captions: bool) -> None:
        from transformers import AutoConfig, AutoModel, AutoTokenizer  # noqa: PLC0415 - the gpu extra

        self._device, self._lock = device, threading.Lock()
        try:
            config = AutoConfig.from_pretrained(folder, **_LOCAL)
            model = AutoModel.from_pretrained(folder, use_safetensors=True, **_LOCAL)
            self._tokenizer = AutoTokenizer.from_pretrained(folder, **_LOCAL) if captions else None
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise JudgeError(f"{folder}: not a model that transformers loads from safetensors: {error}") from error
        if captions and not hasattr(model, "get_text_features"):
            raise JudgeError(f"{folder}: {type(model).__name__} reads no captions: give a CLIP or SigLIP model")
        self._model = model.to(device).eval()
        self._pictures = Pictures(folder, config)
        text = getattr(config, "text_config", None)
        self._longest = int(getattr(text, "max_position_embeddings", 64))
        # SigLIP was trained on captions filled up to their full length, CLIP on captions as long as they are.
        self._padding = "max_length" if "siglip" in str(getattr(config, "model_type", "")) else True

    def see(self, frames: Frames) -> Vectors:
        """Vectors of pictures."""
        import torch  # noqa: PLC0415 - the gpu extra

        pixels = self._pictures.of(frames)
        with self._lock, torch.inference_mode():
            pixels = pixels.to(self._device)
            if hasattr(self._model, "get_image_features"):
                out = self._model.get_image_features(pixel_values=pixels)
            else:
                out = self._model(pixel_values=pixels)
            return _unit(out)

    def read(self, captions: Sequence[str]) -> Vectors:
        """Vectors of captions; longer ones than the model takes are cut."""
        import torch  # noqa: PLC0415 - the gpu extra

        assert self._tokenizer is not None  # noqa: S101 - opened with captions
        tokens = self._tokenizer(
            list(captions), padding=self._padding, truncation=True, max_length=self._longest, return_tensors="pt"
        )
        wanted = {name: tokens[name].to(self._device) for name in ("input_ids", "attention_mask") if name in tokens}
        with self._lock, torch.inference_mode():
            return _unit(self._model.get_text_features(**wanted))


def _unit(out: Any) -> Vectors:
    """A model's output as unit vectors: the tensor itself, its pooled part, or its first token."""
    import torch  # noqa: PLC0415 - the gpu extra

    if not isinstance(out, torch.Tensor):
        pooled = getattr(out, "pooler_output", None)
        out = pooled if pooled is not None else out.last_hidden_state[:, 0]
    vectors = torch.nn.functional.normalize(out.float(), dim=-1)
    return cast("Vectors", vectors.cpu().numpy())


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
