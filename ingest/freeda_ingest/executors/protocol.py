"""What computes the batches of a run, wherever that is.

A run (:mod:`freeda_ingest.run`, :mod:`freeda_learn.run`) reads its input, asks the bank what is missing, and
hands whole batches to an executor; it stores what comes back. Nothing else touches the bank, so an executor
needs neither the bank nor its lock, and a worker that dies has stored nothing by halves. The executors for
several devices and for Ray serve both runs.

**How to write another executor.** Everything that a worker needs to know is a
:class:`~freeda_ingest.executors.recipe.PresetRecipe` (a preset, and the stage that is to be computed with its
networks) and a device::

    compute = recipe.build("cuda:1")     # loads the networks
    result = compute(batch)              # a pure function of the batch

Recipes, batches and results can all be pickled. ``compute`` gives the same result for the same batch in
whichever process, and again, up to rounding, so a batch that a dead worker held is simply given to another
one. A batch of captions that is too large for the device is halved by itself.

:func:`freeda_ingest.executors.flight.in_flight` does the rest for an executor that can turn a batch into a
:class:`concurrent.futures.Future`: it takes batches only as fast as they are computed, gives results
back as they come, and lets the other batches in hand finish before an error is raised::

    class DevicesExecutor:
        def run(self, batches, *, live=False):
            workers = len(self._devices)
            return in_flight(batches, self._submit, limit=workers if live else 2 * workers)

An executor reaches a run through ``open_ingestor(address, preset, executor=make)`` or ``open_learner``, where
``make`` is an :class:`ExecutorFactory`: it is called with the recipe once the preset is known (the bank may
name it). The ingestor or learner closes the executor when it is closed itself.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

if TYPE_CHECKING:
    from freeda_ingest.executors.recipe import PresetRecipe


class Item(Protocol):
    """One of a batch: plain data that can be pickled."""

    @property
    def place(self) -> str:
        """Names it in messages."""


class Result(Protocol):
    """What came of a batch: a dataclass that can be pickled."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def seconds(self) -> Mapping[str, float]:
        """Duration of each stage; ``load`` is what the first batch waits for."""


ItemT = TypeVar("ItemT", bound=Item)
ItemInT = TypeVar("ItemInT", bound=Item, contravariant=True)
ResultT = TypeVar("ResultT", bound=Result)
ResultOutT = TypeVar("ResultOutT", bound=Result, covariant=True)


class Executor(Protocol[ItemT, ResultOutT]):
    """Computes batches."""

    def run(self, batches: Iterable[list[ItemT]], *, live: bool = False) -> Generator[ResultOutT, None, None]:
        """Compute batches, each exactly once.

        ``batches`` is read in the thread that iterates the results, and nowhere else: reading looks
        things up in the bank, and Ctrl-C simply ends it. So after a Ctrl-C the batches in hand are
        still computed and given back.

        Args:
            batches: read only as fast as results are taken, so that a bounded number is in hand.
            live: items come as somebody writes them, and reading may wait long: take no batch
                before its turn while a worker could have given back a result, that is, no more
                batches than workers.

        Returns:
            One result per batch, in any order. Closing the iterator early abandons the batches in hand. An
            error is raised after the results of the other batches in hand.
        """

    def fitting_batch_size(self) -> int | None:
        """How many captions to draw at once for ``--batch-size auto``; None for the preset's own.

        It should be the same whenever this machine is asked again: a run that goes on with other
        batches differs in rounding, though in nothing else.
        """

    def close(self) -> None:
        """Stop the workers and let go of their networks. Closing twice is fine."""


class ExecutorFactory(Protocol):
    """Makes an executor for whatever a recipe computes."""

    def __call__(self, recipe: PresetRecipe[ItemT, ResultT], /) -> Executor[ItemT, ResultT]:
        """An executor whose workers are made by a recipe."""
