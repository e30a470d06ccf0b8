"""docs/LABELS.md tells what clips say of themselves, and its lines make a certificate that signs."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from consumer.observe.metrics import UNLABELLED
from consumer.settings import Planner
from model.finish import finish
from model.provenance import anchors_of, credentials_of, manifest, open_signer, read_signature
from model.visible import GLYPH_SHARE
from tests.unit.docs.documents import blocks
from tests.unit.docs.pages import ROOT
from tests.unit.model_clip.samples import base_of_gradient, recipe

PAGE = (ROOT / "docs" / "LABELS.md").read_text(encoding="utf-8")


def test_the_lines_make_a_certificate_that_signs(tmp_path: Path) -> None:
    """As they stand: an authority, a certificate of its, and a clip that verifies as trusted by it."""
    if shutil.which("openssl") is None:
        assert "CI" not in os.environ, "openssl is not installed"
        pytest.skip("openssl is not installed")
    (lines,) = [block.text for block in blocks(PAGE) if block.kind == "sh openssl"]
    subprocess.run(["bash", "-euc", lines], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    own = credentials_of(tmp_path / "sign.pem", tmp_path / "sign.key", now=datetime.now(UTC))
    data = finish(base_of_gradient(), recipe(), generative=False, signer=open_signer(own, "1")).data
    found = read_signature(data, anchors_of(tmp_path / "root.pem"))
    assert found is not None
    assert (found.state, found.signer) == ("trusted", "clips.example.com, Example Shop")


def test_the_pages_figures_and_terms_are_the_codes() -> None:
    """Shares, days, source types and the metric's name."""
    days = Planner.model_fields["audit_days"]
    assert f"({days.default} by default, {days.metadata[0].ge} at the least" in PAGE
    assert f"at least {GLYPH_SHARE * 100:g} %" in PAGE
    assert f"`{UNLABELLED.name}`" in PAGE
    for term in (manifest.TRAINED, manifest.COMPOSITE, manifest.ALGORITHMIC):
        assert f"| `{term.removeprefix(manifest.SOURCES)}` |" in PAGE
    assert f"| `{manifest.CREATED}` |" in PAGE
    assert f"| `{manifest.EDITED}` |" in PAGE
