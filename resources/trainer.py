"""Training in a process of its own, watched through Dagster Pipes."""

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from wunderkammer.build import StageInputs
from wunderkammer.scratch import scratch_folder
from wunderkammer.storage.versions import Draft

if TYPE_CHECKING:
    from wunderkammer.gan.job import TrainingJob

POLL_S = 1.0
TENSORBOARD_URL = "WUNDERKAMMER_TENSORBOARD_URL"


class Trainer(dg.ConfigurableResource[None]):
    """Where and how a training runs.

    `device` is "auto", "cpu", "cuda" or "cuda:1"; unset, `WUNDERKAMMER_DEVICE` or "auto".
    `stop_timeout_s` is how long a stopped training may take to write its checkpoint.
    """

    device: str | None = None
    tensorboard: str | None = None
    stop_timeout_s: float = 120.0

    @property
    def tensorboard_url(self) -> str:
        """As set, else as `wunderkammer up` says, else at TensorBoard's own port."""
        return self.tensorboard or os.environ.get(TENSORBOARD_URL) or "http://127.0.0.1:6006"

    def train(self, context: dg.AssetExecutionContext, inputs: StageInputs) -> Draft:
        """Run the training of `inputs` to its end and collect the checkpoint.

        Raises:
            RuntimeError: the process failed; its own output is in the run's log.
        """
        # Imported here: it brings matplotlib, which would double the time to load the definitions.
        from wunderkammer.gan.job import collect_training, plan_training

        device = self.device or os.environ.get("WUNDERKAMMER_DEVICE") or "auto"
        job = plan_training(inputs, device=device, scratch=scratch_folder(inputs.store))
        with TemporaryDirectory(prefix="wunderkammer-") as folder:
            file = Path(folder) / "job.json"
            file.write_text(job.model_dump_json())
            self._run(context, job, file)
        return collect_training(inputs, job)

    def _run(self, context: dg.AssetExecutionContext, job: "TrainingJob", file: Path) -> None:
        with _pipes_session(context) as session:
            process = subprocess.Popen(
                [sys.executable, "-m", "wunderkammer.gan.train", str(file)],
                env={**os.environ, **session.get_bootstrap_env_vars()},
            )
            shown = 0
            try:
                while True:
                    try:
                        code: int | None = process.wait(timeout=POLL_S)
                    except subprocess.TimeoutExpired:
                        code = None
                    messages = session.message_handler.get_custom_messages()
                    for message in messages[shown:]:
                        _report(context, message, self.tensorboard_url)
                    shown = len(messages)
                    if code is not None:
                        break
            except DagsterExecutionInterruptedError:
                context.log.info("stopping: the training writes a checkpoint first")
                raise
            finally:
                self._stop(context, process)
        if code != 0:
            raise RuntimeError(
                f"the training of {job.subject!r} ended with exit code {code}; the run's log tells "
                f"why; materialize trained_checkpoint again to go on from its last checkpoint"
            )

    def _stop(self, context: dg.AssetExecutionContext, process: "subprocess.Popen[bytes]") -> None:
        if process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(timeout=self.stop_timeout_s)
        except subprocess.TimeoutExpired:
            # One that lived on would share the GPU with the next training.
            context.log.warning(
                "the training took longer than %s s to stop and was killed; the next run goes on "
                "from its last checkpoint",
                self.stop_timeout_s,
            )
            process.kill()
            process.wait()


@contextmanager
def _pipes_session(context: dg.AssetExecutionContext) -> Iterator[dg.PipesSession]:
    with ExitStack() as stack:
        with warnings.catch_warnings():
            # Dagster warns of a preview property that it reads itself.
            warnings.filterwarnings("ignore", "Function `PipesMessageReader.expected_writer_count`")
            session = stack.enter_context(
                dg.open_pipes_session(
                    context=context,
                    context_injector=dg.PipesTempFileContextInjector(),
                    message_reader=dg.PipesTempFileMessageReader(),
                )
            )
        yield session


def _report(
    context: dg.AssetExecutionContext, message: Mapping[str, Any], tensorboard_url: str
) -> None:
    """Note a tick as an observation, which the asset's page shows while the training runs."""
    if message.get("kind") != "tick":
        return
    metadata: dict[str, Any] = {
        "kimg": message["kimg"],
        **message["metrics"],
        "tensorboard": dg.MetadataValue.url(tensorboard_url),
    }
    if message["grid_jpeg_base64"]:
        metadata["grid"] = dg.MetadataValue.md(
            f"![grid](data:image/jpeg;base64,{message['grid_jpeg_base64']})"
        )
    context.log_event(
        dg.AssetObservation(
            asset_key=context.asset_key, partition=context.partition_key, metadata=metadata
        )
    )
