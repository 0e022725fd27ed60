"""What we say to a token endpoint: https://hl7.org/fhir/smart-app-launch/STU2/client-confidential-asymmetric.html"""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_S: Final = 300
PREFERRED: Final = ("ES384", "RS384")


def claims(client_id: str, token_endpoint: str, jti: str, now: float, life_s: int = 240) -> dict[str, Any]:
    """The claims of a client assertion. `life_s` stays under the 300 s that servers allow, so that clocks may differ; `now` in seconds."""
    if not 0 < life_s <= LONGEST_S:
        raise ValueError("an assertion lives at most 300 seconds")
    return {"iss": client_id, "sub": client_id, "aud": token_endpoint, "jti": jti, "iat": int(now), "exp": int(now) + life_s}


def form(assertion: str, scope: str) -> bytes:
    """The body of a token request."""
    fields = {"grant_type": "client_credentials", "scope": scope, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    return urlencode(fields).encode()


def algorithm(supported: Sequence[str], allowed: Sequence[str] = PREFERRED) -> str | None:
    """What to sign with: the first that the vendor is known to take and the server says it takes; a server that says nothing is taken to
    speak RS384, as the older ones do. None when nothing is common."""
    if not supported:
        return "RS384" if "RS384" in allowed else next(iter(allowed), None)
    return next((each for each in PREFERRED if each in allowed and each in supported), None)
