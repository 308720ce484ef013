import numpy as np
import pytest
from classifier_samples import (
    BLUE,
    GREEN,
    PLAIN,
    RED,
    colour,
    colour_backbone,
    colour_classifier,
)
from image_samples import encoded
from onnx import helper
from segmenter_samples import saved

from wunderkammer.classify.cuts import classify_cuts, outlier_cuts, similar_cuts
from wunderkammer.classify.errors import ExampleError, LabelError, NetworkFileError
from wunderkammer.classify.params import ClassifyParams, OutlierParams, SimilarParams
from wunderkammer.classify.scores import (
    CLASSIFIED,
    MIN_KEPT,
    OUTLIERS,
    SIMILAR,
    classify_ledgered,
    outliers_ledgered,
    probability_row,
    similar_ledgered,
)
from wunderkammer.crops.cuts import MEASURE, judge
from wunderkammer.workers import Workers

LABELS = ("n00000001 red, crimson", "n00000002 green", "n00000003 blue")
# exp(4) against exp(0) of two others.
TOP = np.exp(4) / (np.exp(4) + 2)
OTHER = 1 / (np.exp(4) + 2)


def classify(bench, crops, *, workers=None, **changes):
    given = {"weights": "net.onnx", "classes": ("red",), "labels": LABELS, **PLAIN}
    params = ClassifyParams(**{**given, **changes})
    return classify_ledgered(
        bench.store, "scores", crops, params, subject=bench.subject, workers=workers
    )


def similar(bench, crops, **changes):
    params = SimilarParams(weights="net.onnx", examples="liked", **PLAIN, **changes)
    return similar_ledgered(bench.store, "scores", crops, params, subject=bench.subject)


def outliers(bench, crops, **changes):
    params = OutlierParams(weights="net.onnx", **PLAIN, **changes)
    return outliers_ledgered(bench.store, "scores", crops, params, subject=bench.subject)


def like(bench, *pictures):
    folder = bench.root / "liked"
    folder.mkdir(exist_ok=True)
    for number, picture in enumerate(pictures):
        (folder / f"{number}.png").write_bytes(encoded(picture))


def reasons(table, cuts):
    measured = table.rename_columns([MEASURE + name for name in table.column_names])
    return judge(measured, cuts).reason.to_pylist()


def test_each_crop_gets_the_rank_and_the_probability_of_the_wanted_classes(bench, looked_at):
    colour_classifier(bench.root / "net.onnx")
    crops = bench.crops(colour(RED), colour(BLUE))
    table = classify(bench, crops)
    assert table.schema == CLASSIFIED
    assert table["key"].to_pylist() == crops
    assert table["class_rank"].to_pylist() == [1, 2]
    assert table["class_probability"].to_pylist() == pytest.approx([TOP, OTHER], abs=1e-6)
    assert table["top_class"].to_pylist() == [LABELS[0], LABELS[2]]
    assert table["top_probability"].to_pylist() == pytest.approx([TOP, TOP], abs=1e-6)


def test_other_classes_and_rules_look_at_nothing_again(bench, looked_at):
    colour_classifier(bench.root / "net.onnx")
    crops = bench.crops(colour(RED), colour(BLUE))
    classify(bench, crops)
    table = classify(bench, crops, classes=("blue", 1), rule="min_probability")
    both = [2 * OTHER, TOP + OTHER]
    assert table["class_probability"].to_pylist() == pytest.approx(both, abs=1e-6)
    assert table["class_rank"].to_pylist() == [2, 1]
    assert looked_at == crops
    new = bench.crops(colour(GREEN))
    assert classify(bench, [*new, *crops], labels=None, classes=(2,))["top_class"].to_pylist() == [
        "1",
        "0",
        "2",
    ]
    assert looked_at == [*crops, *new]


def test_rules_keep_the_crops_that_they_speak_of(bench, looked_at):
    colour_classifier(bench.root / "net.onnx", gain=1.0)
    crops = bench.crops(colour(RED), colour(BLUE))
    table = classify(bench, crops)
    top1 = ClassifyParams(weights="n", classes=(0,))
    assert reasons(table, classify_cuts(top1)) == [None, "other_class"]
    for limit, expected in ((0.2, [None, None]), (0.5, [None, "other_class"])):
        sure = ClassifyParams(
            weights="n", classes=(0,), rule="min_probability", min_probability=limit
        )
        assert reasons(table, classify_cuts(sure)) == expected


def test_an_output_that_is_a_softmax_already_is_taken_as_it_is(bench, looked_at):
    colour_classifier(bench.root / "net.onnx", ends_in_softmax=True)
    crops = bench.crops(colour(RED))
    assert classify(bench, crops)["class_probability"].to_pylist() == pytest.approx([TOP], abs=1e-6)
    by_name = classify(bench, crops, output="logits")
    assert by_name["class_probability"].to_pylist() == pytest.approx([TOP], abs=1e-6)
    with pytest.raises(NetworkFileError, match=r"no such output \(it has: probabilities, logits"):
        classify(bench, crops, output="nothing")


def test_a_network_with_room_for_one_picture_gets_them_one_by_one(bench, looked_at):
    colour_classifier(bench.root / "net.onnx", shape=(1, 3, 32, 32))
    table = classify(bench, bench.crops(colour(RED), colour(GREEN), colour(BLUE)))
    assert table["class_probability"].to_pylist() == pytest.approx([TOP, OTHER, OTHER], abs=1e-6)


def test_a_crop_that_is_no_picture_is_a_row_with_a_reason(bench, looked_at):
    colour_classifier(bench.root / "net.onnx")
    broken = bench.blobs.put(b"\xff\xd8 broken")
    rows = classify(bench, [broken, *bench.crops(colour(RED))]).to_pylist()
    assert [row["reason"] for row in rows] == ["damaged", None]
    assert rows[0]["class_rank"] is None
    assert rows[0]["top_class"] is None
    assert rows[1]["class_rank"] == 1


def test_numbers_that_are_not_finite_cost_the_crop_and_not_the_run(bench, looked_at):
    # The logarithm of a channel that is black.
    nodes = [
        helper.make_node("GlobalAveragePool", ["picture"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Log", ["flat"], ["embedding"]),
    ]
    shape = ("n", 3, 32, 32)
    saved(bench.root / "net.onnx", nodes, shape=shape, outputs=("embedding",))
    crops = bench.crops(colour(RED), colour((9, 9, 9)), colour((9, 9, 90)))
    table = outliers(bench, crops)
    assert table["reason"].to_pylist() == ["no_numbers", None, None]
    assert table["outlier_score"].is_valid().to_pylist() == [False, True, True]


def test_labels_must_be_those_of_the_network(bench, looked_at):
    colour_classifier(bench.root / "net.onnx")
    crops = bench.crops(colour(RED))
    classify(bench, crops)
    with pytest.raises(LabelError, match=r"labels of 'quilts' are 2, but the network has 3"):
        classify(bench, crops, labels=("red", "blue"))
    with pytest.raises(LabelError, match="so that the last is number 2"):
        classify(bench, crops, labels=None, classes=(3,))
    assert len(looked_at) == 1


def test_of_many_classes_the_likely_ones_are_kept_and_five_at_least():
    flat_C = np.full(20_000, 1 / 20_000, np.float32)
    assert len(probability_row(flat_C)["class_index"]) == 5
    few_C = np.zeros(20_000, np.float32)
    few_C[[7, 9, 11, 13, 15, 17, 19]] = 0.3, 0.2, 0.1, 0.1, 0.1, MIN_KEPT * 1.01, MIN_KEPT / 2
    row = probability_row(few_C)
    assert row["class_index"].tolist() == [7, 9, 11, 13, 15, 17]
    assert row["num_classes"] == 20_000


def test_likeness_is_the_cosine_to_the_nearest_example(bench, looked_at):
    colour_backbone(bench.root / "net.onnx")
    like(bench, colour(RED), colour((0, 200, 0)))
    crops = bench.crops(colour((90, 0, 0)), colour((255, 255, 0)), colour(BLUE))
    table = similar(bench, crops)
    assert table.schema == SIMILAR
    expected = [1, 2**-0.5, 0]
    assert table["similarity"].to_pylist() == pytest.approx(expected, abs=1e-3)
    assert table["nearest_example"].to_pylist()[0] == "0.png"
    wanted = SimilarParams(weights="n", examples="liked", min_similarity=0.6)
    assert reasons(table, similar_cuts(wanted)) == [None, None, "unlike_examples"]


def test_outliers_and_other_examples_share_the_embeddings(bench, looked_at):
    colour_backbone(bench.root / "net.onnx")
    like(bench, colour(RED))
    crops = bench.crops(colour(RED), colour((90, 0, 0)), colour((80, 0, 0)), colour(BLUE))
    similar(bench, crops)
    table = outliers(bench, crops, k=2)
    assert table.schema == OUTLIERS
    assert table["outlier_score"].to_pylist() == pytest.approx([0, 0, 0, 1], abs=1e-3)
    limit = OutlierParams(weights="n", max_score=0.9)
    assert reasons(table, outlier_cuts(limit)) == [None, None, None, "outlier"]
    before = len(looked_at)
    like(bench, colour(RED), colour(GREEN), colour(BLUE))
    assert similar(bench, crops)["similarity"].to_pylist() == pytest.approx([1] * 4, abs=1e-3)
    # Of the examples only the green one is none of the crops.
    assert len(looked_at) == before + 1


def test_a_crop_that_is_alone_is_no_outlier(bench, looked_at):
    colour_backbone(bench.root / "net.onnx")
    table = outliers(bench, bench.crops(colour(RED)) * 3)
    assert table["outlier_score"].to_pylist() == [None]
    assert reasons(table, outlier_cuts(OutlierParams(weights="n", max_score=0))) == [None]


def test_a_black_crop_has_no_direction(bench, looked_at):
    colour_backbone(bench.root / "net.onnx")
    table = outliers(bench, bench.crops(colour((0, 0, 0))))
    assert table["reason"].to_pylist() == ["no_numbers"]


def test_no_crops_are_no_rows(bench, looked_at):
    colour_backbone(bench.root / "net.onnx")
    colour_classifier(bench.root / "classes.onnx")
    like(bench, colour(RED))
    assert similar(bench, []).num_rows == 0
    assert outliers(bench, []).num_rows == 0
    assert classify(bench, [], weights="classes.onnx").num_rows == 0


def test_examples_that_are_missing_or_broken_are_told(bench, looked_at):
    colour_backbone(bench.root / "net.onnx")
    with pytest.raises(ExampleError, match="there is no folder"):
        similar(bench, [])
    (bench.root / "liked").mkdir()
    (bench.root / "liked" / ".DS_Store").write_bytes(b"x")
    with pytest.raises(ExampleError, match="holds 0 files"):
        similar(bench, [])
    (bench.root / "liked" / "notes.txt").write_bytes(b"nice ones")
    with pytest.raises(ExampleError, match=r"notes.txt can't be looked at \(not_an_image"):
        similar(bench, [])


def test_worker_processes_decode_as_well(bench):
    colour_classifier(bench.root / "net.onnx")
    crops = bench.crops(colour(RED), colour(BLUE))
    broken = bench.blobs.put(b"GIF89a broken")
    workers = Workers(num_workers=1, batch_size=2, item_timeout_s=60.0)
    table = classify(bench, [*crops, broken], workers=workers)
    assert table["class_rank"].to_pylist() == [1, 2, None]
    assert table["reason"].to_pylist()[:2] == [None, None]
    assert table["reason"][2].as_py() is not None
