import pytest

from wunderkammer.conduct.addresses import is_allowed

PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "0.0.0.0",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.0.192",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:169.254.169.254",
    "::ffff:127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public_are_refused(address):
    assert not is_allowed(address, 80)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_allowed(address):
    assert is_allowed(address, 80)


def test_loopback_is_allowed_on_the_named_ports_only():
    for address in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
        assert is_allowed(address, 8001, loopback_ports=(8001,))
        assert not is_allowed(address, 8002, loopback_ports=(8001,))
    assert not is_allowed("10.0.0.1", 8001, loopback_ports=(8001,))


@pytest.mark.parametrize("text", ["127.1", "2130706433", "0x7f.0.0.1", "example.org", ""])
def test_what_is_no_usual_address_is_an_error(text):
    with pytest.raises(ValueError, match="does not appear to be"):
        is_allowed(text, 80)
