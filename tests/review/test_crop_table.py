import pyarrow as pa
import pytest
from review_kit import SUBJECT, WEIGHTS, fill, publish

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


def test_a_manifest_of_before_a_column_reads_as_without_its_values(store):
    made = fill(store, 1, with_pictures=False, with_objects=False)
    versions = Versions(store)
    older = versions.manifest(made).drop_columns(["angle_deg", "licence"])
    crops = crop_table(versions, publish(store, "filtered_crops", older))
    assert crops.column("licence") == [None]
    assert crops.proposal(0).object_box is None
    assert crops.proposal(0).class_name == "log_cabin"


def test_objects_and_weights_come_from_the_detections_that_the_crops_were_made_of(store):
    made = fill(
        store,
        2,
        with_pictures=False,
        with_objects=False,
        **{"measure/confidence": [0.75, 0.5]},
    )
    versions = Versions(store)
    assert not crop_table(versions, made).has("class_name")
    pictures = versions.manifest(made)["sha256"].to_pylist()
    detections = pa.table(
        {
            "sha256": pictures,
            "x0": [[1.0, 35.0], [2.0]],
            "y0": [[1.0, 15.0], [2.0]],
            "x1": [[9.0, 85.0], [8.0]],
            "y1": [[9.0, 65.0], [8.0]],
            "confidence": [[0.75, 0.75], [0.4]],
            "class_name": [["dog", "quilt"], ["quilt"]],
            "weights_sha256": [WEIGHTS, WEIGHTS],
        }
    )
    found = publish(store, "detections", detections)
    publish(store, "filtered_crops", versions.manifest(made), found)
    crops = crop_table(versions, current_crops(versions, SUBJECT))
    # The first picture has two that sure: the one that the window is about.
    assert crops.column("class_name") == ["quilt", None]
    assert crops.column("object_x0") == [35.0, None]
    assert crops.column("weights_sha256") == [WEIGHTS, None]
