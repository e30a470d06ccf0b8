"""The laws of the soak's command: exit codes, and the checker asked again about what is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.services import fetch, programs
from tests.services.errors import ServiceError
from tests.soak.__main__ import main
from tests.soak.kept import keep
from tests.soak.workload import Scale, workload
from tests.unit.soak.perfect import perfect

SCALE = Scale(seconds=60, products=12, promos=4)


def test_a_kept_run_is_judged_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 without a violation; 1 with one, which is told."""
    case = perfect(workload(5, SCALE), SCALE.seconds)
    keep(tmp_path, SCALE.seconds, case.items, case.wires, case.seen)
    assert main(["check", str(tmp_path)]) == 0
    keep(tmp_path, SCALE.seconds, case.items, case.wires, replace(case.seen, unread=["a record"]))
    assert main(["check", str(tmp_path)]) == 1
    assert "all is read: a record" in capsys.readouterr().out


def test_what_is_no_folder_of_a_run_is_wrong_usage(tmp_path: Path) -> None:
    """2: nothing to check there; and nothing to write to where something lies already."""
    (tmp_path / "other").touch()
    for arguments in (["check", str(tmp_path)], ["run", "--out", str(tmp_path)]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2


def test_without_a_server_there_is_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """3, with the seed and the reason; the script is kept all the same."""

    def missing(*_: object) -> Path:
        raise ServiceError("no server here")

    monkeypatch.setattr(fetch, "minio_binary", missing)
    monkeypatch.setattr(fetch, "kafka_jars", missing)
    monkeypatch.setattr(programs, "postgres_tools", missing)
    out = tmp_path / "out"
    assert main(["run", "--seed", "9", "--minutes", "0.5", "--out", str(out)]) == 3
    told = capsys.readouterr().err
    assert "seed 9" in told
    assert "no server here" in told
    assert (out / "workload.jsonl").exists()
