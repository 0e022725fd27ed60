"""One request as the interactions see it: who asks, for what, with which headers and body."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from service.errors import Kind, Refusal

if TYPE_CHECKING:
    from service.fhir.shaping import Shape
    from service.house import House
    from service.security.principal import Principal

Receive = Callable[[], Awaitable[Any]]
_JSON_TYPES = ("application/fhir+json", "application/json")
_FORM = b"application/x-www-form-urlencoded"
_JSON_NAMES = ("json", "application/json", "application/fhir+json", "text/json")


class Call:
    """One request. Headers are lower-case bytes; `parts` are the path segments after /fhir. `rehearses`: its answer is for nobody to see."""

    __slots__ = ("_body", "_receive", "headers", "house", "method", "parts", "principal", "query", "rehearses", "request_id", "shape")

    def __init__(self, house: "House", scope: Any, receive: Receive, parts: list[str], request_id: str) -> None:
        self.house, self._receive, self.parts, self.request_id = house, receive, parts, request_id
        self.method: str = scope["method"]
        self.query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.principal: Principal = None  # type: ignore[assignment]  # set by the application before any interaction runs
        self._body: bytes | None = None
        self.shape: Shape | None = None
        self.rehearses = False

    async def body(self) -> bytes:
        """The whole body. Errors: 413 past the limit, 415 for compressed ones."""
        if self._body is None:
            self._body = await self._read(self.house.settings.max_body_mb * 1_048_576)
        return self._body

    async def _read(self, limit: int) -> bytes:
        if self.headers.get(b"content-encoding", b"identity") != b"identity":
            raise Refusal(Kind.UNSUPPORTED_MEDIA, "Compressed bodies are not accepted")
        length = self.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > limit:
            raise Refusal(Kind.TOO_LARGE, f"The body is larger than {limit} bytes")
        chunks, size = [], 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Refusal(Kind.INVALID, "The body ended early")
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise Refusal(Kind.TOO_LARGE, f"The body is larger than {limit} bytes")
            chunks.append(chunk)
            if not message.get("more_body"):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def content_type(self) -> str:
        """The media type of the body, without parameters."""
        return self.headers.get(b"content-type", b"").split(b";")[0].strip().lower().decode("latin-1")

    async def fhir_body(self) -> bytes:
        """The body, declared as FHIR JSON. Errors: 415. A web page cannot send this type without asking first (CORS)."""
        if self.content_type() not in _JSON_TYPES:
            raise Refusal(Kind.UNSUPPORTED_MEDIA, "The body must be application/fhir+json")
        return await self.body()

    async def typed_body(self, types: Sequence[str], accepted: bytes) -> bytes:
        """The body, declared as one of these types. Errors: 415 with Accept-Patch (RFC 5789)."""
        if self.content_type() not in types:
            said = f"The body must be one of {', '.join(types)}"
            raise Refusal(Kind.UNSUPPORTED_MEDIA, said, headers=((b"accept-patch", accepted),))
        return await self.body()

    def criteria(self) -> str:
        """The search criteria of a conditional request in its address. Errors: 412 without any: a condition is never widened."""
        pairs = [part for part in self.query.split(b"&") if part and part.split(b"=")[0] not in (b"_format", b"_pretty", b"_summary", b"_elements")]
        if not pairs:
            raise Refusal(Kind.PRECONDITION, "A conditional request needs search criteria", code="required")
        return b"&".join(pairs).decode("latin-1")

    async def form_query(self) -> bytes:
        """The search parameters of a POST _search: body and URL together (http.html, 3.1.0.9)."""
        declared = self.headers.get(b"content-type", _FORM).split(b";")[0].strip().lower()
        body = await self.body()
        if body and declared != _FORM:
            raise Refusal(Kind.UNSUPPORTED_MEDIA, "The body of a _search must be application/x-www-form-urlencoded")
        return b"&".join(part for part in (self.query, body) if part)

    def check_format(self) -> None:
        """JSON is the one format. Errors: 406 when only others are asked for."""
        if b"_format" in self.query:
            wanted = [value for name, value in parse_qsl(self.query.decode("ascii", "replace"), keep_blank_values=True) if name == "_format"]
            if any(_plain(value) not in _JSON_NAMES for value in wanted):
                raise Refusal(Kind.NOT_ACCEPTABLE, "Only JSON is served", "_format")
            return
        accept = self.headers.get(b"accept")
        if accept and b"json" not in accept and b"*" not in accept:
            raise Refusal(Kind.NOT_ACCEPTABLE, "Only application/fhir+json is served")

    def prefer(self, name: str) -> str | None:
        """One preference of the Prefer header (RFC 7240), such as `return` or `handling`."""
        header = self.headers.get(b"prefer")
        if not header:
            return None
        for part in header.decode("latin-1").replace(";", ",").split(","):
            key, _, value = part.strip().partition("=")
            if key.strip().lower() == name:
                return value.strip().strip('"')
        return None


def _plain(value: str) -> str:
    """The media type without parameters; an unescaped + in a URL arrives as a space."""
    return value.split(";")[0].strip().replace(" ", "+").lower()
