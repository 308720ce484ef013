import numpy as np
import pytest
from evaluation_kit import quilts

from wunderkammer.gan.evaluation import copies
from wunderkammer.gan.evaluation.copies import Search, copies_sheet, nearest_table, search_copies
from wunderkammer.gan.evaluation.material import Material
from wunderkammer.gan.evaluation.memorisation import Nearest, Verdict, thumbnails


def nearest(*scores):
    scores = np.array(scores, np.float32)
    return Nearest(np.arange(len(scores), dtype=np.int64), scores / 10, scores)


def verdict(share, threshold=0.5):
    return Verdict(share=share, expected=0.01, threshold=threshold)


def search(**scores):
    found = {space: nearest(*values) for space, values in scores.items()}
    verdicts = {space: verdict(float((of.score_N < 0.5).mean())) for space, of in found.items()}
    return Search(found, verdicts, "held-out pictures", 200)


def material(num, *, held_out=0, mirror=False):
    images = quilts(num + held_out, seed=0)
    sha256s = tuple(f"sha{n}" for n in range(num))
    return Material(images[:num], images[num:], sha256s, None, mirror)


def look(pictures_of, fakes, seed=0):
    return search_copies(
        pictures_of, {"thumbnails": thumbnails(fakes)}, {"thumbnails": thumbnails}, seed
    )


def test_one_space_that_finds_copies_is_enough():
    found = search(thumbnails=[0.9, 0.9, 0.9, 0.9], random_features=[0.9, 0.1, 0.1, 0.1])
    assert found.is_memorised
    assert found.words == (
        "memorised: 75.0% of the generated pictures have the score of a copy, 1.0% would by "
        "chance (random features, against 200 held-out pictures)"
    )
    assert search(thumbnails=[0.9, 0.6]).words.startswith("no sign of memorisation: 0.0%")


def test_the_table_has_a_row_a_fake_and_space():
    found = search(thumbnails=[0.9, 0.4], random_features=[0.3, 0.8])
    rows = nearest_table(found, ["aa", "bb"]).to_pylist()
    assert [(r["fake"], r["space"], r["nearest_sha256"], r["is_copy"]) for r in rows] == [
        (0, "thumbnails", "aa", False),
        (1, "thumbnails", "bb", True),
        (0, "random_features", "aa", True),
        (1, "random_features", "bb", False),
    ]
    assert rows[1]["score"] == pytest.approx(0.4)
    assert rows[1]["distance"] == pytest.approx(0.04)


def test_the_worst_by_any_space_come_first_and_say_which_space(monkeypatch):
    shown = []
    monkeypatch.setattr(copies, "pairs_sheet", lambda pairs, title: shown.extend(pairs) or b"")
    found = search(thumbnails=[0.9, 0.4, 0.8], random_features=[0.7, 0.9, 0.2])
    fakes, training = quilts(3, seed=1), quilts(3, seed=2)
    copies_sheet(found, fakes, training, subject="quilt")
    assert [pair.fake_caption for pair in shown] == [
        "generated 2\nscore 0.20",
        "generated 1\nscore 0.40",
        "generated 0\nscore 0.70",
    ]
    assert [pair.real_caption.splitlines()[1] for pair in shown] == [
        "random features",
        "thumbnails",
        "random features",
    ]
    np.testing.assert_array_equal(shown[0].real_CHW, training[2])


def test_a_hundred_held_out_pictures_are_the_reference_and_fewer_are_not():
    fakes = quilts(10, seed=3)
    enough, too_few = (look(material(200, held_out=num), fakes) for num in (100, 99))
    assert (enough.reference, enough.num_references) == ("held-out pictures", 100)
    assert (too_few.reference, too_few.num_references) == (
        "training pictures among themselves",
        200,
    )


def test_of_many_training_pictures_a_thousand_are_the_reference():
    found = look(material(1100), quilts(10, seed=3))
    assert found.num_references == 1000
    assert found.verdicts["thumbnails"].expected == pytest.approx(10 / 1001)


def test_mirrored_copies_are_found_where_the_training_mirrors():
    of = material(200, mirror=True)
    assert look(of, of.training_NCHW[:50, ..., ::-1]).is_memorised
    assert not look(material(200), of.training_NCHW[:50, ..., ::-1]).is_memorised
