import logging
import sys

import pytest
import torch

from wunderkammer.gan.kernels import dispatch
from wunderkammer.gan.kernels.filters import Filters
from wunderkammer.gan.kernels.implementation import PLAIN, Kernels
from wunderkammer.gan.kernels.selfcheck import find_difference

CPU = torch.device("cpu")
GPU = torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def _forget_devices():
    dispatch.fused_or_plain.cache_clear()
    yield
    dispatch.fused_or_plain.cache_clear()


def test_a_cpu_takes_the_plain_operations_without_a_word(caplog):
    with caplog.at_level(logging.INFO):
        assert dispatch.fused_or_plain(CPU) is PLAIN
    assert not caplog.records


def test_a_gpu_without_triton_takes_the_plain_operations_and_says_so_once(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "wunderkammer.gan.kernels.fused", None)
    for _ in range(3):
        assert dispatch.fused_or_plain(GPU) is PLAIN
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "cuda:0" in caplog.text
    assert "can't be imported" in caplog.text


def test_kernels_that_compute_something_else_are_not_used(monkeypatch, caplog):
    pytest.importorskip("triton", reason="Triton comes with torch on Linux only")
    monkeypatch.setattr(dispatch, "find_difference", lambda *_: "the value differs by 1.0e-01")
    assert dispatch.fused_or_plain(GPU) is PLAIN
    assert "the value differs by 1.0e-01" in caplog.text


def test_kernels_that_cannot_be_compiled_are_not_used(monkeypatch, caplog):
    pytest.importorskip("triton", reason="Triton comes with torch on Linux only")

    def fail(*_):
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr(dispatch, "find_difference", fail)
    assert dispatch.fused_or_plain(GPU) is PLAIN
    assert "RuntimeError: Failed to find C compiler" in caplog.text


def test_sound_kernels_are_used_on_a_gpu(monkeypatch):
    pytest.importorskip("triton", reason="Triton comes with torch on Linux only")
    monkeypatch.setattr(dispatch, "find_difference", lambda *_: None)
    assert dispatch.fused_or_plain(GPU) is not PLAIN


def test_the_plain_operations_do_not_differ_from_themselves():
    assert find_difference(PLAIN, CPU) is None


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_first_use_may_be_without_gradients(mode):
    with mode():
        assert find_difference(PLAIN, CPU) is None


def test_a_wrong_value_is_found():
    def shifted(x, *arguments):
        return PLAIN.filters.correlate(x, *arguments) + 0.1

    wrong = Kernels(PLAIN.bias_act, Filters(shifted, PLAIN.filters.spread))
    assert "the value of correlate" in find_difference(wrong, CPU)


def test_a_wrong_gradient_is_found():
    def halved(x, *arguments):
        return PLAIN.filters.spread(x, *arguments) * 0.5

    def correlate_only(*arguments, **settings):
        return PLAIN.bias_act(*arguments, **settings)

    wrong = Kernels(correlate_only, Filters(PLAIN.filters.correlate, halved))
    assert "gradient 0 of correlate" in find_difference(wrong, CPU)


def test_a_wrong_second_gradient_is_found():
    class Detached(torch.autograd.Function):
        @staticmethod
        def forward(ctx, y):
            return y.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient.detach() + (gradient - gradient.detach()) * 0.5

    def bias_act(*arguments, **settings):
        return Detached.apply(PLAIN.bias_act(*arguments, **settings))

    assert "second 0 of bias_act" in find_difference(Kernels(bias_act, PLAIN.filters), CPU)


def test_a_nan_is_a_difference():
    def broken(*arguments, **settings):
        return PLAIN.bias_act(*arguments, **settings) * float("nan")

    assert "the value of bias_act" in find_difference(Kernels(broken, PLAIN.filters), CPU)


@pytest.mark.parametrize("offset", [True, False])
def test_a_convolution_leaves_its_bias_to_kernels_that_are_fused(monkeypatch, offset):
    calls = []

    def bias_act(*arguments, **settings):
        calls.append(settings["bias_C"])
        return PLAIN.bias_act(*arguments, **settings)

    x, weight = torch.randn(2, 3, 6, 6), torch.randn(4, 3, 3, 3)
    bias = torch.randn(4) if offset else None
    settings = {"padding": 1, "activation": dispatch.LINEAR}
    plain = dispatch.conv_act(x, weight, bias, **settings)
    fused = Kernels(bias_act, PLAIN.filters)
    monkeypatch.setattr(dispatch, "fused_or_plain", lambda _: fused)
    torch.testing.assert_close(dispatch.conv_act(x, weight, bias, **settings), plain)
    assert len(calls) == int(offset)
    assert not offset or calls[0] is bias
