"""Networks in ONNX files, run by onnxruntime on the CPU."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

import numpy as np
import onnx
import onnxruntime as ort

from wunderkammer.classify.errors import NetworkFileError
from wunderkammer.classify.network import Floats, as_rows, softmax
from wunderkammer.classify.settings import NetworkSettings
from wunderkammer.mask.errors import SegmenterFileError
from wunderkammer.mask.model_file import SegmenterFile, read_model
from wunderkammer.mask.segmenter import ERRORS_ONLY, ORT_ERRORS

# A file is someone else's and may hold a loop without end; a batch takes seconds.
RUN_TIMEOUT_S = 600.0


def read_network(settings: NetworkSettings) -> tuple[bytes, SegmenterFile]:
    """The checked content of an ONNX file, and what it is.

    Raises:
        NetworkFileError: it is none, asks for other files or libraries, takes another size than
            the settings say, or is not the file of the settings any more.
    """
    try:
        content, file = read_model(settings.path)
    except SegmenterFileError as error:
        raise NetworkFileError(str(error)) from error
    if file.sha256 != settings.sha256:
        raise NetworkFileError(
            f"{file.path.name} was replaced by another file during the run; run it again"
        )
    if None not in (settings.input_px, file.input_px) and settings.input_px != file.input_px:
        raise NetworkFileError(
            f"input_px={settings.input_px}, but {file.path.name} takes pictures of "
            f"{file.input_px} px only; leave input_px out"
        )
    return content, file


class OnnxNetwork:
    """An ONNX file at work. A classifier's output is taken for logits unless a Softmax ends it.

    Raises:
        NetworkFileError: it can't be run, or has no output of the wanted name.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        content, file = read_network(settings)
        assert file.sha256 == hashlib.sha256(content).hexdigest()
        options = ort.SessionOptions()
        options.log_severity_level = ERRORS_ONLY
        try:
            self._session = ort.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except ORT_ERRORS as error:
            raise NetworkFileError(
                f"{file.path.name} can't be run by onnxruntime {ort.__version__}: {error}; "
                f"get the file again, or export it for an older opset"
            ) from error
        self.name = f"onnxruntime {ort.__version__} on the CPU"
        self._settings = settings
        self._input = self._session.get_inputs()[0]
        self._output = self._chosen_output()
        graph = onnx.ModelProto.FromString(content).graph
        last = [node.op_type for node in graph.node if self._output in node.output]
        self._is_softmax = last == ["Softmax"]

    def _chosen_output(self) -> str:
        names = [output.name for output in self._session.get_outputs()]
        wanted = self._settings.output
        if wanted is None:
            return str(names[0])
        if wanted not in names:
            raise NetworkFileError(
                f"output={wanted!r}: {self._settings.path.name} has no such output "
                f"(it has: {', '.join(names)})"
            )
        return wanted

    def run(self, x_NCHW: Floats) -> Floats:
        """As `Network.run`; one by one through a network with room for one."""
        batches = [x_NCHW]
        if self._input.shape[0] == 1:
            batches = [x_NCHW[row : row + 1] for row in range(len(x_NCHW))]
        rows_NK = np.concatenate([self._run(batch) for batch in batches])
        if self._settings.head == "classes" and not self._is_softmax:
            return softmax(rows_NK)
        return rows_NK

    def _run(self, x_NCHW: Floats) -> Floats:
        dtype = np.float16 if self._input.type == "tensor(float16)" else np.float32
        feed = {self._input.name: x_NCHW.astype(dtype)}
        options = ort.RunOptions()
        try:
            with _ended_in_time(options):
                (output,) = self._session.run([self._output], feed, options)
        except ORT_ERRORS as error:
            name, px = self._settings.path.name, x_NCHW.shape[2]
            if options.terminate:
                raise NetworkFileError(
                    f"{name} takes more than {RUN_TIMEOUT_S} s for {len(x_NCHW)} crops of {px} px; "
                    f"take a smaller network"
                ) from error
            raise NetworkFileError(
                f"{name} fails on pictures of {px} px: {error}; "
                f"set input_px to the size that it was made for"
            ) from error
        return as_rows(np.asarray(output), settings=self._settings, num=len(x_NCHW))


@contextmanager
def _ended_in_time(options: ort.RunOptions) -> Iterator[None]:
    """A run with these options fails when its time is up."""
    timer = Timer(RUN_TIMEOUT_S, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
