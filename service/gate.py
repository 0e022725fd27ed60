"""Who asks, and what they may: bearer tokens become principals, principals become reaches."""

from typing import Protocol

from service.errors import Kind, Refusal
from service.security.access_token import TokenVerifier
from service.security.principal import OPEN, Principal
from service.security.reach import EVERYBODY, KEPT_FROM_PERSONS, SHARED, Reach
from service.security.scopes import allows

_WRITES = ("create", "update", "patch", "delete")


class Linking(Protocol):
    """Finds the Patient of ours behind an issuer's patient id."""

    async def linked(self, issuer: str, patient: str) -> str | None: ...


class Gate:
    """`verifier` None: an open installation, where everybody may do everything."""

    def __init__(self, verifier: TokenVerifier | None, links: Linking) -> None:
        self._verifier, self._links = verifier, links

    async def principal(self, headers: dict[bytes, bytes]) -> Principal:
        """Whose token this is. Errors: 401, always the same; 403 for a patient token whose patient is not linked."""
        if self._verifier is None:
            return OPEN
        header = headers.get(b"authorization", b"")
        if header[:7].lower() != b"bearer ":
            raise Refusal(Kind.UNAUTHENTICATED, "A bearer token is needed")
        principal = await self._verifier.verify(header[7:].strip())
        if principal is None:
            raise Refusal(Kind.UNAUTHENTICATED, "The token is not accepted", headers=((b"www-authenticate", b'Bearer error="invalid_token"'),))
        if principal.kind == "patient" and principal.person is None:
            person = await self._links.linked(principal.issuer, principal.patient or "")
            if person is None:
                raise Refusal(Kind.FORBIDDEN, "The token's patient is not linked here")
            principal = principal.speaking_for(person)
        return principal

    def authorise(self, principal: Principal, interaction: str, kind: str) -> Reach:
        """How far this principal's grant for the interaction reaches. Errors: 403, whether or not anything exists."""
        if principal is OPEN:
            return EVERYBODY
        if allows(principal.scopes, interaction, kind) is None:
            raise Refusal(Kind.FORBIDDEN, "The token's scopes do not cover this", headers=((b"www-authenticate", b'Bearer error="insufficient_scope"'),))
        if principal.kind != "patient":
            return EVERYBODY
        if interaction not in _WRITES:
            return Reach(principal.person, kind in SHARED)
        if kind in KEPT_FROM_PERSONS:
            raise Refusal(Kind.FORBIDDEN, "This token speaks for one person only")
        return Reach(principal.person)

    @staticmethod
    def allows(principal: Principal, interaction: str, kind: str) -> bool:
        """Whether the grant covers this interaction on this type."""
        return principal is OPEN or allows(principal.scopes, interaction, kind) is not None

    @staticmethod
    def bound(principal: Principal) -> Reach:
        """How far anything that this principal writes may reach: a patient-bound token never past its person."""
        return Reach(principal.person) if principal.kind == "patient" else EVERYBODY
