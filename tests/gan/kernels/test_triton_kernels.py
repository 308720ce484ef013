import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXACT = 1e-12

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("triton") is None,
        reason="Triton is not installed: it comes with torch on Linux only",
    ),
]


def _run(name, cache):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(HERE / name)],
        env=os.environ | {"PYTHONPATH": str(HERE.parents[2]), "TRITON_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return _run("interpreted_kernels.py", tmp_path_factory.mktemp("triton"))


def test_values_gradients_and_second_gradients_are_those_of_the_plain_operations(found):
    assert found["selfcheck"] == {"torch.float64": None, "torch.bfloat16": None}


@pytest.mark.parametrize(
    "name", ["scale alone", "bias alone", "shared noise alone", "nothing to add", "blur and bias"]
)
def test_every_part_of_the_sum_may_be_missing(found, name):
    assert found["differences"][name] < EXACT


@pytest.mark.parametrize("name", ["sliced channels", "transposed sides", "one pixel"])
def test_tensors_may_lie_in_memory_as_they_like(found, name):
    assert found["differences"][name] < EXACT


@pytest.mark.parametrize("layout", ["contiguous_format", "channels_last"])
def test_sums_over_many_tiles_are_whole(found, layout):
    assert found["differences"][f"many tiles, torch.{layout}"] < EXACT


def test_results_lie_in_memory_as_their_input(found):
    assert found["keeps_layout"]


def test_a_value_cut_off_at_a_rounded_limit_has_no_gradient(found):
    wanted = [0.0, 1.0, 1.0, 0.0]
    assert found["cut_off_slopes"] == {"torch.bfloat16": wanted, "torch.float16": wanted}


def test_layers_compute_the_same_through_the_kernels(found):
    assert found["difference_of_layers"] < EXACT


def test_a_clamp_does_not_hide_a_nan(found):
    assert found["keeps_nan"]


def test_the_kernels_compile_for_hopper_without_a_gpu(tmp_path):
    codes = _run("compiled_kernels.py", tmp_path)
    assert len(codes) == 6
    assert set(codes.values()) == {b"\x7fELF".hex()}
