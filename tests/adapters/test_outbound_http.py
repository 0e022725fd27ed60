"""The hardened client against a real server on loopback, and the addresses it refuses."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapters import addresses
from adapters.http import ForbiddenAddress, Limits, NotSent, Outbound, OutboundError, TooLarge, Unanswered, Unreadable

QUICK = Limits({"connect": 0.5, "read": 0.3, "write": 0.5, "pool": 0.3}, deadline_s=0.8, body_bytes=1000)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that does `serve` after it has read a request's head; answers its port."""
    waiting: list[asyncio.Task[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting.append(asyncio.current_task())  # type: ignore[arg-type]
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    started = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield started.sockets[0].getsockname()[1]
    finally:
        started.close()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def says(raw: bytes, seen: list[bytes] | None = None) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(head)
        writer.write(raw)
        await writer.drain()

    return serve


def ok(body: bytes, extra: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n" % (len(body), extra) + body


async def ask(port: int, limits: Limits = QUICK, method: str = "GET", body: bytes | None = None) -> object:
    outbound = Outbound(allow_private=True, limits=limits)
    try:
        return await outbound.request(method, f"http://127.0.0.1:{port}/x?name=Jane", body=body)
    finally:
        await outbound.aclose()


async def test_what_is_sent_and_answered() -> None:
    seen: list[bytes] = []
    async with server(says(ok(b"hello", b"ETag: W/\"1\"\r\n"), seen)) as port:
        answer = await ask(port)
    assert (answer.status, answer.body, answer.headers["etag"]) == (200, b"hello", 'W/"1"')  # type: ignore[attr-defined]
    assert b"accept-encoding: identity" in seen[0].lower()
    assert b"cookie" not in seen[0].lower()


async def test_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with server(says(ok(b"hello"))) as port:
        assert (await ask(port)).status == 200  # type: ignore[attr-defined]


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    seen: list[bytes] = []
    raw = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n"
    async with server(says(raw, seen)) as port:
        assert (await ask(port)).status == 302  # type: ignore[attr-defined]
    assert len(seen) == 1


async def test_cookies_are_not_kept() -> None:
    seen: list[bytes] = []
    async with server(says(ok(b"", b"Set-Cookie: a=b\r\nConnection: close\r\n"), seen)) as port:
        outbound = Outbound(allow_private=True, limits=QUICK)
        for _ in range(2):
            await outbound.request("GET", f"http://127.0.0.1:{port}/")
        await outbound.aclose()
    assert not any(b"cookie" in head.lower() for head in seen)


async def test_nobody_listening_is_not_sent() -> None:
    async with server(says(b"")) as port:
        pass
    with pytest.raises(NotSent):
        await ask(port, method="POST", body=b"{}")


async def test_a_name_that_does_not_exist_is_not_sent() -> None:
    async def nowhere(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(NotSent):
        await Outbound(resolve=nowhere).request("GET", "https://ehr.example/")


async def test_a_resolver_that_hangs_is_not_sent() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    with pytest.raises(NotSent):
        await Outbound(resolve=never, limits=QUICK).request("POST", "https://ehr.example/", body=b"{}")


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(60)


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()  # type: ignore[attr-defined]


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte now and then: no single read takes too long."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.1)


async def dripping_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x: y\r\n")
        await writer.drain()
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("serve", [silent, resetting, dripping, dripping_head, says(b""), says(b"nonsense\r\n\r\n"), says(ok(b"hello")[:-2])])
async def test_sent_without_an_answer_is_unknown_and_ends_in_time(serve: Serve) -> None:
    async with server(serve) as port:
        began = time.monotonic()
        with pytest.raises(Unanswered) as error:
            await ask(port, method="POST", body=b"{}")
        assert time.monotonic() - began < 10
    assert "Jane" not in str(error.value)
    assert "127.0.0.1" not in str(error.value)


@pytest.mark.parametrize("chunked", [True, False])
async def test_too_large(chunked: bool) -> None:
    body = b"3e8\r\n" + b"x" * 1000 + b"\r\n"
    raw = b"HTTP/1.1 201 Created\r\nLocation: CarePlan/1\r\nTransfer-Encoding: chunked\r\n\r\n" + body * 2 + b"0\r\n\r\n"
    async with server(says(raw if chunked else ok(b"x" * 1001))) as port:
        with pytest.raises(TooLarge) as error:
            await ask(port)
    assert error.value.answer.status == (201 if chunked else 200)
    assert error.value.answer.body == b""


async def test_an_endless_head_is_refused() -> None:
    async with server(says(b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 200_000)) as port:
        with pytest.raises(Unanswered):
            await ask(port)


async def test_a_compressed_answer_is_not_unpacked() -> None:
    async with server(says(ok(b"\x1f\x8b", b"Content-Encoding: gzip\r\n"))) as port:
        with pytest.raises(Unreadable):
            await ask(port)


# Addresses


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("93.184.216.34", "public"), ("2606:4700::1111", "public"), ("10.1.2.3", "private"), ("172.16.0.1", "private"), ("192.168.1.1", "private"),
        ("100.64.0.1", "private"), ("fd12::1", "private"), ("198.18.0.1", "private"), ("127.0.0.1", "loopback"), ("127.255.0.9", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "never"), ("0.1.2.3", "never"), ("::", "never"), ("169.254.169.254", "never"), ("169.254.170.2", "never"), ("fe80::1", "never"),
        ("fe80::1%eth0", "never"), ("fd00:ec2::254", "never"), ("fd20:ce::254", "never"), ("100.100.100.200", "never"), ("168.63.129.16", "never"),
        ("224.0.0.1", "never"), ("255.255.255.255", "never"), ("ff02::1", "never"),
        ("::ffff:127.0.0.1", "loopback"), ("::ffff:169.254.169.254", "never"), ("::ffff:10.0.0.1", "private"), ("::ffff:93.184.216.34", "public"),
        ("::127.0.0.1", "loopback"), ("64:ff9b::a9fe:a9fe", "never"), ("64:ff9b::7f00:1", "loopback"), ("2002:7f00:1::", "loopback"),
        ("2002:a9fe:a9fe::", "never"),
    ],
)  # fmt: skip
def test_where_an_address_leads(text: str, place: str) -> None:
    address = addresses.read(text)
    assert address is not None
    assert addresses.place(address) == place


def resolving(*answers: Sequence[str]) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    left = list(answers)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


@pytest.mark.parametrize("allow_private", [True, False])
@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/latest/meta-data", "http://169.254.169.254/", "https://[fe80::1]/", "https://[::ffff:a9fe:a9fe]/", "https://0.0.0.0/", "https://[::]/",
        "http://10.0.0.1/", "http://ehr.example/", "http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/", "http://127.0.0.1.nip.io/", "http://localhost./",
        "ftp://ehr.example/", "file:///etc/passwd", "gopher://127.0.0.1/", "//ehr.example/", "/fhir", "", "https://", "https://user:pw@ehr.example/",
        "https://ehr.example\r\nHost: x/", "https://ehr .example/", "javascript:alert(1)", "https://[::1",
    ],
)  # fmt: skip
async def test_addresses_that_are_never_called(url: str, allow_private: bool) -> None:
    async def connecting(host: str, port: int) -> Sequence[str]:
        raise AssertionError("nothing must come as far as the resolver")

    with pytest.raises(ForbiddenAddress):
        await Outbound(allow_private=allow_private, resolve=connecting).request("GET", url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/", "http://[::ffff:127.0.0.1]:9/", "https://127.0.0.1:9/"])
async def test_loopback_and_private_only_where_allowed(url: str) -> None:
    with pytest.raises(ForbiddenAddress, match="private"):
        await Outbound(resolve=resolving(["127.0.0.1"])).request("GET", url)
    with pytest.raises(NotSent):
        await Outbound(allow_private=True, resolve=resolving(["127.0.0.1"]), limits=QUICK).request("GET", url)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "localhost.", "localtest.example"])
async def test_a_name_that_leads_to_loopback(host: str) -> None:
    """However a name is spelled, what counts is the address it resolves to."""
    with pytest.raises(ForbiddenAddress):
        await Outbound(resolve=resolving(["127.0.0.1"])).request("GET", f"https://{host}:9/")


async def test_an_answer_of_the_dns_that_changes_changes_nothing() -> None:
    """The name resolves to a public address once and to the metadata service the next time: the second call is checked as well."""
    outbound = Outbound(resolve=resolving(["192.0.2.1"], ["169.254.169.254"]), limits=QUICK, allow_private=True)
    with pytest.raises(NotSent):
        await outbound.request("GET", "https://ehr.example:9/")
    with pytest.raises(ForbiddenAddress):
        await outbound.request("GET", "https://ehr.example:9/")


async def test_only_the_checked_addresses_are_connected_to() -> None:
    async with server(says(ok(b"hello"))) as port:
        outbound = Outbound(resolve=resolving(["169.254.169.254", "127.0.0.1"]), limits=QUICK, allow_private=True)
        answer = await outbound.request("GET", f"http://localhost:{port}/")
        assert answer.body == b"hello"
        await outbound.aclose()


async def test_localhost_that_resolves_elsewhere_is_not_plain_http() -> None:
    with pytest.raises(OutboundError):
        await Outbound(resolve=resolving(["192.168.1.1"]), allow_private=True, limits=QUICK).request("GET", "http://localhost:9/")


# TLS: the name is verified although the connection goes to an address


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.9"))]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    return folder / "cert.pem", folder / "key.pem"


async def test_tls_verifies_the_name_and_trusts_the_given_authority(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "ehr.example")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    async with server(says(ok(b"hello")), context) as port:
        trusting = Outbound(ca_file=str(cert), allow_private=True, limits=QUICK, resolve=resolving(["127.0.0.1"]))
        assert (await trusting.request("GET", f"https://ehr.example:{port}/")).body == b"hello"
        with pytest.raises(NotSent):
            await trusting.request("GET", f"https://other.example:{port}/")
        with pytest.raises(NotSent):
            await Outbound(allow_private=True, limits=QUICK, resolve=resolving(["127.0.0.1"])).request("GET", f"https://ehr.example:{port}/")
        await trusting.aclose()


# Proxy, and a transport from outside


async def test_a_proxy_gets_the_name_and_loopback_does_not_go_through_it() -> None:
    seen: list[bytes] = []
    async with server(says(b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n", seen)) as proxy, server(says(ok(b"direct"))) as port:
        outbound = Outbound(proxy=f"http://user:word@127.0.0.1:{proxy}", allow_private=True, limits=QUICK)
        with pytest.raises(NotSent):
            await outbound.request("GET", "https://ehr.example/fhir")
        assert (await outbound.request("GET", f"http://127.0.0.1:{port}/")).body == b"direct"
        with pytest.raises(ForbiddenAddress):
            await outbound.request("GET", "https://169.254.169.254/")
        await outbound.aclose()
    assert len(seen) == 1
    assert seen[0].startswith(b"CONNECT ehr.example:443 ")
    assert b"proxy-authorization: basic" in seen[0].lower()


async def test_a_given_transport() -> None:
    answer = await Outbound(transport=httpx.MockTransport(lambda request: httpx.Response(204))).request("GET", "https://ehr.example/")
    assert answer.status == 204
