"""Delivering our CarePlans and Flags to one EHR, at least once and by its effect once. Patient data passes here: nothing in this file logs."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from adapters.ehr import patient as patients
from adapters.ehr.answers import Remote
from adapters.ehr.capabilities import MESSAGES, Offered, Way, missing, offered, ways
from adapters.ehr.document import carries, objects, part
from adapters.ehr.forms import Setting, our_identifier, shape, withdrawn
from adapters.ehr.profile import Profile
from adapters.ehr.session import Session, Unusable, token_value
from adapters.ehr.settlement import Dead, Delivered, Item, Refused, Retry, Settled, Settlement
from adapters.ehr.writing import Outcome, Writing, settle, unusable
from adapters.http import Outbound, OutboundError
from adapters.retry_after import retry_after
from adapters.smart.client import NoToken, TokenSource
from adapters.smart.discovery import DiscoveryFailed
from mappings.vocabulary import Json

__all__ = ["Dead", "Delivered", "EhrClient", "Item", "People", "Retry", "Settlement"]
_CAPABILITIES_FRESH_S: Final = 3600.0
_KINDS: Final = ("CarePlan", "Flag")


@dataclass(frozen=True, slots=True)
class People:
    """References at the EHR that some vendors want to see: who sends ("Practitioner/1") and who is to get a message or task."""

    author: str | None = None
    recipient: str | None = None


class EhrClient:
    """One EHR. `clock` gives seconds since 1970 UTC; `tokens` None where the EHR asks for none."""

    def __init__(
        self, outbound: Outbound, base: str, profile: Profile, tokens: TokenSource | None, clock: Callable[[], float], people: People = People()
    ) -> None:  # fmt: skip
        self.profile, self._tokens, self._clock, self._people = profile, tokens, clock, people
        self._session = Session(outbound, base, tokens)
        self._slots = asyncio.Semaphore(profile.concurrent)
        self._types: tuple[float, Mapping[str, Offered]] | None = None

    async def deliver(self, item: Item) -> Settlement:
        """One attempt. Never raises for what an EHR or a network does."""
        async with self._slots:
            try:
                return await self._attempt(item)
            except Settled as settled:
                return settled.settlement
            except NoToken as error:
                return Retry(error.after_s, error.reason, item.unknown)
            except Unusable as error:
                return unusable(error, self.profile, self._clock(), item.unknown)
            except OutboundError as error:
                return Retry(None, str(error), item.unknown)

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        await self._session.aclose()

    async def _attempt(self, item: Item) -> Settlement:
        identifier = our_identifier(item.resource)
        if identifier is None:
            return Dead("the resource carries no identifier of ours")
        types = await self._offered(item)
        setting = await self._setting(item, identifier, await self._patient(item), types)
        known = [name for name in ("encounter", "author", "recipient") if getattr(setting, name)]
        usable = ways(item.resource["resourceType"], types, self.profile, known)
        if item.remote and any(way.form == item.form for way in usable):
            usable = tuple(way for way in usable if way.form == item.form)
        if not usable:
            self._types = None
            return Dead(missing(item.resource["resourceType"], types, self.profile, known))
        return await self._by(usable, item, setting)

    async def _by(self, usable: tuple[Way, ...], item: Item, setting: Setting) -> Settlement:
        """The first way that is not refused. A safety item tries every form; others go on only where a form is not offered after all."""
        refused: Outcome = Refused("no form was tried")
        for number, way in enumerate(usable):
            outcome = await self._write(way, item, setting)
            if not isinstance(outcome, Refused):
                return outcome
            refused = outcome if number == 0 else refused
            if not outcome.offered:
                self._types = None
            elif not item.safety:
                break
        return settle(refused)

    async def _write(self, way: Way, item: Item, setting: Setting) -> Outcome:
        if item.remote and item.form == way.form and not way.update:
            if way.form not in MESSAGES:
                return Refused(f"the EHR takes no change of a {way.form}")
            setting = replace(setting, identifier=_of_version(setting.identifier, item.resource))
            return await self._writing(way, item, setting, False).first(item.unknown)
        if item.remote and item.form == way.form:
            return await self._writing(way, item, replace(setting, changed=True), withdrawn(item.resource)).again(Remote(item.remote, item.etag))
        return await self._writing(way, item, setting, withdrawn(item.resource)).first(item.unknown)

    def _writing(self, way: Way, item: Item, setting: Setting, taken_back: bool) -> Writing:
        body = shape(item.resource, way.form, setting)
        return Writing(self._session, way, self.profile, body, setting.identifier, setting.patient, self._clock(), taken_back)

    # What an attempt needs to know

    async def _offered(self, item: Item) -> Mapping[str, Offered]:
        if self._types is None or self._clock() - self._types[0] > _CAPABILITIES_FRESH_S:
            try:
                self._types = (self._clock(), offered(await self._session.read("metadata")))
            except ValueError:
                raise Settled(Retry(None, "the EHR's metadata is no CapabilityStatement", item.unknown)) from None
            except Unusable as error:  # says nothing about this row: the EHR as a whole does not work for us now
                after_s = retry_after(error.answer.headers.get("retry-after"), self._clock())
                raise Settled(Retry(after_s, f"metadata answers {error.answer.status}", item.unknown)) from None
        return self._types[1]

    async def _patient(self, item: Item) -> str:
        value = patients.identifier_value(item.patient, item.patient_system)
        if item.resource.get("subject", {}).get("reference") != f"Patient/{item.patient.get('id')}":
            raise Settled(Dead("the resource is not about the patient it was filed under"))
        found = [] if value is None else await self._session.search("Patient", {"identifier": token_value(item.patient_system, value)})
        match = patients.find_patient(found, item.patient, item.patient_system)
        if isinstance(match, patients.Refusal):
            raise Settled(Dead(match.reason))
        return match.ref

    async def _setting(self, item: Item, identifier: tuple[str, str], patient: str, types: Mapping[str, Offered]) -> Setting:
        now = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return Setting(
            self.profile, self._session.base, patient, f"Patient/{item.patient['id']}", identifier, now, item.safety,
            encounter=await self._encounter(item, patient, types), author=self._people.author, recipient=self._people.recipient,
        )  # fmt: skip

    async def _encounter(self, item: Item, patient: str, types: Mapping[str, Offered]) -> str | None:
        """Our Encounter at the EHR, by one of its identifiers; None unless it is exactly one and this patient's."""
        if item.encounter is None or "Encounter" not in types or not types["Encounter"].search:
            return None
        for each in objects(item.encounter, "identifier"):
            system, value = str(each.get("system", "")), str(each.get("value", ""))
            if system and value:
                found = await self._session.search("Encounter", {"identifier": token_value(system, value)})
                theirs = [one for one in found if _is_about(one, patient) and carries(one, system, value)]
                if len(theirs) == 1:
                    return f"Encounter/{theirs[0].get('id')}"
        return None

    # For `setpoint ehr check`

    async def check(self) -> dict[str, Any]:
        """What works: {ok, base, profile, discovery, token, metadata, forms: {CarePlan, Flag}, notes, problems}. Never holds a token."""
        report: dict[str, Any] = {"ok": False, "base": self._session.base, "profile": self.profile.name, "problems": []}
        await self._check_tokens(report)
        await self._check_forms(report)
        report["notes"] = list(self.profile.notes)
        report["ok"] = not report["problems"]
        return report

    async def _check_tokens(self, report: dict[str, Any]) -> None:
        if self._tokens is None:
            report["discovery"] = report["token"] = "not used"
            return
        try:
            found = await self._tokens.endpoints()
            report["discovery"] = {"from": found.source, "token_endpoint": found.token_endpoint, "algorithms": list(found.algorithms)}
            token = await self._tokens.token()
            report["token"] = {"scope": token.scope, "expires_in": token.expires_in}
        except DiscoveryFailed as error:
            report["problems"].append(f"discovery: {error.reason}")
        except NoToken as error:
            report["problems"].append(f"token: {error.reason}")

    async def _check_forms(self, report: dict[str, Any]) -> None:
        try:
            statement = await self._session.read("metadata")
            types = offered(statement)
        except (ValueError, Unusable):
            report["problems"].append("metadata: no CapabilityStatement was answered")
        except (NoToken, OutboundError) as error:
            report["problems"].append(f"metadata: {error}")
        else:
            report["metadata"] = {"fhir": statement.get("fhirVersion"), "software": part(statement, "software").get("name")}
            report["forms"] = {kind: self._described(kind, types, report["problems"]) for kind in _KINDS}

    def _described(self, kind: str, types: Mapping[str, Offered], problems: list[str]) -> list[dict[str, Any]]:
        known = [name for name in ("author", "recipient") if getattr(self._people, name)]
        found = ways(kind, types, self.profile, ["encounter", *known])
        if not found:
            problems.append(missing(kind, types, self.profile, ["encounter", *known]))
        return [
            {"form": way.form, "create": "conditional" if way.conditional else "looks before sending" if way.search else "cannot look: may send twice",
             "update": way.update, "needs": list(self.profile.needs.get(way.form, ()))}
            for way in found
        ]  # fmt: skip


def _is_about(resource: Json, patient: str) -> bool:
    reference = str(part(resource, "subject").get("reference", ""))
    return reference == patient or reference.endswith("/" + patient)


def _of_version(identifier: tuple[str, str], resource: Json) -> tuple[str, str]:
    """The identifier of one version's message, where earlier messages cannot be changed."""
    version = resource.get("meta", {}).get("versionId") or str(resource.get("status"))
    return identifier[0], f"{identifier[1]}.v{version}"
