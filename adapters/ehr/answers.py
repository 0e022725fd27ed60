"""What an EHR's answer to a write means. Only status, headers and codes are looked at; texts of an answer never travel on."""

import re
from dataclasses import dataclass
from typing import Final

from adapters.ehr.document import objects, part
from adapters.ehr.profile import Profile
from adapters.ehr.session import resource_of
from adapters.ehr.settlement import Refused, Retry
from adapters.http import Answer
from adapters.retry_after import retry_after
from mappings.vocabulary import Json

_LOCATION: Final = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?/?")
_ETAG: Final = re.compile(r'(W/)?"[\x21\x23-\x7e]*"')
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_UNKNOWN: Final = frozenset({408, 500, 502, 503, 504})
_NOT_OFFERED: Final = frozenset({404, 405, 410, 501})
_OTHER_FORM: Final = frozenset({"required", "not-supported"})
"""Issue codes of a form that lacks what this EHR insists on: another form may do."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A resource at the EHR."""

    ref: str
    etag: str | None


class AlreadyThere:
    """The EHR says that it has this already."""


def remote_of(answer: Answer, form: str) -> Remote | None:
    """Where a written resource stands: by Location, else by the body; None when the answer does not say."""
    header = answer.headers.get("etag", "").strip()
    etag = header if _ETAG.fullmatch(header) else None
    for name in ("location", "content-location"):
        found = _LOCATION.fullmatch(answer.headers.get(name, "").partition("?")[0])
        if found and found[1] == form:
            return Remote(f"{form}/{found[2]}", etag or (f'W/"{found[3]}"' if found[3] else None))
    resource = resource_of(answer)
    return with_etag(standing(resource), etag) if resource and resource["resourceType"] == form else None


def standing(resource: Json) -> Remote | None:
    """A read or found resource as what stands there."""
    if not re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", str(resource.get("id", ""))):
        return None
    version = part(resource, "meta").get("versionId")
    return Remote(f"{resource['resourceType']}/{resource['id']}", f'W/"{version}"' if isinstance(version, str) else None)


def with_etag(remote: Remote | None, etag: str | None) -> Remote | None:
    """The same with the ETag that the header gave."""
    return Remote(remote.ref, etag) if remote and etag else remote


def codes(answer: Answer) -> tuple[str, ...]:
    """The issue codes of an OperationOutcome, the vendor's own among them."""
    outcome = resource_of(answer)
    if outcome is None or outcome["resourceType"] != "OperationOutcome":
        return ()
    found: list[str] = []
    for issue in objects(outcome, "issue"):
        found += [str(each.get("code")) for each in objects(part(issue, "details"), "coding")] + [str(issue.get("code"))]
    return tuple(dict.fromkeys(code for code in found if _CODE.fullmatch(code) and code != "None"))


def meaning(answer: Answer, profile: Profile, now: float) -> Retry | Refused | AlreadyThere:
    """What an answer that is no success means for a write."""
    found = codes(answer)
    vendor = next((profile.codes[code] for code in found if code in profile.codes), None)
    reason = f"the EHR answers {answer.status}" + (f" ({', '.join(found[:3])})" if found else "")
    if vendor == "delivered" or (answer.status in (400, 409, 422) and "duplicate" in found):
        return AlreadyThere()
    if vendor == "dead":
        return Refused(reason)
    if vendor == "retry" or answer.status in _LATER:
        return Retry(retry_after(answer.headers.get("retry-after"), now), reason, answer.status in _UNKNOWN)
    return _settled(answer, reason, bool(_OTHER_FORM & set(found)))


def _settled(answer: Answer, reason: str, other_form: bool) -> Retry | Refused:
    if answer.status == 401:
        return Retry(None, "the EHR does not take our token")
    if answer.status == 403 and not answer.body.strip():
        return Refused("the EHR answers 403 with an empty body: it has not been told to let us do this", offered=False)
    if 300 <= answer.status < 400 or answer.status < 200:
        return Retry(None, f"{reason}: is its address still right?")
    return Refused(reason, offered=answer.status not in _NOT_OFFERED and not other_form)
