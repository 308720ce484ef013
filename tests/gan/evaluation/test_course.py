import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from wunderkammer.gan.evaluation.course import MAX_PANELS, course_of, course_plot

STATS = pa.table(
    {
        "num_images": [1000, 2000, 3000],
        "elapsed_s": [1.0, 2.0, 3.0],
        "images_per_s": [9.0, 9.0, 9.0],
        "memory_mb": [1.0, 1.0, 1.0],
        "loss/generator": [1.0, 0.5, 0.7],
        "distance/sliced_wasserstein": [None, 0.4, 0.5],
    }
)


def test_the_table_has_what_was_measured_when_and_the_final_values_at_the_checkpoint():
    rows = course_of(STATS, num_images=2000, final={"distance/fid": 12.5}).to_pylist()
    assert [(row["measure"], row["kimg"], row["value"]) for row in rows] == [
        ("loss/generator", 1.0, 1.0),
        ("loss/generator", 2.0, 0.5),
        ("loss/generator", 3.0, 0.7),
        ("distance/sliced_wasserstein", 2.0, 0.4),
        ("distance/sliced_wasserstein", 3.0, 0.5),
        ("distance/fid", 2.0, 12.5),
    ]


def test_a_training_without_ticks_has_an_empty_course_that_can_be_drawn():
    course = course_of(STATS.slice(0, 0), num_images=0, final={})
    assert course.num_rows == 0
    assert course.column_names == ["measure", "kimg", "value"]
    assert course_plot(course, num_images=0).startswith(b"\x89PNG")


@pytest.mark.parametrize("num_measures", [1, 5, 60])
def test_the_plot_stays_small_however_many_measures_and_ticks_there_are(num_measures):
    random = np.random.default_rng(0)
    columns = {f"loss/m{n}": random.random(200).tolist() for n in range(num_measures)}
    stats = pa.table({"num_images": list(range(0, 200_000, 1000)), **columns})
    content = course_plot(course_of(stats, num_images=5000, final={}), num_images=5000)
    assert len(content) <= 200_000
    width, height = Image.open(io.BytesIO(content)).size
    rows = -(-min(num_measures, MAX_PANELS) // 4)
    assert height / width == pytest.approx(rows * 2.1 / 12, rel=0.02)
