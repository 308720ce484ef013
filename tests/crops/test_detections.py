import pytest

from wunderkammer.build import stage_inputs
from wunderkammer.images.detections import DETECTIONS, no_detections
from wunderkammer.params import digest
from wunderkammer.stages import FILTERED_CROPS


@pytest.mark.parametrize("num_pictures", [0, 2])
def test_no_detector_finds_nothing_in_the_same_words_for_any_pictures(scene, num_pictures):
    for number in range(num_pictures):
        scene.add(f"{number}", b"any", width=9, height=9)
    scene.scrape()
    draft = no_detections(stage_inputs(FILTERED_CROPS, scene.subject, store=scene.store))
    assert draft.data_version == digest("no detector")
    assert draft.manifest.num_rows == 0
    assert draft.manifest.schema == DETECTIONS
