"""Which addresses are public, and which names are followed."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.renderer.addresses import NotPublicError, is_public, resolved

INSIDE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1%eth0",
    "fd00::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_are_not_public(address: str) -> None:
    """Loopback, private, shared, link-local, multicast and unspecified ones; cloud metadata among them."""
    assert not is_public(address)


@given(st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address), st.sampled_from(["::ffff:{}", "64:ff9b::{}"]))
def test_an_address_that_carries_another_is_as_public_as_that(plain: ipaddress.IPv4Address, form: str) -> None:
    """An IPv4 address behind a mapping or a translation is reached all the same."""
    assert is_public(form.format(plain)) == is_public(str(plain))


def test_what_6to4_carries_counts() -> None:
    """2002:7f00:1:: is the way to 127.0.0.1."""
    assert not is_public("2002:7f00:1::")
    assert not is_public("2002:a00:1::1")
    assert is_public("93.184.216.34")
    assert is_public("2606:2800:220:1:248:1893:25c8:1946")


def answers(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name lead to these."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 443)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: found)


def test_one_address_inside_spoils_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which one is connected to must not be left to chance; who allows private ones gets one."""
    answers(monkeypatch, "93.184.216.34", "10.0.0.1")
    with pytest.raises(NotPublicError, match=r"leads to 10\.0\.0\.1"):
        resolved("cdn.example.com", 443)
    assert resolved("cdn.example.com", 443, private=True) == "10.0.0.1"
    answers(monkeypatch, "93.184.216.34")
    assert resolved("cdn.example.com", 443) == "93.184.216.34"


@pytest.mark.parametrize("host", ["a" * 64 + ".example.com", "..", "xn--\udcff"])
def test_a_name_that_is_none_is_an_error_of_the_network(host: str) -> None:
    """The resolver's own errors, whatever their kind, are one kind here."""
    with pytest.raises(OSError, match="not a host's name"):
        resolved(host, 443)


def test_the_resolvers_error_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the caller to say."""

    def fail(*_args: Any, **_more: Any) -> Any:
        raise socket.gaierror(-3, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(OSError, match="try again"):
        resolved("cdn.example.com", 443)
