"""What a checkpoint must hold to be a Wan 2.2 TI2V-5B pipeline: its parts, their classes, every shard, no code.

Reads configurations and the heads of weight files, never the weights; imports no torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model.wan.manifest import Checkpoint, CheckpointError, SealedFile

PIPELINES = frozenset({"WanPipeline", "WanImageToVideoPipeline", "WanDMDPipeline"})
CLASSES: dict[str, frozenset[str]] = {
    "transformer": frozenset({"WanTransformer3DModel"}),
    "vae": frozenset({"AutoencoderKLWan"}),
    "text_encoder": frozenset({"UMT5EncoderModel"}),
    # TokenizersBackend is what transformers 5 writes for any tokenizer of the tokenizers library.
    "tokenizer": frozenset({"T5Tokenizer", "T5TokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend"}),
    "scheduler": frozenset(
        {"UniPCMultistepScheduler", "FlowMatchEulerDiscreteScheduler", "FlowMatchLCMScheduler"},
    ),
}
"""The parts of the pipeline and the classes that may stand for each."""
LIBRARIES = frozenset({"diffusers", "transformers"})
CONFIGS = {
    "transformer": "config.json",
    "vae": "config.json",
    "text_encoder": "config.json",
    "tokenizer": "tokenizer_config.json",
    "scheduler": "scheduler_config.json",
}
WEIGHTS = {"transformer": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
VOCABULARIES = ("tokenizer.json", "spiece.model")
CODE = ("auto_map", "custom_pipelines")
"""Keys of a configuration that name Python code to be run."""
_MOST_HEADER = 100_000_000
"""Bytes; the safetensors library refuses longer headers too."""
_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E5M2FNUZ", "F8_E4M3FNUZ"), 8),
}
"""Bits of an element by the dtype names of the safetensors format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One part of the pipeline. ``size`` in bytes; no ``parameters`` where a part has no weights."""

    name: str
    kind: str
    files: int
    size: int
    parameters: int


@dataclass(frozen=True, slots=True)
class _Folder:
    """The files of a checkpoint by path, and how to read one."""

    checkpoint: Checkpoint
    files: Mapping[str, SealedFile]

    def json(self, path: str) -> dict[str, Any]:
        """Raises CheckpointError for anything but an object."""
        if path not in self.files:
            raise CheckpointError(f"{path}: missing")
        try:
            value = json.loads((self.checkpoint.folder / path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{path}: cannot be read: {error}") from error
        if not isinstance(value, dict):
            raise CheckpointError(f"{path}: an object is wanted, not {type(value).__name__}")
        if named := [key for key in CODE if value.get(key)]:
            raise CheckpointError(f"{path}: {named[0]} names code to be run, which is never done")
        return value


def check_components(checkpoint: Checkpoint) -> tuple[Component, ...]:
    """Every part of the pipeline, found whole. Raises CheckpointError listing all that is missing, torn or unknown."""
    folder = _Folder(checkpoint, {file.path: file for file in checkpoint.files})
    faults: list[str] = []
    found: list[Component] = []
    try:
        index = folder.json("model_index.json")
    except CheckpointError as error:
        raise CheckpointError(f"{checkpoint.folder}: {error}: no checkpoint in diffusers' layout") from error
    if (pipeline := index.get("_class_name")) not in PIPELINES:
        faults.append(f"model_index.json: pipeline {pipeline!r} is none of {', '.join(sorted(PIPELINES))}")
    faults += [
        f"model_index.json: {name} is no part of the 5B model"
        for name, entry in index.items()
        if isinstance(entry, list) and entry[:1] != [None] and name not in CLASSES
    ]
    for name in CLASSES:
        try:
            found.append(_component(folder, name, index.get(name)))
        except CheckpointError as error:
            faults.append(str(error))
    if faults:
        raise CheckpointError(f"{checkpoint.folder}: {'; '.join(faults)}")
    return tuple(found)


def _component(folder: _Folder, name: str, entry: Any) -> Component:
    if not isinstance(entry, list) or len(entry) != 2 or not all(isinstance(part, str) for part in entry):
        raise CheckpointError(f"model_index.json: {name} is missing")
    library, kind = entry
    if kind not in CLASSES[name] or library not in LIBRARIES:
        raise CheckpointError(
            f"model_index.json: {name} is a {library}.{kind}; known are {', '.join(sorted(CLASSES[name]))}"
        )
    own = [file for path, file in folder.files.items() if path.startswith(f"{name}/")]
    if not own:
        raise CheckpointError(f"{name}: its folder is missing")
    config = folder.json(f"{name}/{CONFIGS[name]}")
    written = config.get("_class_name", kind) if name != "text_encoder" else config.get("model_type")
    if written != ("umt5" if name == "text_encoder" else kind):
        raise CheckpointError(f"{name}/{CONFIGS[name]}: is of a {written}, model_index.json says {kind}")
    if name == "tokenizer" and not any(f"{name}/{file}" in folder.files for file in VOCABULARIES):
        raise CheckpointError(f"{name}: neither {' nor '.join(VOCABULARIES)}")
    parameters = _weights(folder, f"{name}/{WEIGHTS[name]}") if name in WEIGHTS else 0
    return Component(name=name, kind=kind, files=len(own), size=sum(f.size for f in own), parameters=parameters)


def _weights(folder: _Folder, stem: str) -> int:
    """Number of parameters in a part's one file or its shards."""
    whole, index = f"{stem}.safetensors", f"{stem}.safetensors.index.json"
    if index not in folder.files:
        if whole not in folder.files:
            raise CheckpointError(f"{whole}: missing; only safetensors are loaded")
        return sum(math.prod(shape) for shape in _shapes(folder, whole).values())
    places = folder.json(index).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(shard, str) for shard in places.values()):
        raise CheckpointError(f"{index}: weight_map must say which file holds which weight")
    parent, parameters, faults = stem.rpartition("/")[0], 0, []
    for shard in sorted(set(places.values())):
        try:
            held = _shapes(folder, f"{parent}/{shard}")
        except CheckpointError as error:
            faults.append(str(error))
            continue
        parameters += sum(math.prod(shape) for shape in held.values())
        lost = [weight for weight, place in places.items() if place == shard and weight not in held]
        faults += [f"{parent}/{shard}: has no {lost[0]}, which the index puts there"] if lost else []
    if faults:
        raise CheckpointError("; ".join(faults))
    return parameters


def _shapes(folder: _Folder, path: str) -> dict[str, list[int]]:
    """Shapes by name from a safetensors file's header, held against the file's length.

    Layout: eight bytes, the header's length; the header, JSON; then the data, without gaps (safetensors' README).
    """
    header, start, size = _header(folder, path)
    damaged = CheckpointError(f"{path}: its header is damaged; fetch it again")
    tensors = {name: value for name, value in header.items() if name != "__metadata__"}
    try:
        places = sorted((*value["data_offsets"], _bytes(value["dtype"], value["shape"])) for value in tensors.values())
        end = 0
        for first, last, length in places:
            if first != end or last - first != length:
                raise damaged
            end = last
        shapes = {name: value["shape"] for name, value in tensors.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise damaged from error
    if start + end != size:
        raise CheckpointError(
            f"{path}: {size} bytes, its header needs {start + end}: cut off or damaged; fetch it again"
        )
    return shapes


def _header(folder: _Folder, path: str) -> tuple[dict[str, Any], int, int]:
    """The header, where the data begin, and the file's size."""
    if path not in folder.files:
        raise CheckpointError(f"{path}: missing")
    try:
        with (folder.checkpoint.folder / path).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, _MOST_HEADER):
                raise CheckpointError(f"{path}: {size} bytes, too short for its header: cut off, or no safetensors")
            header = json.loads(file.read(length))
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: its header is damaged; fetch it again") from error
    return (header if isinstance(header, dict) else {"": None}), 8 + length, size


def _bytes(dtype: str, shape: list[int]) -> int:
    """Raises KeyError for a dtype that the format does not have, ValueError for what is no shape."""
    if not all(isinstance(side, int) and side >= 0 for side in shape):
        raise ValueError(shape)
    return math.prod(shape) * _BITS[dtype] // 8
