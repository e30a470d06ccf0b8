"""Signatures as a stranger sees them: whose, whether they hold, and what is asked of them; in code and on the command
line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from model.finish import finish
from model.provenance import anchors_of
from model.recipe import Recipe
from model.verify import Demand, Verdict, signed, verify
from tests.commands import skureel
from tests.credentials import SIGNER, credentials, signer
from tests.unit.model_clip.samples import base_of_gradient, recipe, scene
from tests.unit.model_provenance.test_provenance import changed
from tests.unit.model_verify.files import FRAMES, HEIGHT, WIDTH, failing, finding, labelled, made, remuxed
from tests.unit.renderer.test_photos import certificate

REQUIRED = Demand(required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Clips as they are published where signing is configured, and the authority's certificate."""

    generated: bytes
    drawn: bytes
    root: Path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    """One that a model generated, one that none did."""
    files = credentials(tmp_path_factory.mktemp("c2pa"))
    by, base = signer(files), base_of_gradient(FRAMES, WIDTH, HEIGHT)
    plain = recipe(scene(width=WIDTH, height=HEIGHT, frames=FRAMES))
    return Signed(
        generated=finish(base, made(), generative=True, signer=by).data,
        drawn=finish(base, plain, generative=False, signer=by).data,
        root=files.root,
    )


def seal(verdict: Verdict) -> tuple[str, str, str]:
    """Status of the signature's check, what was found, and why."""
    found = finding(verdict, "c2pa")
    return found.status, found.found, found.why


def test_a_signature_that_holds_is_told_with_its_signer(clips: Signed) -> None:
    """Untrusted is a note, for nobody said whom to trust; an anchor settles it, either way."""
    told = f"signed by {SIGNER} (es256): c2pa.created (trainedAlgorithmicMedia), c2pa.edited"
    status, found, why = seal(verify(clips.generated, demand=REQUIRED))
    assert (status, found) == ("note", f"valid, {told}")
    assert "--trust" in why
    assert verify(clips.generated, demand=REQUIRED).holds
    trusting = verify(clips.generated, demand=Demand(anchors=anchors_of(clips.root)))
    assert seal(trusting)[:2] == ("ok", f"valid and trusted, {told}")
    facts = trusting.facts["c2pa"]
    assert isinstance(facts, dict)
    assert (facts["state"], facts["signer"], facts["generator"]) == ("trusted", SIGNER, "skureel 0.1.0")


def test_a_chain_that_leads_to_no_anchor_fails_where_anchors_are_named(clips: Signed, tmp_path: Path) -> None:
    """It is valid all the same, and both are said."""
    verdict = verify(clips.generated, demand=Demand(anchors=anchors_of(certificate(tmp_path)[0])))
    status, found, why = seal(verdict)
    assert status == "fail"
    assert found.startswith(f"valid, signed by {SIGNER}")
    assert "none of those that are trusted" in why


def test_what_was_changed_after_signing_is_caught(clips: Signed) -> None:
    """One bit in the pictures; the file may decode and be labelled as before."""
    status, found, why = seal(verify(changed(clips.generated, "mdat")))
    assert (status, why) == ("fail", "the file was changed after it was signed")
    assert found.startswith(f"invalid, signed by {SIGNER}")


def test_a_signature_that_must_be_there_and_is_not_fails(clips: Signed) -> None:
    """Whether there never was one or a remux dropped it; unless asked for, absence is no fault."""
    assert failing(verify(labelled(), demand=REQUIRED)) == ["c2pa"]
    assert failing(verify(remuxed(clips.generated), demand=REQUIRED)) == ["metadata_label", "c2pa"]
    assert failing(verify(remuxed(clips.generated, movflags="faststart+use_metadata_tags"), demand=REQUIRED)) == [
        "c2pa"
    ]
    assert seal(verify(labelled())) == ("ok", "absent", "")


def test_a_signature_is_a_word_on_the_origin(clips: Signed) -> None:
    """A drawn clip's says that no model made it; that of a generated one contradicts whoever says so."""
    assert verify(clips.drawn, demand=REQUIRED).holds
    assert finding(verify(clips.drawn), "origin").found == "drawn without a model, by its comment"
    assert "(algorithmicMedia)" in seal(verify(clips.drawn))[1]
    assert "signature" in finding(verify(clips.generated), "origin").found


def test_a_lie_in_the_comment_is_caught_by_the_signature(tmp_path: Path) -> None:
    """Tags and picture say that nothing was generated, the signature vouches for the contrary."""
    by = signer(credentials(tmp_path))
    plain: Recipe = recipe(scene(width=WIDTH, height=HEIGHT, frames=FRAMES))
    unlabelled = finish(base_of_gradient(FRAMES, WIDTH, HEIGHT), plain, generative=False).data
    verdict = verify(by.sign(unlabelled, plain, generative=True))
    origin = finding(verdict, "origin")
    assert (origin.status, origin.found) == ("fail", "contradictory")
    assert "signature" in origin.why


def test_without_the_extra_a_signature_is_told_and_not_believed(clips: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    """No fault, unless a signature is asked for: then what cannot be validated fails, and says what to install."""
    monkeypatch.setattr(signed, "available", lambda: False)
    assert seal(verify(clips.generated))[:2] == ("note", "present, not validated")
    assert "signature" not in finding(verify(clips.generated), "origin").found
    status, _, why = seal(verify(clips.generated, demand=REQUIRED))
    assert status == "fail"
    assert "skureel[c2pa]" in why


def test_the_command_asks_as_it_is_told(clips: Signed, tmp_path: Path) -> None:
    """--require and --trust; anchors that cannot be read are wrong usage."""
    one, two = tmp_path / "signed.mp4", tmp_path / "unsigned.mp4"
    one.write_bytes(clips.generated)
    two.write_bytes(labelled())
    ran = skureel("verify", "--json", "--require", "c2pa", "--trust", str(clips.root), str(one), str(two))
    held, failed = ran.json()
    assert (ran.code, held["ending"], failed["ending"]) == (1, "holds", "fails")
    assert held["facts"]["c2pa"]["state"] == "trusted"
    assert json.dumps(held).count("PRIVATE") == 0
    ran = skureel("verify", "--trust", str(one), str(one))
    assert ran.code == 2
    assert "--trust" in ran.err
