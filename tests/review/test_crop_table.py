from base64 import b64decode

import numpy as np
import pytest
from review_kit import SUBJECT, fill, publish, session

from wunderkammer.review.crop_table import NothingToReviewError, crop_table, current_crops
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


def test_crops_that_were_never_made_are_named_with_what_makes_them(store):
    with pytest.raises(NothingToReviewError, match="wunderkammer refresh quilt"):
        current_crops(Versions(store), SUBJECT)


def test_only_kept_crops_are_up_for_review_with_their_provenance(store):
    made = fill(store, 4, with_pictures=False, decision=["kept", "rejected", "kept", "rejected"])
    crops = crop_table(Versions(store), made)
    assert crops.column("id") == ["quilt-00000", "quilt-00002"]
    assert crops.column("author") == ["Ann & <Bob> 0", "Ann & <Bob> 2"]
    assert crops.column("source") == ["flickr", "flickr"]


def test_the_page_is_told_which_share_of_a_padded_window_shows_its_picture(store):
    fill(store, 2, with_pictures=False)
    assert session(store).deck().payload()["shown"] is None
    fill(store, 2, with_pictures=False, shown_width=[30, None], shown_height=[60, None])
    shares = [
        np.frombuffer(b64decode(values), "<f4").tolist()
        for values in session(store).deck().payload()["shown"]
    ]
    assert shares == [[0.5, 0.0], [1.0, 0.0]]


def test_a_manifest_of_before_a_column_reads_as_without_its_values(store):
    made = fill(store, 1, with_pictures=False, with_objects=False)
    versions = Versions(store)
    older = versions.manifest(made).drop_columns(["angle_deg", "licence"])
    crops = crop_table(versions, publish(store, "filtered_crops", older))
    assert crops.column("licence") == [None]
    assert crops.proposal(0).object_box is None
    assert crops.proposal(0).class_name == "log_cabin"
