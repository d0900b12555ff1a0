"""Workers on the machines of a Ray cluster, one actor each.

Ray Core's actors are used, not Ray Data. A run's batches follow from what the bank answers, one after
the other, while Ray Data reads its input before it starts, or on the workers, which here know no
bank; it starts its workers, and so loads the networks, anew for every data set; and it may cut
batches anew, on whose make-up rounding depends.

The extra ``ray`` brings the package. Nothing of Ray is imported before the first batch.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import chain
from math import ceil
from typing import Any

from typing_extensions import override

from freeda_ingest.errors import ClusterError, OptionError, WorkerError
from freeda_ingest.executors.flight import in_flight
from freeda_ingest.executors.protocol import Executor, ExecutorFactory, ItemT, ResultT
from freeda_ingest.executors.recipe import PresetRecipe, Recipe, WorkerIdentity
from freeda_ingest.executors.worker import Failed, StageWorker
from freeda_ingest.executors.worker_pool import BATCHES_PER_WORKER, Worker, WorkerLostError, WorkerPool
from freeda_models.errors import DeviceError

logger = logging.getLogger(__name__)

DEVICES = ("auto", "cpu", "cuda", "mps")
ADDRESS_VARIABLE = "RAY_ADDRESS"
_LOCAL = "local"
_KNOCK_SECONDS = 10.0


class RayExecutor(Executor[ItemT, ResultT]):
    """An :class:`~freeda_ingest.executors.protocol.Executor` on a Ray cluster.

    The cluster is the one that ``RAY_ADDRESS`` names, or one that is started on this machine and
    ended by :meth:`close`; if ``ray.init`` was called before, it is that one. Workers are started
    with the first batch, and live until :meth:`close`. One that is lost is replaced, where Ray finds
    room, and its batch computed anew. Workers that find no room yet join when there is some.

    Args:
        recipe: makes a worker's networks, on the worker's machine.
        device: ``cpu``, ``mps``, or ``cuda``, which is one GPU per worker, chosen by Ray; ``auto`` is
            ``cuda`` when the cluster has GPUs, otherwise ``cpu``.
        workers: how many; by default one per GPU, or one per machine without GPUs.

    Raises:
        ClusterError: Ray is not installed.
        OptionError: another device, or no worker.
    """

    def __init__(
        self, recipe: Recipe[ItemT, ResultT], *, device: str = "auto", workers: int | None = None
    ) -> None:
        check_ray(device, workers)
        self._recipe = recipe
        self._device = device
        self._workers = workers
        self._pool: WorkerPool[ItemT, ResultT] | None = None
        self._plan: _Plan | None = None
        self._started_ray = False

    @override
    def run(self, batches: Iterable[list[ItemT]], *, live: bool = False) -> Generator[ResultT, None, None]:
        """Compute batches, each on the first worker of the cluster that is free.

        Raises:
            ClusterError: the cluster cannot be reached or has no room for a worker.
            DeviceError: the cluster has no GPU, and one was asked for.
            WorkerError: something went wrong in a worker, or killed worker after worker.
        """
        source = iter(batches)
        first = next(source, None)
        if first is None:
            return
        pool, workers = self._begin()
        limit = workers * (1 if live else BATCHES_PER_WORKER)
        yield from in_flight(chain([first], source), pool.submit, limit=limit)

    @override
    def fitting_batch_size(self) -> int | None:
        """None: the machines of a cluster may differ, and batches must not."""
        return None

    @override
    def close(self) -> None:
        """End the workers, and the cluster if it was started here."""
        try:
            if self._pool is not None:
                self._pool.close()
                self._pool = None
        finally:
            if self._started_ray:
                import ray

                ray.shutdown()
                self._started_ray = False

    def _begin(self) -> tuple[WorkerPool[ItemT, ResultT], int]:
        if self._pool is None or self._plan is None:
            self._started_ray = _connect() or self._started_ray
            self._plan = _plan(self._device, self._workers)
            logger.info("Ray: %s", self._plan)
            make = self._plan.actor_maker(self._recipe)
            self._pool = WorkerPool(
                [
                    ActorWorker(make, f"worker {n} ({self._plan.device})")
                    for n in range(1, self._plan.workers + 1)
                ]
            )
        return self._pool, self._plan.workers


def ray_executor(device: str = "auto", workers: int | None = None) -> ExecutorFactory:
    """For ``open_ingestor(..., executor=ray_executor(workers=8))``, and for ``open_learner``; see
    :class:`RayExecutor`.

    A worker whose weights or package differ from those of this process is refused.

    Raises:
        ClusterError: Ray is not installed.
        OptionError: a device that Ray cannot give, or no worker.
    """
    check_ray(device, workers)

    def make(recipe: PresetRecipe[ItemT, ResultT]) -> RayExecutor[ItemT, ResultT]:
        expected = WorkerIdentity.here(recipe.preset, recipe.stage.roles)
        return RayExecutor(replace(recipe, expected=expected), device=device, workers=workers)

    return make


def check_ray(device: str, workers: int | None) -> None:
    """Refuse what cannot be.

    Raises:
        ClusterError: Ray is not installed.
        OptionError: a device that Ray cannot give, or no worker.
    """
    if device not in DEVICES:
        raise OptionError(
            f"device '{device}' cannot be asked of Ray, which chooses GPUs itself; use {', '.join(DEVICES)}."
        )
    if workers is not None and workers < 1:
        raise OptionError(f"workers is {workers}; give a number from 1 on.")
    if find_spec("ray") is None:
        raise ClusterError("Ray is not installed; install it with: pip install 'freeda[ray]'")


class ActorWorker(Worker[ItemT, ResultT]):
    """A :class:`~freeda_ingest.executors.worker_pool.Worker` that is a Ray actor.

    Ray is told neither to restart the actor nor to retry its tasks: :class:`WorkerPool` does both, gives
    the batch to whichever worker is free, and can tell which batch it was that killed the workers.

    Args:
        make: starts an actor of :class:`StageWorker`.
        name: for messages.
    """

    def __init__(self, make: Callable[[], Any], name: str) -> None:
        self.name = name
        self._make = make
        self._actor: Any = None
        self._lock = threading.Lock()
        self._stopped = False

    @override
    def start(self) -> None:
        """Start the actor, and wait until Ray has a place for it and its networks are loaded."""
        with self._lock:
            if self._stopped:
                raise WorkerLostError("stopped")
            self._end()
            self._actor = self._make()
        _answer(self._actor.load.remote())

    @override
    def compute(self, batch: Sequence[ItemT]) -> ResultT:
        result: ResultT = _answer(self._actor.compute.remote(batch))
        return result

    @override
    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            self._end()

    def _end(self) -> None:
        """End the actor, which may be out of reach and yet alive."""
        import ray

        if self._actor is not None:
            ray.kill(self._actor)
            self._actor = None


def _answer(reference: Any) -> Any:
    import ray
    from ray.exceptions import RayActorError, RayError, RayTaskError

    try:
        answer = ray.get(reference)
    except RayTaskError as error:
        raise _misfit(error) from error
    except RayActorError as error:
        if error.actor_init_failed:
            raise _misfit(error) from error
        raise WorkerLostError(_ending(str(error))) from error
    except RayError as error:
        raise WorkerLostError(_ending(str(error))) from error
    if isinstance(answer, Failed):
        raise WorkerError(f"worker on {answer.host}: {_line(answer.error)}") from answer.original()
    return answer


def _misfit(error: Exception) -> WorkerError:
    """For a machine where our code does not even run; Ray says so with the worker's traceback."""
    text = str(error)
    host = re.search(r"ip=([^,)\s]+)", text)
    return WorkerError(
        f"worker on {host[1] if host else 'a machine of the cluster'}: {text.splitlines()[-1].strip()}; "
        "install the same freeda, with the packages it needs, on every machine."
    )


def _ending(text: str) -> str:
    """Why an actor is gone: the one sentence of Ray's explanation that matters."""
    found = re.search(r"Worker exit detail: ([^.]+)", text) or re.search(r"is dead because ([^.]+)", text)
    return "ended: " + (found[1] if found else text.partition("\n")[0]).strip()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@dataclass(frozen=True)
class _Plan:
    """What is asked of the cluster."""

    device: str
    workers: int
    cpus: int

    def actor_maker(self, recipe: Recipe[Any, Any]) -> Callable[[], Any]:
        import ray

        # Ray sets OMP_NUM_THREADS to num_cpus and CUDA_VISIBLE_DEVICES to the worker's own GPU.
        actors = ray.remote(StageWorker).options(
            num_cpus=self.cpus,
            num_gpus=1 if self.device == "cuda" else 0,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )

        def make() -> Any:
            return actors.remote(recipe, self.device)

        return make


def _plan(device: str, workers: int | None) -> _Plan:
    """Match what was asked with what the cluster has."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1]
    gpus = int(sum(node.get("GPU", 0) for node in nodes))
    if not cpus:
        raise ClusterError("the Ray cluster has no CPU to give; start its nodes with --num-cpus.")
    if device == "auto":
        device = "cuda" if gpus else "cpu"
    if device == "cuda":
        if not gpus:
            raise DeviceError("the Ray cluster has no GPU; use device 'cpu' or start a node with --num-gpus.")
        return _Plan(device, workers or gpus, 1)
    workers = workers or len(cpus)
    return _Plan(device, workers, max(1, min(cpus) // ceil(workers / len(cpus))))


def _connect() -> bool:
    """Join or start the cluster, silently; true unless the caller has done so already.

    Ray's reports of usage are switched off. Its own messages go to standard output and would mix
    with a command's; they are shown when this package's log is.
    """
    verbose = logger.isEnabledFor(logging.INFO)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if not verbose:
        os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")
    import ray

    if not verbose:
        logging.getLogger("ray").setLevel(logging.ERROR)  # importing Ray sets it, too
    if ray.is_initialized():
        return False
    address = os.environ.get(ADDRESS_VARIABLE) or _LOCAL
    options: dict[str, Any] = {"include_dashboard": False} if address == _LOCAL else {}
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=verbose, configure_logging=False, **options)
    except (ray.exceptions.RayError, OSError, RuntimeError, ValueError) as error:
        if address == _LOCAL:
            raise ClusterError(f"Ray cannot be started on this machine: {_line(error)}") from error
        raise ClusterError(
            f"the Ray cluster at {address} cannot be used ({_line(error)}); see whether "
            f"{ADDRESS_VARIABLE}, and RAY_AUTH_TOKEN if the cluster has one, are right."
        ) from error
    return True


def _knock(address: str) -> None:
    """Find out quickly whether anything listens: Ray itself would try for minutes."""
    named = re.fullmatch(r"(?:ray://)?\[?([^/\[\]]+)\]?:(\d+)", address)
    if named is not None:
        socket.create_connection((named[1], int(named[2])), _KNOCK_SECONDS).close()
