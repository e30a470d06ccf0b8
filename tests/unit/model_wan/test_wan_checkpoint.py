"""The manifest, what it is held against, and the pipeline's parts: damage of every kind is named, and what to do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.wan.checkpoint import (
    MANIFEST,
    Checkpoint,
    CheckpointError,
    cached,
    check_components,
    open_checkpoint,
    resolve,
    revision_of,
    seal,
    verify,
)
from tests.unit.model_wan.folders import PARAMETERS, SHARDS, contents, safetensors, write

COMMIT = "0123456789abcdef0123456789abcdef01234567"
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An unsealed checkpoint."""
    return write(tmp_path / "checkpoint")


@pytest.fixture
def sealed(folder: Path) -> Checkpoint:
    """A sealed one."""
    return seal(folder, licence="apache-2.0")


def test_a_seal_is_read_back(folder: Path) -> None:
    """What was sealed is what is opened: every file, and where it came from."""
    made = seal(folder, "owner/name", COMMIT, "apache-2.0")
    assert open_checkpoint(folder) == made
    assert (made.source, made.hub_revision, made.revision, made.licence) == (
        "owner/name", COMMIT, COMMIT, "apache-2.0",
    )  # fmt: skip
    assert {file.path: file.size for file in made.files} == {path: len(data) for path, data in contents().items()}
    assert [file.path for file in made.files] == sorted(contents())
    verify(made, digests=True)


def test_content_names_bytes_and_names_alone(folder: Path, tmp_path: Path) -> None:
    """The content digest is the same for the same files anywhere, and another for any other byte or name."""
    here = seal(folder)
    there = seal(write(tmp_path / "elsewhere"), "owner/name", COMMIT)
    assert here.content == there.content == here.revision
    (folder / "README.md").rename(folder / "LICENSE")
    renamed = seal(folder)
    (folder / "LICENSE").write_bytes(b"other")
    assert len({here.content, renamed.content, seal(folder).content}) == 3


def test_progress_ends_at_the_whole(folder: Path) -> None:
    """Progress grows without a step back and ends at all bytes."""
    told: list[tuple[int, int]] = []
    made = seal(folder, progress=lambda done, total: told.append((done, total)))
    assert {total for _, total in told} == {made.size}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == made.size


def test_a_folder_without_a_manifest_is_refused_with_advice(folder: Path, tmp_path: Path) -> None:
    """Unsealed folders are not guessed at."""
    with pytest.raises(CheckpointError, match=f"skureel model seal {folder}"):
        open_checkpoint(folder)
    with pytest.raises(CheckpointError, match="no such folder"):
        open_checkpoint(tmp_path / "absent")


MANIFEST_FAULTS: list[tuple[str, Change]] = [
    ("format: 2", lambda value: value.update(format=2)),
    ("hub_revision: 'main'", lambda value: value.update(hub_revision="main")),
    ("source: a text or null", lambda value: value.update(source=3)),
    ("licence: a text or null", lambda value: value.update(licence="")),
    ("files: a list", lambda value: value.update(files=[])),
    (r"files\[0\]: an object", lambda value: value.update(files=["README.md"])),
    (r"files\[0\].path: '/etc/passwd'", lambda value: value["files"][0].update(path="/etc/passwd")),
    (r"files\[0\].path: '../x'", lambda value: value["files"][0].update(path="../x")),
    (r"files\[0\].path: 'vae/../x'", lambda value: value["files"][0].update(path="vae/../x")),
    (r"files\[0\].path: './x'", lambda value: value["files"][0].update(path="./x")),
    (r"files\[0\].path: ''", lambda value: value["files"][0].update(path="")),
    (r"files\[0\].path: None", lambda value: value["files"][0].pop("path")),
    (r"files\[1\].size: -1", lambda value: value["files"][1].update(size=-1)),
    (r"files\[1\].size: True", lambda value: value["files"][1].update(size=True)),
    (r"files\[1\].sha256: 'abc'", lambda value: value["files"][1].update(sha256="abc")),
    ("README.md is listed twice", lambda value: value["files"].append(value["files"][0])),
    ("content: 'x'", lambda value: value.update(content="x")),
    ("content: ", lambda value: value["files"].pop()),
]


@pytest.mark.parametrize(("fault", "change"), MANIFEST_FAULTS, ids=[fault for fault, _ in MANIFEST_FAULTS])
def test_faults_of_a_manifest_are_named(sealed: Checkpoint, fault: str, change: Change) -> None:
    """A manifest that says anything strange is refused, naming the field."""
    file = sealed.folder / MANIFEST
    value = json.loads(file.read_text())
    change(value)
    file.write_text(json.dumps(value))
    with pytest.raises(CheckpointError, match=fault):
        open_checkpoint(sealed.folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "\ufffd" * 3, "[" * 100_000, '"x"'])
def test_a_manifest_that_is_none_is_refused(sealed: Checkpoint, text: str) -> None:
    """Garbage is an error of the checkpoint, not of the program."""
    (sealed.folder / MANIFEST).write_text(text)
    with pytest.raises(CheckpointError, match=MANIFEST):
        open_checkpoint(sealed.folder)


def test_links_that_lead_out_are_refused(folder: Path, tmp_path: Path) -> None:
    """What is sealed lies in the folder; a link inside it may stay."""
    outside = tmp_path / "outside.json"
    outside.write_text("{}")
    (folder / "inside.json").symlink_to("README.md")
    made = seal(folder)
    assert "inside.json" in {file.path for file in made.files}
    (folder / "inside.json").unlink()
    (folder / "inside.json").symlink_to(outside)
    with pytest.raises(CheckpointError, match="leads out"):
        seal(folder)
    with pytest.raises(CheckpointError, match=r"inside\.json"):
        open_checkpoint(folder)


def test_pickles_and_code_stay_outside(folder: Path) -> None:
    """Beside safetensors they are passed over; where a part has nothing else, the folder is refused."""
    before = seal(folder).content
    write(folder, {"vae/model.bin": b"p", "vae/x.ckpt": b"p", "transformer/model.py": b"c", ".cache/x.json": b"{}"})
    assert seal(folder).content == before
    (folder / "vae/diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="only safetensors are loaded"):
        seal(folder)


def test_a_seal_needs_files_and_a_true_commit(tmp_path: Path) -> None:
    """Nothing cannot be sealed, and a branch is no commit."""
    with pytest.raises(CheckpointError, match="no such folder"):
        seal(tmp_path / "absent")
    with pytest.raises(CheckpointError, match="no files"):
        seal(tmp_path)
    with pytest.raises(CheckpointError, match="no full commit hash"):
        seal(write(tmp_path / "checkpoint"), "owner/name", "main")


def test_sealing_again_leaves_no_trace_of_the_first(folder: Path) -> None:
    """The manifest is not part of what it describes, and nothing else is left behind."""
    assert seal(folder) == seal(folder)
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert left == {*contents(), MANIFEST}


def test_damage_is_found_by_size_and_by_digest(sealed: Checkpoint) -> None:
    """A missing or cut file shows without reading it; a changed byte shows with digests."""
    shard = sealed.folder / "transformer" / SHARDS[1]
    whole = shard.read_bytes()
    verify(sealed, digests=True)
    shard.write_bytes(whole[:-1] + b"\xff")
    verify(sealed, digests=False)
    with pytest.raises(CheckpointError, match=rf"{SHARDS[1]}: its sha256 is [0-9a-f]+, the manifest says [0-9a-f]+"):
        verify(sealed, digests=True)
    shard.write_bytes(whole[:-1])
    with pytest.raises(CheckpointError, match=rf"{SHARDS[1]}: {len(whole) - 1} bytes, the manifest says {len(whole)}"):
        verify(sealed, digests=False)
    shard.unlink()
    with pytest.raises(CheckpointError, match=rf"{SHARDS[1]}: missing \({len(whole)} bytes expected\)"):
        verify(sealed, digests=False)


def test_damage_of_what_was_fetched_is_mended_by_fetching(folder: Path) -> None:
    """The advice is a command that can be run."""
    made = seal(folder, "owner/name", COMMIT)
    (folder / "README.md").unlink()
    with pytest.raises(CheckpointError, match=f"model fetch owner/name --revision {COMMIT} --to {folder}"):
        verify(made, digests=False)


def test_much_damage_is_told_shortly(sealed: Checkpoint) -> None:
    """A dozen damaged files are named by the first few."""
    shutil.rmtree(sealed.folder / "transformer")
    shutil.rmtree(sealed.folder / "text_encoder")
    (sealed.folder / "README.md").unlink()
    with pytest.raises(CheckpointError, match="and 2 more"):
        verify(sealed, digests=True)


def test_the_parts_of_a_whole_checkpoint(sealed: Checkpoint) -> None:
    """Every part is found, with its class, files, bytes and parameters."""
    parts = {part.name: part for part in check_components(sealed)}
    assert {name: part.parameters for name, part in parts.items()} == PARAMETERS
    assert parts["transformer"].kind == "WanTransformer3DModel"
    assert parts["transformer"].files == 4
    assert sum(part.size for part in parts.values()) < sealed.size


@pytest.mark.parametrize("pipeline", ["WanPipeline", "WanImageToVideoPipeline", "WanDMDPipeline"])
def test_the_known_pipelines(folder: Path, pipeline: str) -> None:
    """The base model and the distilled one name themselves differently."""
    _edit(folder / "model_index.json", lambda value: value.update(_class_name=pipeline))
    assert len(check_components(seal(folder))) == 5


def _edit(file: Path, change: Change) -> None:
    value = json.loads(file.read_text())
    change(value)
    file.write_text(json.dumps(value))


INDEX_FAULTS: list[tuple[str, str, Change]] = [
    ("pipeline 'Other'", "model_index.json", lambda value: value.update(_class_name="Other")),
    ("vae is missing", "model_index.json", lambda value: value.pop("vae")),
    ("vae is missing", "model_index.json", lambda value: value.update(vae=[None, None])),
    ("transformer_2 is no part", "model_index.json", lambda value: value.update(transformer_2=["diffusers", "X"])),
    ("vae is a diffusers.AutoencoderKL;", "model_index.json", lambda v: v.update(vae=["diffusers", "AutoencoderKL"])),
    ("vae is a mine.AutoencoderKLWan;", "model_index.json", lambda v: v.update(vae=["mine", "AutoencoderKLWan"])),
    ("is of a Other", "vae/config.json", lambda value: value.update(_class_name="Other")),
    ("is of a bert", "text_encoder/config.json", lambda value: value.update(model_type="bert")),
    ("auto_map names code", "text_encoder/config.json", lambda value: value.update(auto_map={"AutoModel": "m.M"})),
    ("auto_map names code", "tokenizer/tokenizer_config.json", lambda value: value.update(auto_map={"A": "m.M"})),
    ("weight_map", "transformer/diffusion_pytorch_model.safetensors.index.json", lambda value: value.clear()),
    (
        "has no z.weight",
        "transformer/diffusion_pytorch_model.safetensors.index.json",
        lambda value: value["weight_map"].update({"z.weight": SHARDS[0]}),
    ),
    (
        "model-00003.safetensors: missing",
        "transformer/diffusion_pytorch_model.safetensors.index.json",
        lambda value: value["weight_map"].update({"z.weight": "model-00003.safetensors"}),
    ),
]


@pytest.mark.parametrize(("fault", "path", "change"), INDEX_FAULTS)
def test_faults_of_configurations_are_named(folder: Path, fault: str, path: str, change: Change) -> None:
    """A part that is absent, unknown or brings code is refused by name."""
    _edit(folder / path, change)
    with pytest.raises(CheckpointError, match=fault):
        check_components(seal(folder))


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("model_index.json", "model_index.json: missing: no checkpoint in diffusers' layout"),
        ("scheduler/scheduler_config.json", "scheduler: its folder is missing"),
        ("tokenizer/spiece.model", "tokenizer: neither tokenizer.json nor spiece.model"),
        ("vae/config.json", "vae/config.json: missing"),
        ("vae/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors: missing"),
        (f"transformer/{SHARDS[0]}", f"transformer/{SHARDS[0]}: missing"),
    ],
)
def test_missing_files_are_named(folder: Path, path: str, fault: str) -> None:
    """What a part cannot do without is missed by name."""
    (folder / path).unlink()
    with pytest.raises(CheckpointError, match=fault):
        check_components(seal(folder))


def test_all_faults_are_told_at_once(folder: Path) -> None:
    """One look shows everything that is to be done."""
    shutil.rmtree(folder / "vae")
    (folder / "transformer" / SHARDS[0]).unlink()
    with pytest.raises(CheckpointError) as caught:
        check_components(seal(folder))
    assert "vae: its folder is missing" in str(caught.value)
    assert SHARDS[0] in str(caught.value)


def _header(value: Any, data: bytes = b"") -> bytes:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return len(text).to_bytes(8, "little") + text + data


WHOLE = safetensors({"a": (2, 3), "b": (4,)})
TORN: dict[str, bytes] = {
    "empty": b"",
    "seven bytes": WHOLE[:7],
    "only the length": WHOLE[:8],
    "half the header": WHOLE[:40],
    "no data": WHOLE[: 8 + int.from_bytes(WHOLE[:8], "little")],
    "last byte gone": WHOLE[:-1],
    "one byte more": WHOLE + b"\0",
    "endless header": b"\xff" * 8 + WHOLE[8:],
    "header no JSON": _header(b"{...}"),
    "header no object": _header([1]),
    "tensor no object": _header({"a": 3}),
    "no shape": _header({"a": {"dtype": "F32", "data_offsets": [0, 4]}}, bytes(4)),
    "unknown dtype": _header({"a": {"dtype": "Q3", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
    "negative shape": _header({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, bytes(4)),
    "shape and place disagree": _header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, bytes(4)),
    "a gap": _header({"a": {"dtype": "U8", "shape": [4], "data_offsets": [4, 8]}}, bytes(8)),
    "an overlap": _header(
        {
            "a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
            "b": {"dtype": "U8", "shape": [4], "data_offsets": [2, 6]},
        },
        bytes(6),
    ),
}


@pytest.mark.parametrize("torn", TORN.values(), ids=TORN)
def test_torn_weights_are_found_by_their_headers(folder: Path, torn: bytes) -> None:
    """A file whose header and length disagree is refused by name without reading its weights."""
    write(folder, {"vae/diffusion_pytorch_model.safetensors": torn})
    with pytest.raises(CheckpointError, match=r"vae/diffusion_pytorch_model\.safetensors: "):
        check_components(seal(folder))


def test_a_folder_goes_before_a_hub_id(sealed: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An existing folder is opened whatever its name looks like, and its revision is checked when one is given."""
    (tmp_path / "owner").mkdir()
    sealed.folder.rename(tmp_path / "owner" / "name")
    monkeypatch.chdir(tmp_path)
    found = resolve("owner/name", revision=None, cache=tmp_path, offline=True)
    assert found.content == sealed.content
    assert resolve("owner/name", revision=sealed.content, cache=tmp_path, offline=True) == found
    with pytest.raises(CheckpointError, match=f"is revision {sealed.content}, not {COMMIT}"):
        resolve("owner/name", revision=COMMIT, cache=tmp_path, offline=True)


def test_a_hub_id_needs_a_commit(tmp_path: Path) -> None:
    """Names that may move are refused with the reason, and nothing is downloaded where that is not wanted."""
    for revision, reason in ((None, "needs a pinned revision"), ("main", "may move"), (COMMIT[:12], "no full commit")):
        with pytest.raises(CheckpointError, match=reason):
            resolve("owner/name", revision=revision, cache=tmp_path, offline=False)
    with pytest.raises(CheckpointError, match=f"skureel model fetch owner/name --revision {COMMIT}"):
        resolve("owner/name", revision=COMMIT, cache=tmp_path, offline=True)
    for name in ("name", "/no/folder", "owner/..", "a/b/c", "../name", ""):
        with pytest.raises(CheckpointError):
            resolve(name, revision=COMMIT, cache=tmp_path / "cache", offline=True)


def test_a_fetched_hub_id_is_found_in_the_cache(tmp_path: Path) -> None:
    """By owner, name and commit."""
    place = write(cached("owner/name", COMMIT, tmp_path))
    assert place == tmp_path / "owner--name" / COMMIT
    made = seal(place, "owner/name", COMMIT)
    assert resolve("owner/name", revision=COMMIT, cache=tmp_path, offline=True) == made


def test_a_planner_needs_no_weights(sealed: Checkpoint, tmp_path: Path) -> None:
    """The pinned revision is enough; without one, the folder's own counts."""
    assert revision_of("owner/name", revision=COMMIT, cache=tmp_path) == COMMIT
    assert revision_of(str(tmp_path / "absent"), revision=COMMIT, cache=tmp_path) == COMMIT
    assert revision_of(str(sealed.folder), revision=None, cache=tmp_path) == sealed.revision
    for name, revision in (("owner/name", None), ("owner/name", "main"), (str(tmp_path / "absent"), "latest")):
        with pytest.raises(CheckpointError):
            revision_of(name, revision=revision, cache=tmp_path)


def test_no_library_of_the_gpu_extra_is_imported() -> None:
    """Planners and doctors ask here on machines that have none of them."""
    code = (
        "import sys; import model.wan.checkpoint; "
        "print([name for name in ('torch', 'huggingface_hub', 'safetensors', 'diffusers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_unreadable_file_is_told(sealed: Checkpoint) -> None:
    """What the machine refuses is the checkpoint's error too, not a traceback."""
    file = sealed.folder / "README.md"
    size = file.stat().st_size
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(CheckpointError, match=rf"README.md: 0 bytes, the manifest says {size}"):
        verify(sealed, digests=True)
