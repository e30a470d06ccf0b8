"""C2PA: the signature is the last thing in a file, says what is true of it, and breaks when anything changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from model.boxes import boxes, is_faststart, read_tags
from model.encode import key_pictures_of, opening_picture_of, planar_frames_of
from model.errors import DecodeError, LabelError
from model.finish import Finished, dress_body, finish, finish_body, stands_for
from model.label import AIGC, check_labels
from model.provenance import (
    CredentialsError,
    ProvenanceError,
    Signer,
    SigningError,
    anchors_of,
    credentials_of,
    open_signer,
    read_signature,
    signing,
)
from model.provenance.manifest import manifest_of
from model.recipe import EndCard, Photo, Recipe
from model.splice import joint_faults
from tests.credentials import SIGNER, Files, Kind, credentials, signer
from tests.unit.model_clip.samples import base_of_gradient, generated, recipe, scene
from tests.unit.model_verify.files import remuxed
from tests.unit.renderer.test_photos import certificate

CARD = EndCard(headline="Winter sale", locale="en", colour="#1F3A5F")
MADE = generated(scene(width=320, height=240))
WITH_CARD = replace(MADE, dressing=replace(MADE.dressing, end_card=CARD))
SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A certificate that is fit, and its key."""
    return credentials(tmp_path_factory.mktemp("c2pa"))


@pytest.fixture(scope="module")
def by(files: Files) -> Signer:
    """Who signs."""
    return signer(files)


@pytest.fixture(scope="module")
def finished(by: Signer) -> Finished:
    """A generated clip with an end card, signed."""
    return finish(base_of_gradient(24, 320, 240), WITH_CARD, generative=True, signer=by)


def changed(data: bytes, kind: str) -> bytes:
    """One bit in the middle of a box turned over."""
    (box,) = [each for each in boxes(data) if each.kind == kind]
    middle = (box.body + box.end) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def test_a_signed_clip_is_the_same_clip_with_a_signature_that_holds(finished: Finished) -> None:
    """Same packets, same tags, still headers first; the event names the third label."""
    plain = finish(base_of_gradient(24, 320, 240), WITH_CARD, generative=True)
    assert finished.labels == ("visible", "aigc", "c2pa")
    assert joint_faults(finished.data, [plain.data]) == []
    assert read_tags(finished.data) == read_tags(plain.data)
    assert check_labels(finished.data, WITH_CARD, generative=True) == []
    assert is_faststart(finished.data)
    assert finished.sha256 == hashlib.sha256(finished.data).hexdigest()
    assert len(finished.data) - len(plain.data) < 8_000
    found = read_signature(finished.data)
    assert found is not None
    assert (found.state, found.faults, found.signed_at) == ("valid", (), None)
    assert (found.signer, found.algorithm, found.generator) == (SIGNER, "es256", "skureel 0.1.0")
    assert [(each.name, each.source) for each in found.actions] == [
        ("c2pa.created", f"{SOURCES}trainedAlgorithmicMedia"),
        ("c2pa.edited", ""),
    ]


@pytest.mark.parametrize(
    ("made", "generative", "source", "edits"),
    [
        (MADE, True, "trainedAlgorithmicMedia", ["visible AI label"]),
        (WITH_CARD, True, "trainedAlgorithmicMedia", ["visible AI label, end card"]),
        (recipe(), False, "algorithmicMedia", []),
        (replace(recipe(), scene=replace(scene(), mode="image", photo=Photo(url="u"))), False, "composite", []),
    ],
)
def test_the_manifest_says_what_is_true_of_each_clip(
    made: Recipe, generative: bool, source: str, edits: list[str]
) -> None:
    """By a model; by an algorithm alone; or of a photo and drawing. And what was laid over it, if anything was."""
    created, *edited = manifest_of(made, generative=generative, version="1")["assertions"][0]["data"]["actions"]
    assert (created["action"], created["digitalSourceType"]) == ("c2pa.created", SOURCES + source)
    assert created["softwareAgent"] == {"name": made.scene.engine, "version": made.scene.engine_revision}
    assert [each["parameters"]["description"] for each in edited] == edits


def test_a_drawn_clip_is_signed_and_stays_unlabelled(by: Signer) -> None:
    """Its one label is the signature, which says that no model made it."""
    data = finish(base_of_gradient(), recipe(), generative=False, signer=by)
    assert data.labels == ("c2pa",)
    assert not any(key == AIGC for key, _ in read_tags(data.data))
    assert by.check(data.data, recipe(), generative=False) is None
    assert "not with c2pa.created" in str(by.check(data.data, recipe(), generative=True))


def test_two_signatures_of_one_clip_differ_and_stand_for_each_other(finished: Finished, by: Signer) -> None:
    """Whoever stored first stays; a clip of another recipe, or one that was changed, does not."""
    again = finish(base_of_gradient(24, 320, 240), WITH_CARD, generative=True, signer=by)
    assert again.data != finished.data

    def fit(data: bytes) -> bool:
        return stands_for(data, finished, WITH_CARD, generative=True, signer=by)

    assert fit(again.data)
    assert not fit(changed(again.data, "mdat"))
    assert not fit(finish(base_of_gradient(24, 320, 240), MADE, generative=True, signer=by).data)
    assert not fit(again.data[: len(again.data) // 2])


@pytest.mark.parametrize("kind", ["mdat", "moov"])
def test_a_bit_that_turned_over_breaks_the_signature(finished: Finished, by: Signer, kind: str) -> None:
    """In the pictures, and in the headers with their tags."""
    data = changed(finished.data, kind)
    found = read_signature(data)
    assert found is not None
    assert (found.state, found.faults) == ("invalid", ("assertion.bmffHash.mismatch",))
    assert "assertion.bmffHash.mismatch" in str(by.check(data, WITH_CARD, generative=True))


def test_a_remux_loses_the_signature(finished: Finished, by: Signer) -> None:
    """What other programs write anew is no longer what was signed."""
    data = remuxed(finished.data)
    assert read_signature(data) is None
    assert by.check(data, WITH_CARD, generative=True) == "there is no C2PA manifest"


def test_a_manifest_without_sense_cannot_be_read(finished: Finished, by: Signer) -> None:
    """It is told from a file that has none."""
    (box,) = [each for each in boxes(finished.data) if each.kind == "uuid"]
    data = finished.data[: box.body + 40] + bytes(box.end - box.body - 40) + finished.data[box.end :]
    with pytest.raises(ProvenanceError, match="cannot be read"):
        read_signature(data)
    assert "cannot be read" in str(by.check(data, WITH_CARD, generative=True))


def test_trust_is_what_the_reader_says(finished: Finished, files: Files, tmp_path: Path) -> None:
    """The authority's certificate makes it trusted, a stranger's does not, and a file without one is refused."""
    own = read_signature(finished.data, anchors_of(files.root))
    assert own is not None
    assert own.state == "trusted"
    other = read_signature(finished.data, anchors_of(certificate(tmp_path)[0]))
    assert other is not None
    assert other.state == "valid"
    for path, said in ((files.key, "no certificate"), (tmp_path / "none.pem", "No such file")):
        with pytest.raises(ProvenanceError, match=said):
            anchors_of(path)


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("p384", "es384"), ("ed25519", "ed25519"), ("rsa", "ps256"), ("p256", "es256")]
)
def test_the_algorithm_is_the_keys(tmp_path: Path, kind: Kind, algorithm: str) -> None:
    """Signed and read back once at the opening, whatever the key."""
    assert signer(credentials(tmp_path, kind)).credentials.algorithm == algorithm


@pytest.mark.parametrize(
    ("unfit", "said"),
    [
        (lambda folder: credentials(folder, days=(-30, -1)), "expired at"),
        (lambda folder: credentials(folder, days=(1, 30)), "not valid before"),
        (lambda folder: credentials(folder, ca=True), "it is an authority's"),
        (lambda folder: credentials(folder, signs=False), "digitalSignature"),
        (lambda folder: credentials(folder, purpose=False), "no extendedKeyUsage"),
        (lambda folder: credentials(folder, passphrase=b"secret"), "is encrypted"),
        (lambda folder: credentials(folder, "secp256k1"), "no signature by a key of kind elliptic curve secp256k1"),
        (lambda folder: credentials(folder, "rsa1024"), "RSA of 1024 bits"),
        (lambda folder: replace(credentials(folder), key=credentials(folder / "2", "p384").key), "is not the key"),
        (lambda folder: replace(credentials(folder), key=credentials(folder).root), "no private key in PEM"),
        (lambda folder: replace(credentials(folder), certificate=credentials(folder).key), "no certificate in PEM"),
        (lambda folder: replace(credentials(folder), key=folder / "none"), "No such file"),
    ],
)
def test_unfit_credentials_are_refused_with_the_setting_and_the_reason(
    tmp_path: Path, unfit: Callable[[Path], Files], said: str
) -> None:
    """Before the first clip; and nothing of the key is told."""
    files = unfit(tmp_path)
    with pytest.raises(CredentialsError, match=said) as refused:
        credentials_of(files.certificate, files.key, now=datetime.now(UTC))
    assert "clip.c2pa." in str(refused.value)
    assert "PRIVATE" not in str(refused.value)


def test_an_algorithm_that_the_key_cannot_do_is_refused(files: Files) -> None:
    """The message says which one it can."""
    with pytest.raises(CredentialsError, match=r"clip\.c2pa\.algorithm: ps256 .*; es256 is"):
        credentials_of(files.certificate, files.key, now=datetime.now(UTC), algorithm="ps256")


def test_the_trial_shows_what_no_look_at_the_certificate_does(by: Signer, tmp_path: Path) -> None:
    """Another's key under a certificate makes a signature that does not hold; and no repr tells of a key."""
    wrong = replace(by.credentials, key=credentials(tmp_path, "p384").key.read_bytes(), algorithm="es384")
    with pytest.raises(CredentialsError, match=r"clip\.c2pa\.certificate"):
        open_signer(wrong, "1")
    assert "PRIVATE" not in repr(by.credentials)


def test_without_the_extra_it_is_refused_by_name(by: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says what to install."""
    monkeypatch.setattr(signing, "available", lambda: False)
    with pytest.raises(CredentialsError, match=r"skureel\[c2pa\]"):
        open_signer(by.credentials, "1")


def test_a_timestamp_authority_that_is_out_leaves_no_clip(by: Signer) -> None:
    """Nobody listens there: signing fails, and no clip comes back that would have to be signed later."""
    late = Signer(replace(by.credentials, timestamp_url="http://127.0.0.1:9/"), "1")
    with pytest.raises(SigningError, match="cannot be signed"):
        finish(base_of_gradient(), generated(), generative=True, signer=late)


def test_a_clip_that_is_not_signed_where_it_should_be_is_never_returned(
    by: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step left out is noticed when the bytes are read back."""
    monkeypatch.setattr(Signer, "sign", lambda _, data, *__, **___: data)
    with pytest.raises(SigningError, match="no C2PA manifest"):
        finish(base_of_gradient(), generated(), generative=True, signer=by)


def test_the_pictures_that_are_looked_at_are_the_files() -> None:
    """The opening picture alone, and the key frames, are what decoding everything gives; a damaged one is an error."""
    data = finish(
        base_of_gradient(48, 320, 240), generated(scene(width=320, height=240, frames=48)), generative=True
    ).data
    pictures = list(planar_frames_of(data))
    assert np.array_equal(opening_picture_of(data), pictures[0])
    keys = list(key_pictures_of(data))
    assert len(keys) == 2
    assert all(np.array_equal(key, pictures[24 * at]) for at, key in enumerate(keys))
    (mdat,) = [each for each in boxes(data) if each.kind == "mdat"]
    broken = data[: mdat.body] + bytes(mdat.end - mdat.body)
    with pytest.raises(DecodeError):
        opening_picture_of(broken)
    with pytest.raises(DecodeError):
        list(key_pictures_of(broken))


def test_a_visible_label_that_is_not_in_the_pictures_is_noticed() -> None:
    """In the body, and in an end card alone; a body that has it passes."""
    base = base_of_gradient(24, 320, 240)
    unlabelled = dress_body(base, recipe(scene(width=320, height=240)))
    with pytest.raises(LabelError, match="visible label: 'AI生成' is not legible on picture 1 of"):
        finish_body(unlabelled, MADE, generative=True)
    labelled = dress_body(base, MADE)
    assert (unlabelled.label, labelled.label) == (None, "AI生成")
    assert finish_body(labelled, WITH_CARD, generative=True).labels == ("visible", "aigc")
    with pytest.raises(LabelError, match="picture 1 of"):  # seen was another label than this recipe's
        finish_body(replace(unlabelled, label="AI"), MADE, generative=True)
