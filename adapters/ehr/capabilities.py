"""What an EHR says it can take (R4 capabilitystatement.html), and the ways that leaves for one of our resources. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from adapters.ehr.document import objects
from adapters.ehr.profile import Profile
from mappings.vocabulary import Json

MESSAGES: Final = ("DocumentReference", "Communication")
"""Forms of which a new one may be sent where the old one cannot be changed."""


@dataclass(frozen=True, slots=True)
class Offered:
    """One resource type as advertised. `by_identifier`: it can be searched by identifier, or does not say by what it can be searched."""

    create: bool
    update: bool
    search: bool
    conditional_create: bool
    by_identifier: bool


@dataclass(frozen=True, slots=True)
class Way:
    """One way to deliver. `conditional`: create with If-None-Exist, otherwise look before sending; `if_match`: as in the profile."""

    form: str
    conditional: bool
    update: bool
    search: bool
    by_identifier: bool
    if_match: str

    @property
    def safe_to_repeat(self) -> bool:
        """Whether there is any means to find out that it was sent before."""
        return self.search or self.conditional


def offered(statement: Json) -> Mapping[str, Offered]:
    """The types a server offers. Errors: ValueError when this is no CapabilityStatement."""
    if statement.get("resourceType") != "CapabilityStatement":
        raise ValueError("this is no CapabilityStatement")
    servers = [rest for rest in objects(statement, "rest") if rest.get("mode", "server") == "server"]
    return {str(each.get("type")): _offered(each) for rest in servers for each in objects(rest, "resource")}


def _offered(resource: Json) -> Offered:
    codes = [each.get("code") for each in objects(resource, "interaction")]
    names = [each.get("name") for each in objects(resource, "searchParam")]
    search = "search-type" in codes
    return Offered("create" in codes, "update" in codes, search, resource.get("conditionalCreate") is True, search and (not names or "identifier" in names))


def ways(kind: str, types: Mapping[str, Offered], profile: Profile, known: Collection[str] = ()) -> tuple[Way, ...]:
    """The ways to deliver a `kind` (CarePlan, Flag), best first. `known`: which of encounter, author and recipient are at hand; a form that
    needs another is left out."""
    found = []
    for form in profile.forms.get(kind, (kind,)):
        type_ = types.get(form)
        if type_ is not None and type_.create and not set(profile.needs.get(form, ())) - set(known):
            conditional = type_.conditional_create and profile.conditional_create
            found.append(Way(form, conditional, type_.update, type_.search, type_.by_identifier, profile.if_match))
    return tuple(found)


def missing(kind: str, types: Mapping[str, Offered], profile: Profile, known: Collection[str] = ()) -> str:
    """Why there is no way, in words."""
    wants = [
        f"{form} (needs {' and '.join(sorted(lacking))})"
        for form in profile.forms.get(kind, (kind,))
        if form in types and types[form].create and (lacking := set(profile.needs.get(form, ())) - set(known))
    ]
    return f"the EHR takes {kind} in no form that can be made" + (f": {', '.join(wants)}" if wants else "")
