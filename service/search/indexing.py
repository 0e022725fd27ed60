"""From a resource to its index rows: what the compiled SearchParameter expressions find, as the tables keep it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from mappings.r4.index_values import Composite, Date, Number, Quantity, Ref, Text, Token, Uri
from mappings.vocabulary import Json
from service.references import local
from service.search import composites
from service.search.sources import Sources
from service.search.values import fold
from service.store.numbers import param_number, system_number
from service.store.unit import IndexRows

MAX_TEXT = 512
"""Longest string that is indexed; btree rows are bounded, and nobody searches for a longer one."""


EXTRAS = ("identifier", "text", "of-type")
"""Modifiers whose values have rows of their own, under the number of `name:modifier`."""


class Extracting(Protocol):
    """Finds the index values of a resource."""

    def extract(self, resource: Json) -> Sequence[object]: ...


class Indexer:
    """`extractors`: one a type. `base`: our own FHIR base."""

    def __init__(self, extractors: Mapping[str, Extracting], parameters: Mapping[str, Mapping[str, object]], base: str) -> None:
        self._extractors, self._base = extractors, base
        sources = Sources(parameters)
        self._subjects = {kind: sources.person(kind) for kind in parameters}
        self._numbers: dict[tuple[str, str], int] = {}

    def _number(self, kind: str, name: str) -> int:
        number = self._numbers.get((kind, name))
        if number is None:
            number = self._numbers[kind, name] = param_number(kind, name)
        return number

    def rows(self, kind: str, resource: Json, person: str | None) -> IndexRows:
        """The rows of this resource; `person` is whom its subject was resolved to, however it was named."""
        token: set[tuple[int, str, int]] = set()
        string: set[tuple[int, str, str]] = set()
        reference: set[tuple[int, str]] = set()
        date: set[tuple[int, int, int]] = set()
        quantity: set[tuple[int, float, float, int, str]] = set()
        uri: set[tuple[int, str]] = set()
        composite: set[composites.Row] = set()
        for value in self._extractors[kind].extract(resource):
            if isinstance(value, Token):
                self._token(kind, value, token, string)
            elif isinstance(value, Ref):
                self._reference(kind, value, reference, token)
            elif isinstance(value, Date):
                date.add((self._number(kind, value.param), value.low, value.high))
            elif isinstance(value, Text):
                text = value.value[:MAX_TEXT]
                string.add((self._number(kind, value.param), fold(text), text))
            elif isinstance(value, Quantity):
                self._quantity(kind, value, quantity)
            elif isinstance(value, Uri):
                uri.add((self._number(kind, value.param), value.value[:MAX_TEXT]))
            elif isinstance(value, Composite):
                composite |= composites.rows(kind, value, self._base)
            elif isinstance(value, Number):
                low = float(value.value)
                quantity.add((self._number(kind, value.param), low, low if value.high is None else float(value.high), 0, ""))
        if person is not None and kind != "Patient":
            reference.update((number, person) for number in self._subjects[kind])
        return IndexRows(list(token), list(string), list(reference), list(date), list(quantity), list(uri), list(composite))

    def _token(self, kind: str, value: Token, token: set[tuple[int, str, int]], string: set[tuple[int, str, str]]) -> None:
        """A plain code is found with the system its binding implies, and without one; its text by :text."""
        if value.text:
            string.add((self._number(kind, f"{value.param}:text"), fold(value.text[:MAX_TEXT]), ""))
        for system, code in value.types:
            if code and value.code:
                token.add((self._number(kind, f"{value.param}:of-type"), f"{code}|{value.code}"[:MAX_TEXT], system_number(system or "")))
        if value.code is None:
            return
        number, code = self._number(kind, value.param), value.code[:MAX_TEXT]
        token.add((number, code, system_number(value.system or "")))
        if value.is_implied and value.system:
            token.add((number, code, 0))

    def _reference(self, kind: str, value: Ref, reference: set[tuple[int, str]], token: set[tuple[int, str, int]]) -> None:
        if value.reference and not value.reference.startswith("#"):
            reference.add((self._number(kind, value.param), local(value.reference, self._base)[:MAX_TEXT]))
        if value.identifier is not None:
            system, code = value.identifier
            token.add((self._number(kind, f"{value.param}:identifier"), (code or "")[:MAX_TEXT], system_number(system or "")))

    def _quantity(self, kind: str, value: Quantity, quantity: set[tuple[int, float, float, int, str]]) -> None:
        number, system = self._number(kind, value.param), system_number(value.system or "")
        low = float(value.value)
        high = low if value.high is None else float(value.high)
        quantity.add((number, low, high, system, value.code or ""))
        if value.unit and value.unit != value.code:
            quantity.add((number, low, high, system, value.unit[:MAX_TEXT]))
