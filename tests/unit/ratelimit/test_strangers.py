"""Whom an address stands for, with and without proxies that are believed."""

import pytest

from aigestion.ratelimit.strangers import UNKNOWN, Strangers

PROXIES = ["10.0.0.0/8", "fd00::/8"]


@pytest.mark.parametrize(
    ("peer", "stands_for"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("", UNKNOWN),
        ("/run/socket", UNKNOWN),
    ],
)
def test_an_address_stands_for_its_owner(peer: str, stands_for: str) -> None:
    assert Strangers().address(peer, ["203.0.113.9"]) == stands_for


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "stands_for"),
    [
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8:1:2::9]:4711"], "2001:db8:1:2::/64"),
        ("fd00::1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ("10.0.0.1", ["203.0.113.9, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [", ".join(["203.0.113.9", *["10.0.0.2"] * 50])], "10.0.0.2"),
        ("192.0.2.7", ["203.0.113.9"], "192.0.2.7"),
    ],
)
def test_only_what_trusted_proxies_wrote_is_believed(
    peer: str, forwarded_for: list[str], stands_for: str
) -> None:
    assert Strangers(trusted_proxies=PROXIES).address(peer, forwarded_for) == stands_for


def test_neighbours_of_one_ipv6_network_share_their_failures() -> None:
    strangers = Strangers(failures_per_minute=2)
    addresses = [strangers.address(f"2001:db8::{n}") for n in range(3)]

    assert [strangers.failed(one).admitted for one in addresses] == [True, True, False]
