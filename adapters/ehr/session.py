"""Authorised FHIR calls to one EHR. Patient data passes here: nothing in this file logs."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from adapters.ehr.document import objects, part
from adapters.http import Answer, Outbound
from adapters.smart.client import TokenSource
from mappings.vocabulary import Json

FHIR_JSON: Final = "application/fhir+json"
MOST_PAGES: Final = 20


class Unusable(Exception):
    """An answer that is not what FHIR promises there; `answer` is it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("an answer that is not usable")
        self.answer = answer


class Session:
    """Calls below one FHIR base. `tokens` None: the EHR asks for none."""

    def __init__(self, outbound: Outbound, base: str, tokens: TokenSource | None) -> None:
        self.base = base.rstrip("/")
        self._outbound, self._tokens = outbound, tokens

    async def call(self, method: str, path: str, body: Json | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One call; after a 401 once more with a new token. Errors: OutboundError, NoToken."""
        content = None if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        sent = {"accept": FHIR_JSON} | ({"content-type": FHIR_JSON} if content is not None else {}) | dict(headers or {})
        url = self.base + ("" if path.startswith("?") else "/") + path
        if self._tokens is None:
            return await self._outbound.request(method, url, sent, content)
        token = await self._tokens.token()
        answer = await self._outbound.request(method, url, sent | {"authorization": f"Bearer {token.value}"}, content)
        if answer.status == 401:
            self._tokens.refused(token)
            token = await self._tokens.token()
            answer = await self._outbound.request(method, url, sent | {"authorization": f"Bearer {token.value}"}, content)
        return answer

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        await self._outbound.aclose()

    async def read(self, path: str) -> Json:
        """One resource. Errors: Unusable, OutboundError, NoToken."""
        answer = await self.call("GET", path)
        resource = resource_of(answer)
        if answer.status != 200 or resource is None:
            raise Unusable(answer)
        return resource

    async def search(self, kind: str, parameters: Mapping[str, str]) -> list[Json]:
        """The matches of a search, through its pages. Errors: Unusable, OutboundError, NoToken."""
        path: str | None = f"{kind}?{urlencode(parameters)}"
        found: list[Json] = []
        for _ in range(MOST_PAGES):
            answer = await self.call("GET", str(path))
            bundle = resource_of(answer)
            if answer.status != 200 or bundle is None or bundle.get("resourceType") != "Bundle":
                raise Unusable(answer)
            found += [each for each in _matches(bundle) if each.get("resourceType") == kind]
            path = self._next(bundle)
            if path is None:
                return found
        raise Unusable(Answer(200, {}))

    def _next(self, bundle: Json) -> str | None:
        """The next page below our base. An address elsewhere is never followed: it would be given our token."""
        for link in objects(bundle, "link"):
            if link.get("relation") == "next":
                url = str(link.get("url"))
                if url.startswith((self.base + "/", self.base + "?")):
                    return url[len(self.base) :].lstrip("/")
                if "://" not in url and not url.startswith("/"):
                    return url
                raise Unusable(Answer(200, {}))
        return None


def resource_of(answer: Answer) -> Json | None:
    """The resource in an answer; None when there is none (an empty body, a web page)."""
    try:
        body: Any = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) and isinstance(body.get("resourceType"), str) else None


def _matches(bundle: Json) -> Iterator[Json]:
    for entry in objects(bundle, "entry"):
        if part(entry, "search").get("mode", "match") == "match":
            yield part(entry, "resource")


def token_value(system: str, value: str) -> str:
    """A token search value, with the characters that have a meaning escaped (R4 search.html)."""
    return "|".join("".join("\\" + char if char in "\\|$," else char for char in part) for part in (system, value))
