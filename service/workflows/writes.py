"""From a resource to the rows of the store: bytes around version and time, index rows, and the mark of what we derived."""

from typing import TYPE_CHECKING

import orjson

from mappings.r4.splice import splice
from mappings.vocabulary import OURS, Json
from service.store.numbers import type_number
from service.store.unit import ANY, Expected, IndexRows, Write

if TYPE_CHECKING:
    from service.house import House

DERIVED_TAG = {"system": OURS, "code": "derived"}


def received_write(house: "House", kind: str, id_: str, resource: Json, body: bytes, person: str | None, expected: Expected, fresh: bool) -> Write:
    """A resource as it was sent."""
    head, tail = splice(body, resource, id_)
    index = house.indexer.rows(kind, resource, person)
    return Write(f"{kind}/{id_}", type_number(kind), head, tail, index, person, expected, fresh)


def derived_write(house: "House", resource: Json, person: str | None, security: list[Json] | None = None, fresh: bool = False) -> Write:
    """A resource of ours, marked so; it carries the strictest security labels of what it rests on.

    Its version is whatever stands: the commit's check of the person's story keeps two writers apart.
    """
    resource = dict(resource)
    id_ = resource.pop("id")
    meta = {key: value for key, value in resource.pop("meta", {}).items() if key not in ("versionId", "lastUpdated")}
    tags = meta.get("tag", [])
    meta["tag"] = tags if DERIVED_TAG in tags else [*tags, DERIVED_TAG]
    labels = _union(meta.get("security", []), security or [])
    if labels:
        meta["security"] = labels
    kind = resource["resourceType"]
    head = b'{"resourceType":"%b","id":"%b","meta":{' % (kind.encode(), id_.encode())
    rest = orjson.dumps({key: value for key, value in resource.items() if key != "resourceType"})
    tail = b"," + orjson.dumps(meta)[1:] + b"," + rest[1:]
    index = house.indexer.rows(kind, resource | {"meta": meta}, person)
    return Write(f"{kind}/{id_}", type_number(kind), head, tail, index, person, ANY, fresh)


def deletion(kind: str, id_: str, person: str | None, expected: Expected) -> Write:
    """The deletion of a resource."""
    return Write(f"{kind}/{id_}", type_number(kind), b"", b"", IndexRows(), person, expected, deleted=True)


def _union(first: list[Json], second: list[Json]) -> list[Json]:
    found = {(label.get("system"), label.get("code")): label for label in [*first, *second]}
    return list(found.values())
