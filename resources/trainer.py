"""Training in a process of its own, watched through Dagster Pipes."""

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError
from pydantic import Field, model_validator

from wunderkammer.build import StageInputs
from wunderkammer.gan.training.speed import ETA_S, duration
from wunderkammer.params import Params
from wunderkammer.process_tree import ProcessTree
from wunderkammer.scratch import scratch_folder
from wunderkammer.storage.versions import Draft

if TYPE_CHECKING:
    from wunderkammer.gan.job import TrainingJob

POLL_S = 1.0
TENSORBOARD_URL = "WUNDERKAMMER_TENSORBOARD_URL"
NUM_GPUS = "WUNDERKAMMER_NUM_GPUS"
EXIT_STOPPED = os.EX_TEMPFAIL
KILL_MARGIN_S = 10


class Trainer(dg.ConfigurableResource[None]):
    """Where and how a training runs.

    `device` is "auto", "cpu", "cuda" or "cuda:1"; unset, `WUNDERKAMMER_DEVICE` or "auto".
    `num_gpus` of this machine train together (0: all there are; on a CPU, so many processes);
    unset, `WUNDERKAMMER_NUM_GPUS` or 1. With `num_nodes` above 1 they meet those of other machines
    at `rendezvous` (host:port of one of them): the run's log says what to start there.
    `stop_timeout_s` is how long a stopped training may take to write its checkpoint.
    """

    device: str | None = None
    num_gpus: Annotated[int, Field(ge=0)] | None = None
    num_nodes: Annotated[int, Field(ge=1)] = 1
    rendezvous: str | None = None
    tensorboard: str | None = None
    stop_timeout_s: float = 120.0

    @model_validator(mode="after")
    def _can_meet(self) -> "Trainer":
        if self.num_nodes > 1 and not self.rendezvous:
            raise ValueError(f"num_nodes={self.num_nodes} needs rendezvous: host:port of one node")
        return self

    @property
    def tensorboard_url(self) -> str:
        """As set, else as `wunderkammer up` says, else at TensorBoard's own port."""
        return self.tensorboard or os.environ.get(TENSORBOARD_URL) or "http://127.0.0.1:6006"

    @property
    def num_processes(self) -> int:
        """Training processes of this machine; 0 is one a GPU.

        Raises:
            ValueError: `WUNDERKAMMER_NUM_GPUS` is no number and not "auto".
        """
        if self.num_gpus is not None:
            return self.num_gpus
        named = os.environ.get(NUM_GPUS) or "1"
        if named == "auto":
            return 0
        if not named.isdecimal():
            raise ValueError(f"{NUM_GPUS}={named!r}: set it to 'auto' or to a number of GPUs")
        return int(named)

    def command(self, job: Path) -> list[str]:
        """What trains: one process, or several that find each other."""
        python = [sys.executable, "-m"]
        if self.num_processes == 1 and self.num_nodes == 1:
            return [*python, "wunderkammer.gan.train", str(job)]
        # What torchrun kills in time is not left for us to kill.
        stop_timeout_s = max(round(self.stop_timeout_s) - KILL_MARGIN_S, 1)
        options = {
            "--num-processes": self.num_processes,
            "--num-nodes": self.num_nodes,
            "--stop-timeout-s": stop_timeout_s,
            **({"--rendezvous": self.rendezvous} if self.rendezvous else {}),
        }
        words = [str(word) for option in options.items() for word in option]
        return [*python, "wunderkammer.gan.launch", str(job), *words]

    def train(self, context: dg.AssetExecutionContext, inputs: StageInputs) -> Draft:
        """Run the training of `inputs` to its end and collect the checkpoint.

        Raises:
            RuntimeError: the process failed; its own output is in the run's log.
        """
        # Imported here: it brings matplotlib, which would double the time to load the definitions.
        from wunderkammer.gan.job import collect_training, plan_training

        scratch = scratch_folder(inputs.store)
        job = plan_training(inputs, device=self._device_name, scratch=scratch)
        if self.num_nodes > 1:
            self._invite(context, inputs, job)
        with _written(job) as file:
            self._run(context, self.command(file), subject=job.subject)
        return collect_training(job)

    def train_detector(self, context: dg.AssetExecutionContext, inputs: StageInputs) -> Draft:
        """Run the training of a detector for `inputs` to its end and collect it.

        Raises:
            RuntimeError: the process failed; its own output is in the run's log.
            LabelsError: the labels are not fit to train on.
        """
        # Imported here: they bring pictures and plots, which loading the definitions need not.
        from wunderkammer.detect.training.collect import collect_detector
        from wunderkammer.detect.training.job import plan_detector

        scratch = scratch_folder(inputs.store)
        job = plan_detector(inputs, device=self._device_name, scratch=scratch)
        with _written(job) as file:
            command = [sys.executable, "-m", "wunderkammer.detect.training.train", str(file)]
            self._run(context, command, subject=job.subject)
        return collect_detector(job)

    @property
    def _device_name(self) -> str:
        return self.device or os.environ.get("WUNDERKAMMER_DEVICE") or "auto"

    def _invite(
        self, context: dg.AssetExecutionContext, inputs: StageInputs, job: "TrainingJob"
    ) -> None:
        """Leave the job in the store, which the other machines share, and say what to start."""
        key = f"{job.run_prefix}/job.json"
        inputs.store.write(key, job.model_dump_json().encode())
        command = " ".join(self.command(Path(inputs.store.address(key)))[1:])
        context.log.info(
            "start on each of %d other machines: python %s", self.num_nodes - 1, command
        )

    def _run(self, context: dg.AssetExecutionContext, command: list[str], *, subject: str) -> None:
        with _pipes_session(context) as session:
            process = subprocess.Popen(
                command, env={**os.environ, **session.get_bootstrap_env_vars()}
            )
            tree = ProcessTree(process.pid)
            try:
                code = self._watch(context, session, process, tree)
            except DagsterExecutionInterruptedError:
                context.log.info("stopping: the training leaves what it has finished")
                raise
            finally:
                self._stop(context, process, tree)
        asset = context.asset_key.to_user_string()
        if code == EXIT_STOPPED:
            raise RuntimeError(
                f"the training of {subject!r} was stopped by a signal and wrote a checkpoint; "
                f"materialize {asset} again to go on from it"
            )
        if code != 0:
            raise RuntimeError(
                f"the training of {subject!r} ended with exit code {code}; the run's log tells "
                f"why; materialize {asset} again to go on from its last checkpoint"
            )

    def _watch(
        self,
        context: dg.AssetExecutionContext,
        session: dg.PipesSession,
        process: "subprocess.Popen[bytes]",
        tree: ProcessTree,
    ) -> int:
        """Report ticks until the process ends; returns its exit code."""
        shown = 0
        while True:
            try:
                code: int | None = process.wait(timeout=POLL_S)
            except subprocess.TimeoutExpired:
                code = None
                tree.look()
            messages = session.message_handler.get_custom_messages()
            for message in messages[shown:]:
                _report(context, message, self.tensorboard_url)
            shown = len(messages)
            if code is not None:
                return code

    def _stop(
        self,
        context: dg.AssetExecutionContext,
        process: "subprocess.Popen[bytes]",
        tree: ProcessTree,
    ) -> None:
        """Nothing of a training may live on: it would share the GPU with the next one."""
        if process.poll() is None:
            tree.look()
            process.terminate()
            try:
                process.wait(timeout=self.stop_timeout_s)
            except subprocess.TimeoutExpired:
                context.log.warning(
                    "the training took longer than %s s to stop and was killed; the next run goes "
                    "on from its last checkpoint",
                    self.stop_timeout_s,
                )
        tree.kill()
        process.wait()


@contextmanager
def _written(job: Params) -> Iterator[Path]:
    """A file with the job, for its process."""
    with TemporaryDirectory(prefix="wunderkammer-") as folder:
        file = Path(folder) / "job.json"
        file.write_text(job.model_dump_json())
        yield file


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
    """Note a tick or an epoch as an observation, which the asset's page shows meanwhile."""
    if message.get("kind") not in ("tick", "epoch"):
        return
    metadata: dict[str, Any] = _shown(message["metrics"])
    if message["kind"] == "tick":
        metadata["kimg"] = message["kimg"]
        metadata["tensorboard"] = dg.MetadataValue.url(tensorboard_url)
        if message["grid_jpeg_base64"]:
            metadata["grid"] = dg.MetadataValue.md(
                f"![grid](data:image/jpeg;base64,{message['grid_jpeg_base64']})"
            )
    context.log_event(
        dg.AssetObservation(
            asset_key=context.asset_key, partition=context.partition_key, metadata=metadata
        )
    )


def _shown(metrics: Mapping[str, float]) -> dict[str, Any]:
    """The numbers of a tick; a length of time reads better in words."""
    words = {name: duration(metrics[name]) for name in (ETA_S,) if name in metrics}
    return {**metrics, **words}
