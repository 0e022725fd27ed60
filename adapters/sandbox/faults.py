"""Faults that the sandbox can be told to have."""

from dataclasses import asdict, dataclass
from typing import Any, Final, get_args
from typing import Literal as OneOf

from adapters.sandbox.refusal import Json, Refused, outcome

Kind = OneOf["429", "503", "500", "401", "403-empty", "timeout-before", "timeout-after", "reset"]
KINDS: Final = get_args(Kind)
_ANSWERS: Final = {
    "429": (429, "throttled", "Too many requests"),
    "503": (503, "transient", "Not available now"),
    "500": (500, "exception", "The server failed"),
    "401": (401, "login", "The token is refused: told to"),
}
_FIELDS: Final = frozenset({"match", "times", "kind", "retry_after", "hold_s"})


@dataclass(frozen=True, slots=True)
class Fault:
    """What to do to the next `times` requests of this method and type ("token" is the token endpoint; None matches all).

    timeout-before holds the request for `hold_s` seconds, drops it and stores nothing; timeout-after stores first; reset drops at once.
    """

    kind: Kind
    method: str | None = None
    type: str | None = None
    times: int = 1
    retry_after: int | None = None
    hold_s: float = 30.0

    @property
    def dropped(self) -> bool:
        """Whether the connection ends without an answer."""
        return self.kind in ("timeout-before", "timeout-after", "reset")

    def as_json(self) -> Json:
        """As it is stored and shown."""
        return asdict(self)

    def wanted(self, method: str, type_: str | None) -> bool:
        """Whether it is for this request."""
        return self.method in (None, method) and self.type in (None, type_)

    def answer(self) -> tuple[int, Json | None, dict[str, str]]:
        """Status, body (None: empty) and headers of an answer that this fault gives."""
        if self.kind == "403-empty":
            return 403, None, {}
        status, code, text = _ANSWERS[self.kind]
        wait = self.retry_after if self.retry_after is not None else (1 if status == 429 else None)
        headers = {"Retry-After": str(wait)} if wait is not None and status in (429, 503) else {}
        if status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="sandbox", error="invalid_token"'
        return status, outcome(code, text), headers


def fault(data: Any) -> Fault:
    """A fault from its JSON form {match: {method, type}, times, kind, retry_after, hold_s}. Errors: Refused 422."""
    if not isinstance(data, dict) or not set(data) <= _FIELDS or data.get("kind") not in KINDS:
        raise Refused(422, "invalid", f"A fault has {', '.join(sorted(_FIELDS))}; kind is one of {', '.join(KINDS)}")
    match = data.get("match", {})
    if not isinstance(match, dict) or not set(match) <= {"method", "type"} or not all(isinstance(value, str) for value in match.values()):
        raise Refused(422, "invalid", "match has method and type")
    times, wait, hold = data.get("times", 1), data.get("retry_after"), data.get("hold_s", 30.0)
    if not _whole(times, 1) or not (wait is None or _whole(wait, 0)) or type(hold) not in (int, float) or not 0 <= hold <= 3600:
        raise Refused(422, "invalid", "times, retry_after and hold_s are numbers, not negative")
    method = match.get("method")
    return Fault(data["kind"], method.upper() if method else None, match.get("type"), times, wait, float(hold))


def stored(data: Json) -> Fault:
    """A fault from its stored form."""
    return Fault(**{name: data[name] for name in ("kind", "method", "type", "times", "retry_after", "hold_s")})


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
