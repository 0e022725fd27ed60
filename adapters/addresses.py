"""Which network addresses an outgoing call may reach."""

import ipaddress
from collections.abc import Iterator
from typing import Final, Literal

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Place = Literal["public", "private", "loopback", "never"]

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_NEVER: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",  # this host, link-local (most metadata services), multicast, reserved: RFC 6890
        "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32",   # metadata outside link-local: Alibaba Cloud, Azure, Oracle Cloud (classic)
        "::/128", "fe80::/10", "fec0::/10", "ff00::/8",
        "fd00:ec2::/32", "fd20:ce::/32",                              # metadata over IPv6: AWS, Google Cloud
    )
)  # fmt: skip


def read(text: str) -> Address | None:
    """An address from its text (a zone such as %eth0 is dropped); None for anything else, a host name for instance."""
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def place(address: Address) -> Place:
    """Where an address leads. One that carries another inside (mapped, 6to4, Teredo, NAT64) is judged by the worst of them."""
    places = {_place(each) for each in _inside(address)}
    order: tuple[Place, ...] = ("never", "loopback", "private", "public")
    return next(each for each in order if each in places)


def _inside(address: Address) -> Iterator[Address]:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            yield address.ipv4_mapped
            return
        if address.sixtofour is not None:
            yield address.sixtofour
        if address.teredo is not None:
            yield from address.teredo
        if address in _NAT64:
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
            return
        low = int(address)
        if 1 < low < 2**32:  # ::a.b.c.d, the old IPv4-compatible form
            yield ipaddress.IPv4Address(low)
    yield address


def _place(address: Address) -> Place:
    if any(address.version == network.version and address in network for network in _NEVER):
        return "never"
    if address.is_loopback:
        return "loopback"
    return "public" if address.is_global else "private"
