"""Scopes against the examples of SMART App Launch 2.0, sealing and back-off."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.security.backoff import pause
from service.security.scopes import LETTERS, allows, granted, parse, spelled
from service.security.sealing import SealBroken, seal, unseal

ROUNDS = int(os.environ.get("SETPOINT_TEST_ROUNDS", "1"))


@pytest.mark.parametrize(
    ("scope", "interaction", "type_", "level"),
    [
        # v1 to v2: https://hl7.org/fhir/smart-app-launch/STU2/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources
        ("system/Patient.read", "read", "Patient", "system"), ("system/Patient.read", "search-type", "Patient", "system"),
        ("system/Patient.read", "create", "Patient", None), ("system/Patient.write", "create", "Patient", "system"),
        ("system/Patient.write", "update", "Patient", "system"), ("system/Patient.write", "delete", "Patient", "system"),
        ("system/Patient.write", "read", "Patient", None), ("user/*.*", "delete", "Flag", "user"), ("user/*.cruds", "patch", "Flag", "user"),
        ("patient/Observation.rs", "search-type", "Observation", "patient"), ("patient/Observation.rs", "read", "Patient", None),
        ("patient/Observation.r", "search-type", "Observation", None), ("patient/Observation.r", "vread", "Observation", "patient"),
        ("patient/Observation.r", "history-instance", "Observation", "patient"), ("patient/Observation.s", "read", "Observation", None),
        ("patient/*.rs user/Observation.rs", "read", "Observation", "user"), ("user/*.rs system/*.r", "read", "Flag", "system"),
        # Never widened, never guessed
        ("patient/Observation.rs?category=laboratory", "read", "Observation", None), ("system/*.cruds?_tag=x", "read", "Flag", None),
        ("system/Patient.sr", "read", "Patient", None), ("system/Patient.", "read", "Patient", None), ("system/Patient.rr", "read", "Patient", None),
        ("SYSTEM/Patient.rs", "read", "Patient", None), ("system/patient.rs", "read", "Patient", None), ("admin/*.cruds", "read", "Patient", None),
        ("system/*.rs", "frobnicate", "Patient", None), ("openid fhirUser launch offline_access", "read", "Patient", None), ("", "read", "Patient", None),
        ("system/Patient.read,system/Flag.read", "read", "Patient", None), ("system/Patient.readx", "read", "Patient", None),
    ],
)  # fmt: skip
def test_what_a_scope_allows(scope: str, interaction: str, type_: str, level: str | None) -> None:
    assert allows(parse(scope), interaction, type_) == level


@pytest.mark.parametrize(
    ("asked", "registered", "given_"),
    [
        ("system/*.rs", "system/*.cruds", "system/*.rs"),
        ("system/*.cruds", "system/Observation.rs", "system/Observation.rs"),
        ("system/Observation.read", "system/*.cruds", "system/Observation.read"),
        ("system/Observation.*", "system/*.read", "system/Observation.rs"),
        ("system/Flag.rs", "system/Patient.rs", ""),
        ("user/*.rs", "system/*.rs", ""),
        ("patient/*.rs", "patient/*.rs", ""),
        ("system/*.rs?code=x", "system/*.rs", ""),
        ("system/*.r system/*.s openid", "system/*.rs", "system/*.r system/*.s"),
    ],
)
def test_what_a_client_is_granted(asked: str, registered: str, given_: str) -> None:
    assert spelled(granted(asked, registered)) == given_


_SCOPE = st.builds(
    lambda level, type_, letters: f"{level}/{type_}.{letters}", st.sampled_from(["system", "user", "patient"]), st.sampled_from(["*", "Patient", "Flag"]),
    st.sampled_from(["read", "write", "*", "c", "rs", "cruds", "ud", "s"]),
)  # fmt: skip
_SCOPES = st.lists(_SCOPE, max_size=5).map(" ".join)


@given(_SCOPES, _SCOPES, st.sampled_from(sorted(LETTERS)), st.sampled_from(["Patient", "Flag", "Observation"]))
@settings(max_examples=120 * ROUNDS, deadline=None)
def test_a_grant_never_allows_what_was_not_both_asked_and_registered(asked: str, registered: str, interaction: str, type_: str) -> None:
    given_ = granted(asked, registered)
    if allows(given_, interaction, type_):
        assert allows(parse(asked), interaction, type_)
        assert allows(parse(registered), interaction, type_)
    assert all(scope.level != "patient" for scope in given_)
    assert {(s.level, s.type, s.letters) for s in parse(spelled(given_))} == {(s.level, s.type, s.letters) for s in given_}


@given(st.text(max_size=200))
@settings(max_examples=200 * ROUNDS, deadline=None)
def test_any_text_is_read_as_scopes_without_an_error(text: str) -> None:
    for scope in parse(text):
        assert scope.letters


def test_sealing() -> None:
    sealed = seal(b"s" * 32, b"private key", b"key 1")
    assert unseal(b"s" * 32, sealed, b"key 1") == b"private key"
    assert b"private" not in sealed
    assert seal(b"s" * 32, b"private key", b"key 1") != sealed
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for secret, content, context in ((b"t" * 32, sealed, b"key 1"), (b"s" * 32, sealed, b"key 2"), (b"s" * 32, changed, b"key 1"), (b"s" * 32, b"", b"key 1")):
        with pytest.raises(SealBroken):
            unseal(secret, content, context)


@given(st.integers(-5, 10_000), st.floats(0, 1))
@settings(max_examples=200 * ROUNDS, deadline=None)
def test_a_pause_grows_to_its_cap(attempts: int, chance: float) -> None:
    seconds = pause(attempts, 2.0, 3600.0, chance)
    assert 1.0 <= seconds <= 3600.0
    assert pause(attempts + 1, 2.0, 3600.0, chance) >= seconds


def test_pauses_by_hand() -> None:
    assert [pause(number, 2.0, 10.0, 1.0) for number in (1, 2, 3, 4)] == [2.0, 4.0, 8.0, 10.0]
    assert [pause(number, 2.0, 10.0, 0.0) for number in (1, 2, 3, 4)] == [1.0, 2.0, 4.0, 5.0]
