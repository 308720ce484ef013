import pytest
import yaml
from training_kit import TINY

from wunderkammer.detect.errors import DetectorError
from wunderkammer.detect.training.architectures import find_architecture


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("yolo11n.yaml", "n"),
        ("yolo11x", "x"),
        ("yolo26m.yaml", "m"),
        ("yolov8s-p2.yaml", "s"),
        ("yolov10b.yaml", "b"),
        ("yolo11.yaml", "n"),
    ],
)
def test_what_ultralytics_ships_is_found_by_name_with_its_scale(name, scale, tmp_path):
    assert find_architecture(name, folder=tmp_path)["scale"] == scale


def test_a_file_of_ones_own_is_found_from_the_subject_file_on(tmp_path):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(TINY))
    assert find_architecture("mine.yaml", folder=tmp_path)["backbone"] == TINY["backbone"]


@pytest.mark.parametrize("name", ["yolo11n-seg.yaml", "rtdetr-l.yaml", "yolo11n-pose"])
def test_networks_that_find_no_plain_boxes_are_refused(name, tmp_path):
    with pytest.raises(DetectorError, match=r"detector\.architecture: .*which is not taken"):
        find_architecture(name, folder=tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not YAML"),
        ("[1, 2]", "holds no mapping"),
        ("!!python/object/apply:os.getcwd []", "is not YAML"),
        (yaml.safe_dump({**TINY, "activation": "__import__('os').getcwd()"}), "activation"),
    ],
)
def test_files_that_are_no_architecture_are_refused(content, words, tmp_path):
    (tmp_path / "bad.yaml").write_text(content)
    with pytest.raises(DetectorError, match=words):
        find_architecture("bad.yaml", folder=tmp_path)


def test_a_name_that_nothing_has_is_never_asked_for_elsewhere(tmp_path):
    for name in ("yolo99z.yaml", "https://example.com/yolo.yaml"):
        with pytest.raises(DetectorError, match="ultralytics ships none of that name"):
            find_architecture(name, folder=tmp_path)
