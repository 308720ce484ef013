"""Which addresses a download may connect to: public ones, and named ports of this machine.

A list of URLs comes from anywhere, and this process sits inside somebody's network. So every
address is judged where it is used: literals before a request, names when they are resolved (the
connection goes to the very addresses that were judged), and each socket once more when it is made.
"""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# Not among what every Python version calls private: IETF protocol assignments (RFC 6890; one
# cloud's metadata service is 192.0.0.192), and Azure's host agent on a public number.
ALSO_PRIVATE = (IPv4Network("192.0.0.0/24"), IPv4Network("168.63.129.16/32"))
NAT64 = IPv6Network("64:ff9b::/96")


def is_allowed(address: str, port: int, *, loopback_ports: Collection[int] = ()) -> bool:
    """Whether a download may connect to this numeric address.

    Raises:
        ValueError: `address` is no IP address in its usual form.
    """
    embedded = _embedded(ip_address(address))
    if any(one.is_loopback for one in embedded):
        return port in loopback_ports
    return all(
        one.is_global
        and not one.is_multicast
        and not one.is_reserved
        and not getattr(one, "is_site_local", False)
        and not any(one in network for network in ALSO_PRIVATE)
        for one in embedded
    )


def _embedded(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The address, and the IPv4 addresses that a gateway would make of an IPv6 one."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    nat64 = IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None
    found = (address.sixtofour, nat64, *(address.teredo or ()))
    return [address, *(one for one in found if one is not None)]
