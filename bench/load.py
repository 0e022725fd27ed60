"""A small load generator on raw sockets: fixed clients, keep-alive, as little work a request as Python allows."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

MakeBody = Callable[[int], tuple[str, str, bytes]]
"""number -> (method, path, body)"""


@dataclass(slots=True)
class Result:
    """What one run saw: requests a second and latencies in milliseconds."""

    per_s: float
    p50: float
    p99: float
    failures: int
    last: bytes


def request(method: str, path: str, host: str, body: bytes, token: str | None = None) -> bytes:
    """The bytes of one HTTP/1.1 request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/fhir+json\r\nContent-Type: application/fhir+json\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _client(
    base: str, make: MakeBody, numbers: list[int], end: float, took: list[float], failed: list[int], last: list[bytes], token: str | None
) -> None:
    parts = urlsplit(base)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    while time.perf_counter() < end:
        numbers[0] += 1
        method, path, body = make(numbers[0])
        started = time.perf_counter()
        writer.write(request(method, parts.path + path, parts.netloc, body, token))
        head = await reader.readuntil(b"\r\n\r\n")
        at = head.lower().find(b"content-length:")
        length = int(head[at + 15 : head.find(b"\r\n", at)]) if at >= 0 else 0
        answer = await reader.readexactly(length) if length else b""
        took.append((time.perf_counter() - started) * 1000)
        if head[9:10] not in (b"2",):
            failed.append(int(head[9:12]))
            last[0] = answer
    writer.close()


async def drive(base: str, make: MakeBody, seconds: float, clients: int = 16, token: str | None = None) -> Result:
    """Send for this long with this many clients."""
    took: list[float] = []
    failed: list[int] = []
    last = [b""]
    started, numbers = time.perf_counter(), [0]
    end = started + seconds
    await asyncio.gather(*(_client(base, make, numbers, end, took, failed, last, token) for _ in range(clients)))
    spent = time.perf_counter() - started
    took.sort()
    return Result(len(took) / spent, took[len(took) // 2], took[int(len(took) * 0.99)], len(failed), last[0])
