import time

import pytest

from wunderkammer.storage import lease as lease_module
from wunderkammer.storage.lease import Holder, Lease, LeaseError, wait_for_removal
from wunderkammer.storage.store import Store


@pytest.fixture(params=["disk", "memory"])
def store(request, tmp_path):
    return Store(str(tmp_path) if request.param == "disk" else "memory:///")


def claim(store, number, **changes):
    facts = {**Holder.facts(), "renewed": time.time(), "is_over": False, **changes}
    content = lease_module._Claim.model_validate(facts).model_dump_json().encode()
    store.write(f"gc/{number:09d}.json", content)


def test_one_after_the_other_may_hold_it(store):
    for _ in range(3):
        with Lease(store) as lease:
            lease.renew()
    assert len(list(store.keys("gc"))) == 1


@pytest.mark.parametrize(
    ("changes", "is_held"),
    [
        ({}, True),
        ({"is_over": True}, False),
        ({"pid_started": 1.0}, False),
        ({"host": "elsewhere"}, True),
        ({"host": "elsewhere", "renewed": 1.0}, False),
    ],
)
def test_it_is_held_by_who_lives_or_has_renewed_it(store, changes, is_held):
    claim(store, 7, **changes)
    if is_held:
        with pytest.raises(LeaseError, match="removes from this store already"):
            Lease(store).__enter__()
    else:
        with Lease(store):
            assert sorted(store.keys("gc")) == ["gc/000000008.json"]


def test_who_was_overtaken_does_not_go_on(store, monkeypatch):
    monkeypatch.setattr(lease_module, "RENEW_S", 0.0)
    with Lease(store) as lease:
        lease.renew()
        claim(store, 2, host="elsewhere")
        with pytest.raises(LeaseError, match="slept for too long"):
            lease.renew()


def test_who_has_slept_too_long_does_not_go_on(store, monkeypatch):
    with Lease(store) as lease:
        monkeypatch.setattr(lease_module, "RENEW_S", 0.0)
        monkeypatch.setattr(lease_module, "EXPIRY_S", 0.0)
        with pytest.raises(LeaseError, match="slept for too long"):
            lease.renew()


def test_a_writer_waits_until_it_is_over(store):
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        claim(store, 1, is_over=len(pauses) == 3)

    wait_for_removal(store, pause=pause)
    assert pauses == []
    claim(store, 1)
    wait_for_removal(store, pause=pause)
    assert len(pauses) == 3
