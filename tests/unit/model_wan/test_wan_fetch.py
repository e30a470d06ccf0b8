"""From the hub to a sealed folder, over a hub on loopback: resumed, compared, and told what to do when it fails."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from model.wan.checkpoint import (
    MANIFEST,
    Checkpoint,
    CheckpointError,
    UnavailableError,
    cached,
    check_components,
    resolve,
    verify,
)
from model.wan.fetch import fetch, look
from model.wan.hub import PIECE, Patience
from model.wan.hub import Hub as HubClient
from tests.unit.model_wan.folders import SHARDS, contents
from tests.unit.model_wan.hub import COMMIT, REPO, Hub, serving

QUICK = Patience(attempts=3, pause=0.0)
LARGE = "vae/diffusion_pytorch_model.safetensors"
SECRET = "hf_verysecret"
BULK = bytes(range(256)) * (5 * PIECE // 256)


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No proxy, offline as at run time, and the library's connections closed."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    huggingface_hub.close_session()
    yield
    huggingface_hub.close_session()


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub with one whole checkpoint, and much that belongs to none."""
    more = {
        "LICENSE.txt": b"words",
        "assets/logo.png": b"\x89PNG",
        "examples/run.py": b"import os",
        "transformer/pytorch_model.bin": b"pickle",
        "transformer/model.py": b"import os",
        "google/umt5/tokenizer.json": b"{}",
        MANIFEST: b"{}",
    }
    with serving({**contents(), **more}) as served:
        yield served


def _fetch(hub: Hub, folder: Path, revision: str = COMMIT, token: str | None = None) -> Checkpoint:
    return fetch(REPO, revision, folder, endpoint=hub.endpoint, token=token, patience=QUICK)


def test_a_fetched_folder_is_whole_and_sealed(hub: Hub, tmp_path: Path) -> None:
    """What belongs to the pipeline comes, no more; it is what the hub has, and pinned."""
    told: list[tuple[int, int]] = []
    folder = tmp_path / "models" / "wan"
    fetched = fetch(REPO, "main", folder, endpoint=hub.endpoint, patience=QUICK, progress=lambda *now: told.append(now))
    assert (fetched.source, fetched.hub_revision, fetched.licence) == (REPO, COMMIT, "apache-2.0")
    expected = {**contents(), "LICENSE.txt": b"words"}
    assert {f.path: (folder / f.path).read_bytes() for f in fetched.files} == expected
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == {*expected, MANIFEST}
    assert [path.name for path in folder.parent.iterdir()] == ["wan"]
    verify(fetched, digests=True)
    assert len(check_components(fetched)) == 5
    assert told[-1] == (fetched.size, fetched.size)


def test_a_branch_becomes_its_commit(hub: Hub) -> None:
    """A listing by branch is of one commit, and files are then asked for by that commit alone."""
    listing = look(REPO, "main", endpoint=hub.endpoint)
    assert listing.commit == COMMIT
    assert {file.sha256 is None for file in listing.files if file.path.endswith(".safetensors")} == {False}


def test_files_come_from_the_commit(hub: Hub, tmp_path: Path) -> None:
    """However the revision was named: a branch may move during a fetch."""
    _fetch(hub, tmp_path / "wan", "main")
    assert {a.path.split("/")[4] for a in hub.asked if "/resolve/" in a.path} == {COMMIT}


def test_fetching_lifts_offline_mode_and_puts_it_back(hub: Hub, tmp_path: Path) -> None:
    """Offline at run time does not stop who was told to fetch; and whoever comes after is offline again."""
    _fetch(hub, tmp_path / "wan")
    assert constants.HF_HUB_OFFLINE is True
    with pytest.raises(CheckpointError):
        _fetch(hub, tmp_path / "other", "gone")
    assert constants.HF_HUB_OFFLINE is True


def test_a_broken_connection_is_gone_on_with(hub: Hub, tmp_path: Path) -> None:
    """From the byte where it broke, as often as it takes, while bytes arrive."""
    hub.files = {**hub.files, LARGE: BULK}
    hub.cuts[LARGE] = [2 * PIECE, PIECE, PIECE // 2, PIECE]
    fetched = _fetch(hub, tmp_path / "wan")
    assert (tmp_path / "wan" / LARGE).read_bytes() == BULK
    starts = [int(str(asked).removeprefix("bytes=").rstrip("-")) for asked in hub.ranges_of(LARGE)]
    assert starts == [0, 2 * PIECE, 3 * PIECE, 3 * PIECE, 4 * PIECE]
    verify(fetched, digests=True)


def test_a_server_without_ranges_is_read_past_what_is_there(hub: Hub, tmp_path: Path) -> None:
    """Where the whole file is answered, its beginning is not written twice."""
    hub.files = {**hub.files, LARGE: BULK}
    hub.ranges = False
    hub.cuts[LARGE] = [3 * PIECE]
    _fetch(hub, tmp_path / "wan")
    assert (tmp_path / "wan" / LARGE).read_bytes() == BULK


def test_a_killed_fetch_is_gone_on_with(hub: Hub, tmp_path: Path) -> None:
    """What a killed process had of a file is kept, and its folder never looks finished."""
    hub.files = {**hub.files, LARGE: BULK}
    hub.holds[LARGE] = 3 * PIECE + 7
    folder = tmp_path / "wan"
    code = (
        "from pathlib import Path; from model.wan.fetch import fetch; "
        f"fetch({REPO!r}, {COMMIT!r}, Path({str(folder)!r}), endpoint={hub.endpoint!r})"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as process:
        assert hub.held.wait(60)
        part = folder.with_name(".wan.fetching") / f"{LARGE}.part"
        while not part.exists() or part.stat().st_size < 3 * PIECE:
            assert process.poll() is None
            os.sched_yield()
        process.kill()
    hub.release.set()
    assert not folder.exists()
    before = len(hub.ranges_of(LARGE))
    verify(_fetch(hub, folder), digests=True)
    assert hub.ranges_of(LARGE)[before:] == [f"bytes={3 * PIECE}-"]
    assert not folder.with_name(".wan.fetching").exists()


def test_what_was_left_wrong_is_fetched_anew(hub: Hub, tmp_path: Path) -> None:
    """A left-over part that is not the beginning of the file, or longer than it, costs a download and no more."""
    staging = tmp_path / ".wan.fetching"
    for path, left in ((f"{LARGE}.part", b"wrong"), ("vae/config.json.part", bytes(10_000)), ("junk.json", b"{}")):
        (staging / path).parent.mkdir(parents=True, exist_ok=True)
        (staging / path).write_bytes(left)
    verify(_fetch(hub, tmp_path / "wan"), digests=True)
    assert (tmp_path / "wan" / LARGE).read_bytes() == contents()[LARGE]
    assert not (tmp_path / "wan" / "junk.json").exists()


@pytest.mark.parametrize("path", [LARGE, "vae/config.json"])
def test_other_bytes_than_listed_are_refused(hub: Hub, tmp_path: Path, path: str) -> None:
    """Large files by SHA-256, small ones by git's digest; nothing of it is kept or sealed."""
    true = hub.files[path]
    hub.tampered[path] = bytes([true[0] ^ 1]) + true[1:]
    with pytest.raises(CheckpointError, match=f"{path} came with another digest"):
        _fetch(hub, tmp_path / "wan")
    assert not (tmp_path / "wan").exists()
    hub.tampered.clear()
    verify(_fetch(hub, tmp_path / "wan"), digests=True)


def test_a_damaged_folder_is_mended(hub: Hub, tmp_path: Path) -> None:
    """Fetching again what is there compares it, and asks only for what is damaged."""
    folder = tmp_path / "wan"
    first = _fetch(hub, folder)
    (folder / LARGE).write_bytes(b"damaged")
    hub.asked.clear()
    assert _fetch(hub, folder) == first
    verify(first, digests=True)
    assert {asked.path for asked in hub.asked if "/content/" in asked.path} == {f"/content/{LARGE}"}


def test_another_folder_is_not_touched(hub: Hub, tmp_path: Path) -> None:
    """A folder with files of its own, or of another commit, is refused; an empty one is taken."""
    folder = tmp_path / "wan"
    folder.mkdir()
    (folder / "mine.txt").write_text("x")
    with pytest.raises(CheckpointError, match="already there"):
        _fetch(hub, folder)
    assert (folder / "mine.txt").read_text() == "x"
    (folder / "mine.txt").unlink()
    assert _fetch(hub, folder).hub_revision == COMMIT


def test_two_fetches_at_once_do_not_mix(hub: Hub, tmp_path: Path) -> None:
    """The second is refused while the first is at work."""
    hub.holds[LARGE] = 10
    refused: list[str] = []

    def second(_done: int, _total: int) -> None:
        if not refused:
            with pytest.raises(CheckpointError, match="another fetch is at work") as caught:
                _fetch(hub, tmp_path / "wan")
            refused.append(str(caught.value))
            hub.release.set()

    fetch(REPO, COMMIT, tmp_path / "wan", endpoint=hub.endpoint, patience=QUICK, progress=second)
    assert refused


@pytest.mark.parametrize("statuses", [[500, 200], [503, 429, 200]])
@pytest.mark.parametrize("where", ["api", LARGE, "vae/config.json"])
def test_a_busy_hub_is_asked_again(hub: Hub, tmp_path: Path, where: str, statuses: list[int]) -> None:
    """A few errors of the server's cost time only."""
    hub.answers[where] = statuses
    verify(_fetch(hub, tmp_path / "wan"), digests=True)


@pytest.mark.parametrize("where", ["api", LARGE])
def test_a_hub_that_stays_broken_is_told(hub: Hub, tmp_path: Path, where: str) -> None:
    """After enough attempts it is unavailable, and what is there stays for the next time."""
    hub.answers[where] = [500]
    with pytest.raises(UnavailableError, match="the hub answered 500; try again later"):
        _fetch(hub, tmp_path / "wan")
    asked = [a for a in hub.asked if a.path == f"/content/{where}" or a.path.startswith("/api/")]
    assert len(asked) == (3 if where == "api" else 4)


def test_no_hub_is_told(hub: Hub, tmp_path: Path) -> None:
    """An address where nobody answers."""
    with pytest.raises(UnavailableError, match=r"cannot be reached \(ConnectError\)"):
        fetch(REPO, COMMIT, tmp_path / "wan", endpoint="http://127.0.0.1:1", patience=QUICK)
    assert not hub.asked


@pytest.mark.parametrize(
    ("repo", "revision", "reason"),
    [
        ("owner/other", COMMIT, "not found"),
        (REPO, "gone", "no such revision"),
        (REPO, "0" * 40, "no such revision"),
        ("nameonly", COMMIT, "no hub id"),
        ("../evil", COMMIT, "no hub id"),
    ],
)
def test_what_is_not_there_is_told(hub: Hub, tmp_path: Path, repo: str, revision: str, reason: str) -> None:
    """A repository or revision that the hub does not have is an error at once."""
    with pytest.raises(CheckpointError, match=reason):
        fetch(repo, revision, tmp_path / "wan", endpoint=hub.endpoint, patience=QUICK)
    assert len(hub.asked) <= 1
    assert not (tmp_path / "wan").exists()


def test_tokens_are_asked_for_and_kept(hub: Hub, tmp_path: Path) -> None:
    """Without one, or with a wrong one, the message says so; no message or traceback shows it."""
    hub.token, wrong = SECRET, SECRET.swapcase()
    with pytest.raises(CheckpointError, match=r"refused \(401\): it needs a token and none is set"):
        _fetch(hub, tmp_path / "wan")
    with pytest.raises(CheckpointError, match=r"refused \(403\): the token given may not read it") as caught:
        _fetch(hub, tmp_path / "wan", token=wrong)
    shown = "".join(traceback.format_exception(caught.value))
    assert wrong not in shown
    assert wrong not in repr(HubClient(library=None, token=wrong))


def test_a_token_stays_with_the_hub(hub: Hub, tmp_path: Path) -> None:
    """It is sent to the hub alone, not to the host that a redirect leads to."""
    hub.token = SECRET
    _fetch(hub, tmp_path / "wan", token=SECRET)
    sent = {"/content/" in asked.path: asked.authorization for asked in hub.asked}
    assert sent == {False: f"Bearer {SECRET}", True: None}


def test_no_stored_token_is_sent(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what was given: the library would otherwise send one that it finds on the machine."""
    monkeypatch.setenv("HF_TOKEN", "hf_found")
    _fetch(hub, tmp_path / "wan")
    assert {asked.authorization for asked in hub.asked} == {None}


def test_too_little_room_is_told_before_the_download(hub: Hub, tmp_path: Path) -> None:
    """A checkpoint larger than the disk is refused with both figures, before a byte of it comes."""
    hub.sizes[LARGE] = 1 << 60
    with pytest.raises(CheckpointError, match=r"1152921504\.\d GB are still to come and [0-9.]+ GB are free"):
        _fetch(hub, tmp_path / "wan")
    assert not hub.ranges_of(LARGE)


def test_a_repository_of_another_layout_is_refused(hub: Hub, tmp_path: Path) -> None:
    """Before its gigabytes are downloaded."""
    hub.files = {path: data for path, data in hub.files.items() if path != "model_index.json"}
    with pytest.raises(CheckpointError, match=r"has no model_index\.json"):
        _fetch(hub, tmp_path / "wan")


def test_paths_of_a_listing_stay_in_the_folder(hub: Hub, tmp_path: Path) -> None:
    """A hub cannot write elsewhere."""
    evil = ["../evil.json", "/evil.json", "vae/../../evil.json", "vae//evil.json"]
    hub.files = {**hub.files, **dict.fromkeys(evil, b"{}")}
    fetched = _fetch(hub, tmp_path / "wan")
    assert not any("evil" in file.path for file in fetched.files)
    assert not (tmp_path / "evil.json").exists()


def test_a_stopped_fetch_ends_soon_and_goes_on_later(hub: Hub, tmp_path: Path) -> None:
    """Control-C, wherever it strikes, leaves something to go on with."""

    def stop(done: int, _total: int) -> None:
        if done > 1000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(REPO, COMMIT, tmp_path / "wan", endpoint=hub.endpoint, patience=QUICK, progress=stop)
    assert not (tmp_path / "wan").exists()
    verify(_fetch(hub, tmp_path / "wan"), digests=True)


def test_online_a_name_is_fetched_into_the_cache(hub: Hub, tmp_path: Path) -> None:
    """Where downloads are allowed, what is not in the cache comes into it, once."""
    for _ in range(2):
        found = resolve(REPO, revision=COMMIT, cache=tmp_path, offline=False, endpoint=hub.endpoint)
        assert found.folder == cached(REPO, COMMIT, tmp_path)
    assert sum(asked.path.startswith("/api/") for asked in hub.asked) == 1
    assert SHARDS[0] in {path.name for path in found.folder.rglob("*")}
