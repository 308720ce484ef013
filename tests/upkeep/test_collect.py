"""What nothing references goes; what anything does, or may be about to, stays."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from recipes import subject
from upkeep_kit import DAY_S, House

import wunderkammer.storage.lease as lease_module
from wunderkammer.build import build_stage
from wunderkammer.mask.run import MASKS
from wunderkammer.stages import FILTERED_CROPS
from wunderkammer.storage.lease import Lease, LeaseError
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Attempt, Holder
from wunderkammer.upkeep.collect import collect, find_garbage


@pytest.fixture(params=["disk", "memory"])
def house(request, tmp_path):
    return House(Store(str(tmp_path / "data") if request.param == "disk" else "memory:///"))


def later(store, *, keep=0, act=collect):
    """Collect garbage as if in three days' time, so that nothing is young."""
    return act(store, keep=keep, grace_s=DAY_S, at=time.time() + 3 * DAY_S)


def names(garbage):
    return sorted(lot.name.rpartition("/")[0] for lot in garbage.lots)


def has(house, sha256):
    return house.store.exists(house.blobs.key(sha256))


def test_crops_of_a_size_that_was_given_up_go_and_the_pictures_stay(house):
    pictures = house.scrape(["a", "b"])
    old, new = house.crop(pictures, 256), house.crop(pictures, 512)
    seen = later(house.store, act=find_garbage)
    assert all(has(house, sha256) for sha256 in old.values()), "a dry run removes nothing"
    garbage = later(house.store)
    assert garbage.blobs == seen.blobs
    assert {b.key for b in garbage.blobs} == {house.blobs.key(s) for s in old.values()}
    assert names(garbage) == ["cat/filtered_crops"]
    assert garbage.num_bytes > sum(blob.num_bytes for blob in garbage.blobs) > 0
    assert not any(has(house, sha256) for sha256 in old.values())
    assert all(has(house, sha256) for sha256 in (*new.values(), *pictures.values()))
    house.readable()
    assert later(house.store).num_bytes == 0
    assert house.crop(pictures, 256) == old, "they are made again when they are asked for again"
    house.readable()


def test_as_many_versions_stay_as_are_asked_for_with_all_that_they_were_built_from(house):
    first = house.crop(house.scrape(["a"]), 1)
    pictures = house.scrape(["a", "b"])
    house.crop(pictures, 2)
    house.crop(pictures, 3)
    garbage = later(house.store, keep=1)
    assert names(garbage) == ["cat/filtered_crops", "cat/raw_scrape"]
    assert not any(has(house, sha256) for sha256 in first.values())
    versions = house.versions
    assert versions.built("cat", "filtered_crops", "crops 1") is None
    assert versions.built("cat", "filtered_crops", "crops 2") is not None
    house.readable()


def test_what_is_young_stays(house):
    pictures = house.scrape(["a"])
    house.crop(pictures, 1)
    house.crop(pictures, 2)
    stray = house.blobs.put(b"not yet named")
    assert collect(house.store, keep=0, grace_s=DAY_S).num_bytes == 0
    assert has(house, stray)
    later(house.store)
    assert not has(house, stray)


def test_a_subject_of_which_a_run_is_under_way_keeps_everything(house):
    pictures = house.scrape(["a"])
    house.crop(pictures, 1)
    house.crop(pictures, 2)
    other = House(house.store, "dog")
    other.crop(other.scrape(["d"]), 1)
    gone = other.crop(other.scrape(["d"]), 2)
    other.crop(other.scrape(["d"]), 3)
    house.versions.begin("cat", "filtered_crops", "crops 1")
    garbage = later(house.store)
    assert {name.split("/")[0] for name in names(garbage)} == {"dog"}
    assert "all of 'cat' stays" in " ".join(garbage.notes)
    # Of the others no blob goes that is younger than the run: it may have found it there.
    assert all(has(house, sha256) for sha256 in gone.values())
    assert house.crop(pictures, 1)
    house.readable()


def begun(house, *, days, **changes):
    """A run of the crops that began so many days from now."""
    attempt = house.versions.begin("cat", "filtered_crops", "crops 1")
    when = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    noted = Attempt(**{**attempt.model_dump(), "started_at": when, **changes})
    house.store.write("subjects/cat/filtered_crops/attempt.json", noted.model_dump_json().encode())


@pytest.mark.parametrize("changes", [{}, {"pid_started": 1.0}, {"error": "no space left"}])
def test_what_an_unfinished_run_finds_in_its_ledger_stays_however_old(house, changes):
    pictures = house.scrape(["a", "b"])
    crops = house.render(pictures, 1)
    house.crop(pictures, 2)
    # All of these are older than the run.
    begun(house, days=2.9, **changes)
    stray = house.blobs.put(b"of nobody")
    later(house.store)
    assert not has(house, stray)
    assert all(has(house, sha256) for sha256 in crops.values())
    house.publish(pictures, house.render(pictures, 1), 1)
    house.readable()


def test_blobs_that_a_killed_run_has_told_nobody_of_stay(house):
    house.scrape(["a"])
    stray = house.blobs.put(b"told in a journal only")
    begun(house, days=0, pid_started=1.0)
    garbage = later(house.store)
    assert "`wunderkammer refresh cat` has gone on" in " ".join(garbage.notes)
    assert has(house, stray)


def test_what_a_needed_mask_was_made_from_stays(house):
    pictures = house.scrape(["a", "b"])
    crops = house.render(pictures, 1)
    masked = {name: house.blobs.put(f"masked {name}".encode()) for name in crops}
    rows = [{"key": crops[name], "masked_sha256": masked[name]} for name in crops]
    masks = Ledger(house.store, "subjects/cat/filtered_crops/masks/m", MASKS)
    masks.append(pa.Table.from_pylist(rows, MASKS))
    house.publish(pictures, {"a": masked["a"]}, 1)
    later(house.store)
    assert has(house, crops["a"])
    assert has(house, masked["a"])
    assert not has(house, crops["b"])
    assert not has(house, masked["b"])
    assert masks.rows()["key"].to_pylist() == [crops["a"]]
    house.readable()


def with_trainings(house):
    home = "subjects/cat/trained_checkpoint"
    for run in ("finished", "other"):
        house.store.write(f"{home}/runs/{run}/checkpoints/000000000008-ab.safetensors", b"tensors")
        house.store.write(f"{home}/runs/{run}/checkpoints/000000000008.json", b"{}")
    files = {"checkpoint.json": b'{"trajectory": "finished"}'}
    house.commit("trained_checkpoint", "f", "d", None, {}, files)
    return f"{home}/runs"


def runs(house, prefix):
    return {key.split("/")[4] for key in house.store.keys(prefix)}


def test_a_training_goes_that_was_given_up_for_another(house):
    prefix = with_trainings(house)
    assert [lot.name for lot in later(house.store).lots] == ["cat/trained_checkpoint/other"]
    assert runs(house, prefix) == {"finished"}


def test_a_training_that_was_stopped_stays_until_another_has_come_to_its_end(house):
    prefix = with_trainings(house)
    house.store.write(f"{prefix}/other/grids/000000000008.jpg", b"later than what is in force")
    attempt = house.versions.begin("cat", "trained_checkpoint", "g")
    house.versions.fail("cat", "trained_checkpoint", attempt, "stopped by a signal")
    assert not later(house.store).lots
    house.versions.succeed("cat", "trained_checkpoint", "g")
    later(house.store)
    assert runs(house, prefix) == {"finished"}


def test_a_blob_that_is_written_again_while_garbage_goes_stays(house, monkeypatch):
    monkeypatch.setattr(lease_module, "LOOK_S", 0.001)
    contents = [f"old {number}".encode() for number in range(40)]
    hashes = [house.blobs.put(content) for content in contents]
    monkeypatch.setattr("wunderkammer.storage.blobs.FRESH_S", 0.0)
    monkeypatch.setattr("wunderkammer.upkeep.collect.BATCH", 1)
    delete_all = Store.delete_all
    begun = threading.Event()

    def slowly(self, keys):
        begun.set()
        time.sleep(0.003)
        delete_all(self, keys)

    monkeypatch.setattr(Store, "delete_all", slowly)
    collector = threading.Thread(target=later, args=(house.store,))
    collector.start()
    assert begun.wait(5)
    assert [house.blobs.put(content) for content in contents[::-1]] == hashes[::-1]
    collector.join()
    assert all(has(house, sha256) for sha256 in hashes)


def test_of_two_collectors_the_second_is_sent_away(house):
    with Lease(house.store), pytest.raises(LeaseError, match="removes from this store already"):
        later(house.store)
    assert later(house.store).num_bytes == 0


class Killed(BaseException):
    pass


class Mortal(Store):
    """A store whose process is killed after so many changes."""

    lives = 10**9

    def _change(self):
        self.lives -= 1
        if self.lives < 0:
            raise Killed

    def write(self, key, content):
        self._change()
        super().write(key, content)

    def delete(self, key):
        self._change()
        super().delete(key)

    def delete_all(self, keys):
        for key in keys:
            self.delete(key)


def test_killed_after_any_change_it_leaves_a_store_that_is_whole(tmp_path):
    num_changes = 0
    while True:
        house = House(Mortal(str(tmp_path / str(num_changes))))
        pictures = house.scrape(["a", "b", "c"])
        house.crop(pictures, 1)
        house.crop({name: pictures[name] for name in "ab"}, 2)
        house.crop(pictures, 3)
        house.store.lives = num_changes
        try:
            later(house.store)
        except Killed:
            house.store.lives = 10**9
            house.readable()
            killed = house.store.find("gc/000000001.json").replace(
                str(Holder.facts()["pid_started"]).encode(), b"1.0"
            )
            house.store.write("gc/000000001.json", killed)
            later(house.store)
            house.readable()
            assert later(house.store).num_bytes == 0
            num_changes += 1
        else:
            break
    assert num_changes > 8


def test_what_killed_writes_left_on_a_disk_goes(tmp_path):
    house = House(Store(str(tmp_path)))
    house.scrape(["a"])
    left = tmp_path / "blobs" / "ab" / "cd" / "abcd#123"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    assert collect(house.store, keep=0, grace_s=DAY_S).num_bytes == 0
    assert later(house.store).num_bytes == 4
    assert not left.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"keep": -1}, "keep=-1 is not allowed"), ({"grace_s": 60.0}, "allowed: at least 2")],
)
def test_wrong_settings_are_refused(house, changes, message):
    with pytest.raises(ValueError, match=message):
        find_garbage(house.store, **{"keep": 0, "grace_s": DAY_S, **changes})


class Disturbed(Store):
    """A store in which something else happens after so many reads and changes."""

    left = -1
    what = staticmethod(lambda: None)

    def _count(self):
        self.left -= 1
        if self.left == 0:
            self.what()

    def find(self, key):
        self._count()
        return super().find(key)

    def delete(self, key):
        self._count()
        super().delete(key)

    def delete_all(self, keys):
        for key in keys:
            self.delete(key)


@pytest.mark.parametrize("moment", range(1, 30, 3))
def test_a_run_that_begins_while_garbage_goes_finds_all_that_it_names(
    tmp_path, monkeypatch, moment
):
    """It wants what its ledger has, and nothing but the ledger and garbage: the worst case."""
    monkeypatch.setattr(lease_module, "LOOK_S", 0.001)
    house = House(Store(str(tmp_path)))
    pictures = house.scrape(["a", "b"])
    house.crop(pictures, 1)
    house.crop(pictures, 2)
    house.crop(pictures, 3)
    recipe = subject("cat")

    def crops_again(_):
        return house.draft(pictures, house.render(pictures, 1), 1)

    def build():
        build_stage(FILTERED_CROPS, recipe, store=house.store, builder=crops_again)

    run = threading.Thread(target=build)
    store = Disturbed(str(tmp_path))
    store.left = moment

    def begin():
        run.start()
        time.sleep(0.01)

    store.what = begin
    later(store)
    assert run.ident is not None
    run.join()
    assert house.versions.current("cat", "filtered_crops").data_version == "crops 1 ['a', 'b']"
    house.readable()
