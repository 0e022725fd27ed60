"""splice: ids and meta go in, every other byte stays (DESIGN.md, "Bytes are kept as received")."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.r4.parse import parse
from mappings.r4.splice import splice, top_members

META = b'"versionId":"7","lastUpdated":"2024-01-01T00:00:00Z"'


def stored(body: bytes) -> bytes:
    head, tail = splice(body, parse(body), "new")
    return head + META + tail


PLACED = b'"id":"new","meta":{' + META


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"resourceType":"Patient"}', b'{"resourceType":"Patient",' + PLACED + b"}}"),
        (b'{"resourceType":"Patient","active":true}', b'{"resourceType":"Patient",' + PLACED + b'},"active":true}'),
        (b'{ "resourceType" : "Observation", "x": 1.50 , "y":1.0e2 }', b'{ "resourceType" : "Observation",' + PLACED + b'}, "x": 1.50 , "y":1.0e2 }'),
        (b'{"active":true,"resourceType":"Patient"}', b"{" + PLACED + b'},"active":true,"resourceType":"Patient"}'),
        (b'{"id":"old","resourceType":"Patient"}', b"{" + PLACED + b'},"resourceType":"Patient"}'),
        (b'{"resourceType":"Patient","id":"old"}', b'{"resourceType":"Patient",' + PLACED + b"}}"),
        (b'{"resourceType":"Patient","meta":{"versionId":"1"},"id":"old","a":1}', b'{"resourceType":"Patient",' + PLACED + b'},"a":1}'),
        (
            b'{"resourceType":"Patient","a":[{"id":"in"}],"meta":{"versionId":"1","tag":[ {"code":"t"} ],"lastUpdated":"x"},"b":"id"}',
            b'{"resourceType":"Patient",' + PLACED + b',"tag":[ {"code":"t"} ]},"a":[{"id":"in"}],"b":"id"}',
        ),
        (b'{"\\u0069d":"old","resourceType":"Patient"}', b"{" + PLACED + b'},"resourceType":"Patient"}'),
    ],
)
def test_bytes(body: bytes, wanted: bytes) -> None:
    assert stored(body) == wanted


def test_members_are_byte_spans() -> None:
    body = '{"a": "ü\\"}", "b" : [1, {"c":"]"}] ,"d":1.50}'.encode()
    assert [(name, body[start:end]) for name, start, end in top_members(body)] == [
        ("a", '"a": "ü\\"}"'.encode()),
        ("b", b'"b" : [1, {"c":"]"}]'),
        ("d", b'"d":1.50'),
    ]


MEMBER = st.sampled_from(["resourceType", "id", "meta", "a", "b", "c"])
VALUE = st.sampled_from(["x", 1.5, None, {"id": "i", "meta": {"a": ["}"]}}, [1, "]", {"id": 2}], {"tag": [1], "versionId": "1", "lastUpdated": "y"}])


@given(st.dictionaries(MEMBER, VALUE), st.sampled_from([None, 1]), st.sampled_from([(",", ":"), (" , ", " : ")]))
def test_meaning_stays(resource: dict, indent: int | None, separators: tuple[str, str]) -> None:
    body = json.dumps(resource, indent=indent, separators=separators).encode()
    found = json.loads(stored(body))
    meta = resource.get("meta")
    kept = {k: v for k, v in meta.items() if k not in ("versionId", "lastUpdated")} if isinstance(meta, dict) else {}
    assert found.pop("id") == "new"
    assert found.pop("meta") == {"versionId": "7", "lastUpdated": "2024-01-01T00:00:00Z"} | kept
    assert found == {k: v for k, v in resource.items() if k not in ("id", "meta")}
    assert list(found) == [k for k in resource if k not in ("id", "meta")]
