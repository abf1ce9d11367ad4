"""Signatures: what they bind, who is trusted, and what a guard does about the others."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from andon import State
from andon.cli.commands import app
from andon.commands import Command
from andon.errors import SigningKeyError
from andon.signing import Keys, Signer, Verifier, write_new_key
from tests.andon.guarding import bench, command
from tests.andon.streaming import until


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return write_new_key(tmp_path / "key.pem")


def altered(signed: Command, **changes: object) -> bytes:
    return json.dumps(json.loads(signed.to_json()) | changes).encode()


def test_a_signed_command_is_trusted_whatever_its_spelling(signer: Signer) -> None:
    signed = signer.sign(command("refunds", 3, State.OPEN))
    verifier = Verifier([signer.public])
    record = json.loads(signed.to_json())
    assert verifier.problem(signed.to_json()) is None
    spelled = json.dumps(dict(reversed(record.items())), indent=3, ensure_ascii=True)
    assert verifier.problem(spelled.encode()) is None
    without_nulls = {key: value for key, value in record.items() if value is not None}
    assert verifier.problem(json.dumps(without_nulls).encode()) is None
    assert Command.model_validate_json(signed.to_json()) == signed


@pytest.mark.parametrize(
    "changes",
    [
        {"workflow": "payouts"},
        {"generation": 4},
        {"state": "CLOSED"},
        {"issued_by": "user:eve"},
        {"expires_at": "2026-11-23T12:00:00Z"},
        {"permits": 1000},
        {"anything": "new"},
        {"reason": {"text": "REASON"}},
    ],
)
def test_no_word_of_it_can_be_changed(signer: Signer, changes: dict[str, object]) -> None:
    signed = signer.sign(command("refunds", 3, State.OPEN))
    problem = Verifier([signer.public]).problem(altered(signed, **changes))
    assert problem == "its signature is wrong"


@given(st.text())
def test_whatever_stands_for_a_signature_is_refused(text: str) -> None:
    key = "ed25519:" + "A" * 43 + "="
    value = altered(command("refunds", 1, State.CLOSED), signature=text)
    assert Verifier([key]).problem(value)


def test_who_is_trusted(tmp_path: Path, signer: Signer) -> None:
    other = write_new_key(tmp_path / "other.pem")
    signed = signer.sign(command("refunds", 1, State.OPEN)).to_json()
    assert Verifier([other.public, signer.public]).problem(signed) is None
    assert "not trusted" in str(Verifier([other.public]).problem(signed))
    unsigned = command("refunds", 1, State.OPEN).to_json()
    assert Verifier([signer.public]).problem(unsigned) == "it is not signed"


def test_a_record_without_the_field_is_not_signed(signer: Signer) -> None:
    record = json.loads(command("refunds", 1, State.OPEN).to_json())
    del record["signature"]
    raw = json.dumps(record).encode()
    assert Verifier([signer.public]).problem(raw) == "it is not signed"


def test_who_asks_for_signatures_and_has_no_key_writes_nothing(signer: Signer) -> None:
    pause = command("refunds", 1, State.OPEN)
    with pytest.raises(SigningKeyError, match="ANDON_SIGNING_KEY: is required where"):
        Keys.of(None, signer.public).sign(pause)
    assert Keys.of(None, "").sign(pause) == pause


def test_who_signs_trusts_itself(tmp_path: Path, signer: Signer) -> None:
    other = write_new_key(tmp_path / "other.pem")
    keys = Keys.of(tmp_path / "key.pem", f" {other.public} ,")
    assert keys.signer
    assert keys.verifier
    for each in (keys.signer, signer, other):
        assert keys.verifier.problem(each.sign(command("w", 1, State.OPEN)).to_json()) is None
    assert Keys.of(None, "") == (None, None)


def test_a_key_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    made = write_new_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Signer.read(path).public == made.public
    with pytest.raises(SigningKeyError, match=r"key\.pem: cannot be written"):
        write_new_key(path)


@pytest.mark.parametrize("text", ["", "x", "ed25519:", "ed25519:AAAA", "rsa:" + "A" * 43 + "="])
def test_what_is_no_key_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(SigningKeyError, match="is no public key; write ed25519:"):
        Verifier([text])
    (tmp_path / "bad.pem").write_text(text)
    with pytest.raises(SigningKeyError, match=r"bad\.pem: no private key"):
        Signer.read(tmp_path / "bad.pem")


def test_a_guard_obeys_its_keys_alone(tmp_path: Path, signer: Signer) -> None:
    eve = write_new_key(tmp_path / "eve.pem")
    with bench(verify_keys=signer.public) as desk:
        pause = signer.sign(command("refunds", 1, State.OPEN))
        desk.stream.command(pause)
        release = command("refunds", 2, State.CLOSED)
        for forged in (release, eve.sign(release), release.model_copy(update={"signature": "x"})):
            with pytest.raises(TimeoutError):
                desk.stream.command(forged, timeout_s=0.3)
        assert desk.guard.state == (State.OPEN, 1)
        assert desk.counted("faults") == {"signature": 3}
        desk.stream.command(signer.sign(release))
        assert desk.guard.state == (State.CLOSED, 2)


def test_a_guard_without_keys_obeys_all() -> None:
    with bench() as desk:
        desk.obey(State.OPEN)
        until(lambda: desk.guard.state == (State.OPEN, 1), "the pause")


def test_a_guard_told_a_bad_key_does_not_start() -> None:
    with (
        pytest.raises(ValueError, match="verify_keys: 'me' is no public key"),
        bench(verify_keys="me"),
    ):
        pass


def test_keys_on_the_command_line(tmp_path: Path) -> None:
    run, path = CliRunner().invoke, str(tmp_path / "key.pem")
    made = run(app, ["keys", "new", path])
    assert made.exit_code == 0
    assert made.output.startswith("ed25519:")
    assert run(app, ["keys", "show", path]).output == made.output
    again = run(app, ["keys", "new", path])
    assert again.exit_code == 2
    assert "cannot be written" in again.output
