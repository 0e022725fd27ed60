"""Keys of clients and issuers by jwks_uri and discovery: through the hardened client, seldom, and private addresses only where an admin allowed them."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest_asyncio

from adapters import jose
from service.registry import Client, Issuer
from tests.adapters.test_outbound_http import server
from tests.smart.installation import AUD, EC_KEY, JWKS, STRANGER, Smart, assertion, bearer, form, issued

Asked = list[str]


@pytest_asyncio.fixture
async def loopback() -> AsyncIterator[tuple[str, Asked, dict[str, Any]]]:
    """(address, paths asked for, what is answered by path) of a server on 127.0.0.1."""
    asked: Asked = []
    answers: dict[str, Any] = {}

    async def serve(reader: Any, writer: Any) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        asked.append(path)
        body = json.dumps(answers[path]).encode() if path in answers else b""
        status = b"200 OK" if path in answers else b"404 Not Found"
        writer.write(b"HTTP/1.1 %b\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body))
        await writer.drain()

    async with server(serve) as port:
        yield f"http://127.0.0.1:{port}", asked, answers


def token(iss: str, key: jose.PrivateKey = EC_KEY, **changed: Any) -> dict[str, str]:
    return bearer(issued("system/*.rs", key, iss=iss, aud=AUD, **changed))


async def ask(smart: Smart, who: dict[str, str]) -> httpx.Response:
    return await smart.send("GET", "Patient?_count=1", who)


async def test_a_clients_private_address_is_not_called(smart: Smart, loopback: tuple[str, Asked, dict[str, Any]]) -> None:
    address, asked, answers = loopback
    answers["/jwks"] = JWKS
    for place in (f"{address}/jwks", address.replace("127.0.0.1", "localhost") + "/jwks", "http://169.254.169.254/jwks", "file:///etc/passwd", "nonsense"):
        name = f"by-uri-{uuid4().hex}"
        await smart.house.registry.put(Client(name=name, client_id=name, scopes="system/*.rs", jwks_uri=place))
        answer = await smart.ask(form(assertion(name), "system/*.rs"))
        assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
    assert asked == []


async def test_an_issuers_keys_where_it_was_allowed_a_private_address(smart: Smart, loopback: tuple[str, Asked, dict[str, Any]]) -> None:
    address, asked, answers = loopback
    answers["/jwks"] = JWKS
    closed, opened = (f"https://{word}-{uuid4().hex}.test" for word in ("closed", "opened"))
    await smart.house.registry.put(Issuer(name=closed, iss=closed, audience=AUD, jwks_uri=f"{address}/jwks"))
    assert (await ask(smart, token(closed))).status_code == 401
    assert asked == []
    await smart.house.registry.put(Issuer(name=opened, iss=opened, audience=AUD, jwks_uri=f"{address}/other", allow_private=True))
    answers["/other"] = JWKS
    assert (await ask(smart, token(opened))).status_code == 200
    for _ in range(5):
        assert (await ask(smart, token(opened, STRANGER))).status_code == 401
    assert asked == ["/other"], "a key id nobody knows is looked up at most twice a minute"


async def test_a_client_at_an_address_that_an_issuer_was_allowed(smart: Smart, loopback: tuple[str, Asked, dict[str, Any]]) -> None:
    """What an admin allowed is the address: the same EHR is often both, the issuer of tokens and a backend client."""
    address, _, answers = loopback
    answers["/jwks"] = JWKS
    name = f"ehr-{uuid4().hex}"
    await smart.house.registry.put(Issuer(name=name, iss=f"https://{name}.test", audience=AUD, jwks_uri=f"{address}/jwks", allow_private=True))
    await smart.house.registry.put(Client(name=name, client_id=name, scopes="system/*.rs", jwks_uri=f"{address}/jwks"))
    assert (await smart.ask(form(assertion(name), "system/*.rs"))).status_code == 200
    assert (await smart.ask(form(assertion(name, STRANGER), "system/*.rs"))).status_code == 401


async def test_keys_are_discovered(smart: Smart, loopback: tuple[str, Asked, dict[str, Any]]) -> None:
    address, asked, answers = loopback
    discoveries: list[Callable[[str], str]] = [lambda iss: f"{iss}/.well-known/openid-configuration", lambda iss: f"{iss}/.well-known/smart-configuration"]
    for number, place in enumerate(discoveries):
        iss = f"{address}/issuer-{number}"
        answers[place(iss).removeprefix(address)] = {"issuer": iss, "jwks_uri": f"{iss}/keys"}
        answers[f"/issuer-{number}/keys"] = JWKS
        await smart.house.registry.put(Issuer(name=iss, iss=iss, audience=AUD, allow_private=True))
        assert (await ask(smart, token(iss))).status_code == 200
        assert asked[-2:] == [place(iss).removeprefix(address), f"/issuer-{number}/keys"]


async def test_an_issuer_that_cannot_be_discovered_is_not_called_for_every_token(smart: Smart, loopback: tuple[str, Asked, dict[str, Any]]) -> None:
    address, asked, _ = loopback
    iss = f"{address}/dumb"
    await smart.house.registry.put(Issuer(name=iss, iss=iss, audience=AUD, allow_private=True))
    for _ in range(5):
        assert (await ask(smart, token(iss))).status_code == 401
    assert asked == ["/dumb/.well-known/openid-configuration", "/dumb/.well-known/smart-configuration"]


async def test_keys_that_are_none(smart: Smart, loopback: tuple[str, Asked, dict[str, Any]]) -> None:
    address, _, answers = loopback
    private = EC_KEY.public_jwk | {"kty": "oct", "k": "c2VjcmV0"}
    for number, document in enumerate(([], {"keys": {}}, {"keys": [private, None, 7]}, "x", {"keys": [EC_KEY.public_jwk], "pad": "x" * 300_000})):
        answers[f"/{number}"] = document
        iss = f"https://odd-{uuid4().hex}.test"
        await smart.house.registry.put(Issuer(name=iss, iss=iss, audience=AUD, jwks_uri=f"{address}/{number}", allow_private=True))
        assert (await ask(smart, token(iss))).status_code == 401, number
