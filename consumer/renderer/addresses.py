"""Which network addresses a host's name leads to, and whether they are public; opens no connection."""

from __future__ import annotations

import ipaddress
import socket

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""Behind it lies the IPv4 address of the last 32 bits (RFC 6052, 2.1)."""


class NotPublicError(Exception):
    """Raised when a host leads to an address that is not on the public internet."""


def resolved(host: str, port: int, *, private: bool = False) -> str:
    """One address of the host, to be connected to by number, so that a second look-up cannot give another answer.

    Raises NotPublicError where any of its addresses is not public, unless ``private`` ones are allowed, and OSError
    where there is none.
    """
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except UnicodeError as error:
        raise OSError(f"not a host's name: {error}") from error
    for address in sorted(found):
        if not private and not is_public(address):
            raise NotPublicError(f"{host} leads to {address}, which is not a public address")
    return min(found)


def is_public(address: str) -> bool:
    """True for an address on the public internet; one that carries another is judged by the one it carries."""
    plain = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    if isinstance(plain, ipaddress.IPv6Address):
        carried = plain.ipv4_mapped or plain.sixtofour
        if plain in _NAT64:
            carried = ipaddress.IPv4Address(int(plain) & 0xFFFFFFFF)
        if carried is not None:
            return is_public(str(carried))
    return plain.is_global and not plain.is_multicast
