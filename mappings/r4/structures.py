"""The R4 types as tables: which elements each has, how often, of which types. Built from definitions/structures.json."""

from collections.abc import Mapping
from dataclasses import dataclass

from mappings.r4.primitives import PRIMITIVES
from mappings.vocabulary import Json


@dataclass(frozen=True, slots=True)
class Constraint:
    """One invariant of severity error: its key, the text of the specification and its FHIRPath expression."""

    key: str
    text: str
    expression: str


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type. `keys` are its JSON names with their type (several for a choice such as value[x])."""

    name: str
    minimum: int
    many: bool
    allowed: bool
    keys: tuple[tuple[str, str], ...]
    targets: tuple[str, ...]
    values: str | None
    constraints: tuple[Constraint, ...]


@dataclass(frozen=True, slots=True)
class Structure:
    """One type. `kind` is resource, complex, backbone or primitive; `by_key` finds an element and its type by JSON name."""

    name: str
    kind: str
    base: str
    elements: Mapping[str, Element]
    by_key: Mapping[str, tuple[Element, str]]
    constraints: tuple[Constraint, ...]


ValueSets = Mapping[str, Mapping[str, frozenset[str]] | None]


@dataclass(frozen=True, slots=True)
class Structures:
    """All R4 types by name (backbone elements by path), and the codes of required bindings by system (None: not enumerable)."""

    types: Mapping[str, Structure]
    value_sets: ValueSets

    def is_resource(self, name: object) -> bool:
        """Whether `name` is an R4 resource type that can stand in a document (not the abstract ones)."""
        found = self.types.get(name) if isinstance(name, str) else None
        return found is not None and found.kind == "resource" and name not in ("Resource", "DomainResource")

    def derives(self, name: str, ancestor: str) -> bool:
        """Whether type `name` is `ancestor` or specialises it."""
        while name and name != ancestor:
            found = self.types.get(name)
            name = found.base if found else ""
        return bool(name)


SIMPLE = {
    "Range": ("low", "high"), "SampledData": ("origin",), "Dosage": ("maxDosePerAdministration", "maxDosePerLifetime"), "Dosage.doseAndRate": ("dose", "rate"),
    "Observation.referenceRange": ("low", "high"), "MedicationRequest.dispenseRequest": ("quantity",),
    "MedicationRequest.dispenseRequest.initialFill": ("quantity",), "CarePlan.activity.detail": ("dailyAmount", "quantity"),
    "Specimen.collection": ("quantity",), "Specimen.container": ("capacity", "specimenQuantity"),
}  # fmt: skip
"""Elements of the kept types that are SimpleQuantity, which the definition file calls Quantity (R4 datatypes.html#SimpleQuantity)."""
_SQTY_1 = Constraint("sqty-1", "The comparator is not used on a SimpleQuantity", "comparator.empty()")


def build(structures: Json, value_sets: Json) -> Structures:
    """The tables of the two parsed definition files structures.json and value_sets.json."""
    raw = structures["types"]
    types = {name: _structure(name, entry, raw) for name, entry in raw.items()}
    sets = {
        url: None if systems is None else {system: frozenset(codes) for system, codes in systems.items()} for url, systems in value_sets["value_sets"].items()
    }
    return Structures(types, sets)


def _structure(name: str, entry: Json, raw: Json) -> Structure:
    elements = {
        element_name.removesuffix("[x]"): _element(element_name, element, element_name.removesuffix("[x]") in SIMPLE.get(name, ()))
        for element_name, element in entry.get("elements", {}).items()
    }
    by_key = {key: (element, kind) for element in elements.values() for key, kind in element.keys}
    return Structure(name, entry["kind"], entry.get("base", ""), elements, by_key, _inherited(name, raw))


def _inherited(name: str, raw: Json) -> tuple[Constraint, ...]:
    found: list[Constraint] = []
    while name in raw:
        found.extend(_constraints(raw[name]))
        name = raw[name].get("base", "")
    return tuple(found)


def _constraints(entry: Json) -> tuple[Constraint, ...]:
    return tuple(Constraint(c["key"], c["text"], c["expression"]) for c in entry.get("constraints", ()))


def _element(name: str, entry: Json, is_simple: bool) -> Element:
    stem = name.removesuffix("[x]")
    kinds = entry["types"]
    if stem != name:
        keys = tuple((stem + kind[0].upper() + kind[1:], kind) for kind in (kinds if kinds != ["*"] else []))
    else:
        keys = tuple((name, kind) for kind in kinds)
    many = entry["max"] not in ("0", "1")
    constraints = (*_constraints(entry), _SQTY_1) if is_simple else _constraints(entry)
    return Element(stem, entry["min"], many, entry["max"] != "0", keys, tuple(entry.get("targets", ())), entry.get("values"), constraints)


def is_primitive(kind: str) -> bool:
    """Whether a type is written as a JSON string, number or boolean."""
    return kind in PRIMITIVES
