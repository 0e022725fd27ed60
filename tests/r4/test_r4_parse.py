"""parse: what JSON lets through and FHIR does not (R4 json.html; facts/fhir-subtleties.md 17)."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.r4.parse import Malformed, parse

REFUSED = {
    "empty": b"",
    "white space": b" \n",
    "not an object": b'["a"]',
    "text": b'"a"',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "huge exponent": b'{"a":1e999999999}',
    "huge number": b'{"a":' + b"9" * 400 + b"}",
    "leading zero": b'{"a":01}',
    "bad UTF-8": b'{"a":"\xff"}',
    "surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "lone high surrogate": b'{"a":"\\ud800"}',
    "lone low surrogate": b'{"a":"\\udc00"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "NUL": b'{"a":"\x00"}',
    "escaped NUL": b'{"a":"\\u0000"}',
    "escaped NUL in a name": b'{"\\u0000":1}',
    "member twice": b'{"a":1,"a":1}',
    "member twice, deep": b'{"b":[{"a":1,"c":2,"a":3}]}',
    "member twice, escaped": b'{"a":1,"\\u0061":2}',
    "member twice, hidden by an escaped colon": b'{"a":1,"a":2,"b":"\\u003a"}',
    "trailing text": b"{} {}",
    "XML": b'<Patient xmlns="http://hl7.org/fhir"/>',
    "deep objects": b'{"a":' * 51 + b"{}" + b"}" * 51,
    "deep arrays": b'{"a":' + b"[" * 60 + b"]" * 60 + b"}",
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
def test_refuses(body: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        parse(body)
    assert refused.value.issue.code == "structure"
    assert refused.value.issue.severity == "fatal"


@pytest.mark.parametrize(
    "body",
    [b'{"a":"\\\\u0000"}', b'{"a":"\\ud83d\\ude00"}', b'{"a":"x:y","b":{"a":null}}', b'{"a":1.0e2}', b'{"a":' * 49 + b"{}" + b"}" * 49],
)
def test_lets_through(body: bytes) -> None:
    assert parse(body) == json.loads(body)


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 20_000, b'{"a":"' + b"\\\\" * 50_000, b'{"a":"' + b'\\"' * 50_000 + b'"}', b"{" * 100_000, b'{"a":[' + b"1," * 50_000],
    ids=["arrays", "objects", "backslashes", "quotes", "braces", "numbers"],
)
def test_a_hostile_body_takes_no_time(body: bytes) -> None:
    best = min(_seconds(body) for _ in range(3))
    assert best < 0.03  # 1 ms on a quiet machine


def _seconds(body: bytes) -> float:
    start = time.perf_counter()
    try:
        parse(body)
    except Malformed:
        pass
    return time.perf_counter() - start


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")), VALUES, max_size=5), st.booleans())
def test_any_other_object_is_read_as_json_reads_it(value: dict, ascii_only: bool) -> None:
    assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value
