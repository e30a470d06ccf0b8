"""Tiny random models of the kinds that judge clips, saved as transformers saves them; each is kilobytes and made in
milliseconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    CLIPConfig,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
    ViTConfig,
    ViTForImageClassification,
)

SIDE = 32
WORDS = ("a", "red", "green", "blue", "kettle", "shoe", "person", "talking", "landscape", "with", "trees", "noise")
_LAYERS: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
_PICTURE = {"image_size": SIDE, "patch_size": 8, **_LAYERS}
_PAD, _UNKNOWN, _END = "<pad>", "<unk>", "<end>"
LONGEST = 8
"""Tokens of a caption, its end included."""


def clip(folder: Path) -> None:
    """Pictures and captions, of one length as they come."""
    _seed(1)
    config = CLIPConfig(text_config=_text(), vision_config=_PICTURE, projection_dim=8)
    CLIPModel(config).save_pretrained(folder)
    _tokenizer().save_pretrained(folder)


def siglip(folder: Path) -> None:
    """Pictures and captions, these filled up to their full length."""
    _seed(2)
    SiglipModel(SiglipConfig(text_config=_text(), vision_config=_PICTURE)).save_pretrained(folder)
    _tokenizer().save_pretrained(folder)


def dinov2(folder: Path) -> None:
    """Pictures alone."""
    _seed(3)
    Dinov2Model(Dinov2Config(**_PICTURE)).save_pretrained(folder)


def classifier(folder: Path, labels: tuple[str, ...] = ("normal", "nsfw", "violence")) -> None:
    """Labels of pictures. Its last weights are larger than random ones are, so that pictures differ in their labels."""
    _seed(4)
    names = dict(enumerate(labels))
    model = ViTForImageClassification(
        ViTConfig(**_PICTURE, id2label=names, label2id={name: number for number, name in names.items()})
    )
    with torch.no_grad():
        model.classifier.weight.mul_(50)
    model.save_pretrained(folder)


def pickled(folder: Path) -> None:
    """A CLIP whose weights are a pickle, as old checkpoints have them."""
    clip(folder)
    (folder / "model.safetensors").unlink()
    torch.save(CLIPModel(CLIPConfig.from_pretrained(folder)).state_dict(), folder / "pytorch_model.bin")


def with_code(folder: Path, ran: Path) -> None:
    """A model that is Python code of its own, which leaves a file behind when it is run."""
    folder.mkdir(parents=True)
    kinds = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    (folder / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": kinds}), encoding="utf-8")
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w').close()\n", encoding="utf-8")


def _seed(number: int) -> None:
    torch.manual_seed(number)


def _text() -> dict[str, Any]:
    ends = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    return {"vocab_size": len(WORDS) + 3, "max_position_embeddings": LONGEST, **ends, **_LAYERS}


def _tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {word: number for number, word in enumerate((_PAD, _UNKNOWN, _END, *WORDS))}
    inner = Tokenizer(WordLevel(vocabulary, unk_token=_UNKNOWN))
    inner.pre_tokenizer = Whitespace()
    inner.post_processor = TemplateProcessing(single=f"$A {_END}", special_tokens=[(_END, 2)])
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token=_PAD, unk_token=_UNKNOWN, eos_token=_END)
