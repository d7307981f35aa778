"""Which network addresses may be called: only those that belong to the public internet.

Python's own `is_global` changed its mind between versions, and takes tunnels for public; so the
special-purpose registries of IANA stand here, with the few addresses on which clouds serve their
credentials. What is not in the registries' public part is refused, not the other way round.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_SPECIAL_4 = [
    ipaddress.IPv4Network(net)
    for net in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers; Alibaba's credentials
        "127.0.0.0/8",  # this machine
        "168.63.129.16/32",  # Azure's own services, on every virtual machine
        "169.254.0.0/16",  # link; the credentials of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle's credentials
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
]
# Only this part of IPv6 is given out at all: mapped, compatible, NAT64, site-local, unique local,
# link-local and multicast addresses lie outside it.
_GIVEN_OUT_6 = ipaddress.IPv6Network("2000::/3")
_SPECIAL_6 = [
    ipaddress.IPv6Network(net)
    for net in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
]


class AddressRefused(Exception):
    """A name that leads to where nothing may be called; the message says why, without the name."""


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, and to nobody's inside."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in net for net in _SPECIAL_4)
    if address.scope_id is not None or address not in _GIVEN_OUT_6:
        return False
    return not any(address in net for net in _SPECIAL_6)


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name as the system's resolver tells them; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def checked(told: Sequence[str]) -> list[str]:
    """The addresses a name leads to, all of them public; raises AddressRefused.

    One inside among public ones is refused too: whoever mixes them means harm.
    """
    if not told:
        raise AddressRefused("The name has no address.")
    for text in told:
        try:
            address = ipaddress.ip_address(text)
        except ValueError as error:
            raise AddressRefused("The name leads to something that is no address.") from error
        if not is_public(address):
            raise AddressRefused("The name leads to an address that is not public.")
    return list(told)
