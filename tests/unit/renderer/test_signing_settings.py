"""Signing as it is configured: refused at the start where it cannot be, done by every command that finishes clips."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from consumer.events import utc_now
from consumer.operate.checks import making
from consumer.renderer.signing import signer_of
from consumer.settings import C2paSettings, ClipSettings, Planner, Settings
from model.provenance import CredentialsError
from tests.commands import leave_settings, skureel
from tests.credentials import Files, credentials


def settings_of(files: Files) -> C2paSettings:
    """The settings that name them."""
    return C2paSettings(certificate=files.certificate, key=files.key)


def test_half_a_pair_and_odd_addresses_are_refused() -> None:
    """Certificate and key come together, a timestamp authority is asked by http, and half a year is kept at least."""
    with pytest.raises(ValidationError, match="come together"):
        C2paSettings(certificate=Path("sign.pem"))
    with pytest.raises(ValidationError, match="timestamp_url"):
        C2paSettings(timestamp_url="ftp://example.com")
    with pytest.raises(ValidationError, match="audit_days"):
        Planner(audit_days=182)
    assert Planner(audit_days=183).audit_days == 183


def test_what_is_configured_is_what_signs(tmp_path: Path) -> None:
    """Nothing is nobody; a pair is a signer that has signed; an unfit one is refused by the setting's name."""
    assert signer_of(C2paSettings()) is None
    found = signer_of(settings_of(credentials(tmp_path)))
    assert found is not None
    assert found.credentials.subject == "CN=clips.example.com,O=Example Shop"
    with pytest.raises(CredentialsError, match=r"clip\.c2pa\.certificate .* expired"):
        signer_of(settings_of(credentials(tmp_path, days=(-9, -1))))


def test_a_service_that_could_not_sign_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong configuration, exit code 2, with the reason in a line and nothing of the key."""
    leave_settings(monkeypatch, tmp_path)
    files = credentials(tmp_path / "c2pa", days=(-9, -1))
    for name, value in files.environment.items():
        monkeypatch.setenv(name, value)
    ran = skureel("run", "--role", "dresser")
    assert ran.code == 2
    assert "clip.c2pa.certificate" in ran.err
    assert "expired at" in ran.err
    assert files.key.read_text().splitlines()[1] not in ran.err + ran.out


def test_generate_signs_as_the_service_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says so; a pair that is unfit is wrong usage, before the engine has begun."""
    leave_settings(monkeypatch, tmp_path)
    files, clip = credentials(tmp_path / "c2pa"), tmp_path / "mug.mp4"
    for name, value in files.environment.items():
        monkeypatch.setenv(name, value)
    ask = ("generate", "--prompt", "a mug", "--size", "160x120", "--seconds", "0.5", "-o", str(clip))
    assert skureel(*ask, "--json").json()["labels"] == ["c2pa"]
    assert skureel("verify", "--require", "c2pa", "--trust", str(files.root), str(clip)).code == 0
    credentials(tmp_path / "c2pa", days=(1, 9))
    ran = skureel(*ask)
    assert ran.code == 2
    assert "not valid before" in ran.err


def test_doctor_looks_at_the_signature_and_at_its_last_day(tmp_path: Path) -> None:
    """Not configured is fine, in force is fine, near its end is a warning, unfit a failure."""

    def status(c2pa: C2paSettings) -> tuple[str, str]:
        (found,) = making._signing(Settings(clip=ClipSettings(c2pa=c2pa)))
        return found.status, found.found

    assert status(C2paSettings()) == ("ok", "clips are not signed: clip.c2pa.certificate is not set")
    assert status(settings_of(credentials(tmp_path)))[0] == "ok"
    near, told = status(settings_of(credentials(tmp_path, days=(-1, 9))))
    assert near == "warn"
    assert f"until {(utc_now() + timedelta(days=9)).date().isoformat()}" in told
    assert status(settings_of(credentials(tmp_path, days=(-9, -1))))[0] == "fail"
