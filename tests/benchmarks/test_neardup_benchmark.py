from benchmarks.neardup import CHANGES, Sample, cut, group_of, made, noise, row
from wunderkammer import ledger_map
from wunderkammer.storage.store import Store


def test_crops_of_made_pictures_are_found_by_the_closer_look_alone(tmp_path, monkeypatch):
    from benchmarks import neardup

    monkeypatch.setattr(ledger_map, "guarded_map", neardup.here)
    originals = made(6)
    copies = [Sample(one.group, cut(0, 0, 0.15, 0.15)(one.picture)) for one in originals]
    cells = row([*originals, *copies], store=Store(str(tmp_path)))
    assert cells[:4] == ["0.000", "1.000", "1.000", "1.000"]


def test_every_change_leaves_a_picture_that_differs():
    picture = noise(0, side_px=96)
    for name, change in CHANGES.items():
        changed = change(picture)
        assert changed.mode == "RGB", name
        assert changed.size != picture.size or changed.tobytes() != picture.tobytes(), name


def test_copies_share_the_start_of_their_name_or_a_known_folder(tmp_path):
    names = ("a/one_flip.jpg", "b/one.png", "b/two-1.png", "x/modes/F.webp", "bridge-mods/a.jpg")
    groups = [group_of((tmp_path / name).relative_to(tmp_path)) for name in names]
    assert groups == ["one", "one", "two", "bridge", "bridge"]
