"""`aigestion keys` and `tenants`: on a log in memory."""

from datetime import UTC, datetime, timedelta

import pytest

from aigestion.api.keys import parse_key
from tests.unit.cli.tenant_log import call, open_world, told


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> None:
    open_world(monkeypatch)


def test_a_key_is_issued_expires_and_is_revoked() -> None:
    (issued,) = told("keys", "create", "laptop", "--scope", "events", "--scope", "read")
    key_id = issued["key_id"]
    presented = parse_key(issued["key"])
    assert presented is not None
    assert presented.key_id == key_id
    assert issued["scopes"] == ["read", "events"]

    told("keys", "expire", key_id, "--at", "2d")
    *_, active = told("keys", "list")
    told("keys", "revoke", key_id)
    *_, revoked = told("keys", "list")

    assert (active["state"], revoked["state"]) == ("active", "revoked")
    assert active["name"] == "laptop"
    left = datetime.fromisoformat(active["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=1, hours=23) < left <= timedelta(days=2)
    assert "secret_hash" not in active


def test_the_list_is_a_table_and_shows_no_secret() -> None:
    first = told("keys", "list")[0]

    head, row = call("keys", "list").stdout.splitlines()

    assert head.split() == ["KEY", "NAME", "SCOPES", "STATE", "ISSUED", "EXPIRES"]
    assert row.startswith(f"{first['key_id']}  first  read write admin events agent  active")
    assert row.endswith("never")


@pytest.mark.parametrize("when", ["yesterday", "2020-01-01", "0d", "99999d", "2d ", ""])
def test_an_end_that_is_none_is_a_wrong_call(when: str) -> None:
    result = call("keys", "create", "laptop", "--scope", "read", "--expires", when)

    assert result.exit_code == 2
    assert "Invalid value for '--expires'" in result.stderr


def test_a_tenant_nobody_made_gets_no_keys() -> None:
    for arguments in (("list",), ("create", "laptop", "--scope", "read"), ("revoke", "k1")):
        result = call("keys", *arguments, "--tenant", "acme")

        assert result.exit_code == 1
        assert "aigestion tenants create acme" in result.stderr


def test_tenants_are_listed_as_they_were_made() -> None:
    told("tenants", "create", "acme", "--title", "Acme Ltd")
    told("tenants", "create", "acme")

    listed = told("tenants", "list")

    assert [(one["tenant"], one["name"]) for one in listed] == [
        ("demo", "demo"),
        ("acme", "Acme Ltd"),
    ]
    assert call("tenants", "list").stdout.splitlines()[2].startswith("acme    Acme Ltd  ")


@pytest.mark.parametrize("name", ["", "Acme", "1st", "a.b", "a" * 64, "acme\n", "é"])
def test_a_bad_name_for_a_tenant_is_refused(name: str) -> None:
    result = call("tenants", "create", name)

    assert result.exit_code == 1
    assert "cannot name a tenant" in result.stderr


def test_a_key_nobody_issued_cannot_be_revoked() -> None:
    result = call("keys", "revoke", "0" * 12)

    assert (result.exit_code, result.stderr) == (1, "error: There is no such key.\n")
