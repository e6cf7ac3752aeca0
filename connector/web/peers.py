"""Who is at the other end of a connection: the address, or the one a trusted proxy tells of.

Not here: who the person is (``signin``). What a caller says of itself counts only from a network config names.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from starlette.types import Scope

FORWARDED = b"x-forwarded-for"
UNKNOWN = "unknown"
NEIGHBOURS = 64
"""Leading bits that tell one holder of IPv6 addresses from another; whoever has one address has the rest of them."""


class Peers:
    """Which networks are proxies whose word counts."""

    def __init__(self, trusted: Sequence[str] = ()) -> None:
        self._networks = tuple(ipaddress.ip_network(each) for each in trusted)

    def trusts(self, scope: Scope) -> bool:
        """Whether the connection itself comes from one of the proxies."""
        return self._is_proxy(_address(_peer(scope)))

    def source(self, scope: Scope) -> str:
        """Whose request it is, for counting: behind proxies the last address that is none of them."""
        address = _address(_peer(scope))
        if self._is_proxy(address):
            told = b",".join(value for name, value in scope["headers"] if name == FORWARDED).decode("latin-1")
            for hop in reversed(told.split(",")):
                found = _address(hop.strip())
                if found is None:
                    break
                address = found
                if not self._is_proxy(found):
                    break
        return _name(address)

    def caller(self, peer: object) -> str:
        """The name a connection's own address is counted under; empty for a proxy, which is not counted."""
        address = _address(peer[0] if isinstance(peer, tuple) and peer else "")
        return "" if self._is_proxy(address) else _name(address)

    def _is_proxy(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def only(scope: Scope, name: str) -> str:
    """The value of a header that must come once; empty when it is missing or doubled, for then nobody knows it."""
    wanted = name.encode()
    found = [value for key, value in scope["headers"] if key == wanted]
    return found[0].decode("latin-1") if len(found) == 1 else ""


def _peer(scope: Scope) -> object:
    client = scope.get("client")
    return client[0] if client else ""


def _address(text: object) -> IPv4Address | IPv6Address | None:
    try:
        address = ipaddress.ip_address(str(text).partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _name(address: IPv4Address | IPv6Address | None) -> str:
    if address is None:
        return UNKNOWN
    if isinstance(address, IPv6Address):
        return str(ipaddress.ip_network((address, NEIGHBOURS), strict=False))
    return str(address)
