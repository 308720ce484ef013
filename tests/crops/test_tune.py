import io

import numpy as np
import pyarrow as pa
import pytest
import yaml
from image_samples import blotches, encoded
from PIL import Image
from typer.testing import CliRunner

from pipelines.cli import app
from wunderkammer.crops.cuts import Cut, judge
from wunderkammer.crops.tune import cuts_plot, effects, num_passing, tune_page
from wunderkammer.storage.blobs import Blobs

CUTS = [
    Cut(measure="cover", reason="small", words="a share", at_least=0.5),
    Cut(measure="shift", reason="off", words="a share", at_most=0.1),
]


def manifest(covers, shifts):
    table = pa.table({"measure/cover": covers, "measure/shift": shifts})
    verdicts = judge(table, CUTS)
    kept = ["kept" if r is None else "rejected" for r in verdicts.reason.to_pylist()]
    told = {"reason": verdicts.reason, "limit": verdicts.limit, "decision": pa.array(kept)}
    return pa.table({**{name: table[name] for name in table.column_names}, **told})


def test_each_cut_is_told_with_what_it_removes_and_what_it_removes_alone():
    rows = manifest([0.9, 0.4, 0.4, 0.9, None], [0.0, 0.0, 0.3, 0.3, None])
    by_cover, by_shift = effects(rows, CUTS)
    assert (by_cover.num_measured, by_cover.num_removed, by_cover.num_alone) == (4, 2, 1)
    assert (by_shift.num_measured, by_shift.num_removed, by_shift.num_alone) == (4, 2, 1)


def test_another_limit_is_a_question_to_the_manifest():
    rows = manifest([0.9, 0.4, 0.3, 0.9], [0.0, 0.0, 0.0, 0.3])
    assert num_passing(rows, CUTS) == 1
    looser = [Cut(measure="cover", reason="small", words="", at_least=0.35), CUTS[1]]
    assert num_passing(rows, looser) == 2


def test_a_rule_that_is_dropped_lets_through_what_it_alone_had_rejected():
    rows = manifest([0.9, 0.4, 0.4], [0.0, 0.0, 0.3])
    assert num_passing(rows, CUTS[1:]) == 2
    assert num_passing(rows, []) == 3


def test_what_no_rule_has_rejected_passes_no_rules():
    broken = {"reason": ["truncated"], "limit": pa.nulls(1, pa.float64()), "decision": ["rejected"]}
    assert num_passing(pa.table(broken), []) == 0


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5], [0.1, 0.9, None], [None]])
def test_a_plot_is_drawn_of_any_values(values):
    rows = manifest(values, [0.0] * len(values))
    with Image.open(io.BytesIO(cuts_plot(rows, CUTS))) as picture:
        assert picture.format == "PNG"
        assert np.asarray(picture.convert("L")).std() > 1


def test_the_page_shows_the_borderline_and_no_stranger_s_markup(scene, monkeypatch):
    def here(fn, items, *, workers):
        for item in items:
            yield [(item, fn(item))]

    monkeypatch.setattr("wunderkammer.ledger_map.guarded_map", here)
    for number in range(4):
        scene.add(f"<script>{number}", encoded(blotches(40 + 6 * number, 36, seed=number)))
    scene.scrape()
    record = scene.crop(max_aspect=1.3)
    cuts = [Cut(measure="aspect", reason="long", words="<b>", at_most=1.3)]
    rows = scene.manifest(record)
    page = tune_page(rows, cuts, subject="a&b", blobs=Blobs(scene.store))
    assert "<script>" not in page
    assert "&lt;b&gt;" in page
    assert "a&amp;b" in page
    assert page.count("data:image/jpeg") == 2
    assert "http" not in page
    assert "cuts.png" in record.files


def test_the_command_tells_what_another_value_would_do(workplace):
    workplace.write("corgi")
    never = CliRunner().invoke(app, ["tune", "corgi"])
    assert never.exit_code == 1
    assert "refresh corgi" in never.output
    wrong = CliRunner().invoke(app, ["tune", "corgi", "--set", "max_aspect=zero"])
    assert wrong.exit_code == 2
    assert "max_aspect=zero is not allowed" in wrong.output
    typed = CliRunner().invoke(app, ["tune", "corgi", "--set", "max_aspct=1.5"])
    assert "did you mean 'max_aspect'?" in typed.output
    assert CliRunner().invoke(app, ["tune", "corgi", "--set", "max_aspect"]).exit_code == 2
    other = CliRunner().invoke(app, ["tune", "corgi", "--set", "codec=png"])
    assert other.exit_code == 2
    assert "codec is no limit of a rule" in other.output


@pytest.mark.parametrize("change", ["objects=best", "min_window_px=64", "size_px=48"])
def test_what_would_cut_other_windows_is_no_question_to_the_manifest(workplace, change):
    file = workplace.write("corgi", detect={"kind": "yolo", "weights": "any.pt"})
    recipe = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**recipe, "filter": {"kind": "detected", "size_px": 16}}))
    told = CliRunner().invoke(app, ["tune", "corgi", "--set", change])
    assert told.exit_code == 2
    assert "it makes other candidates" in told.output
