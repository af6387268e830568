"""What all pipelines share: one input, a list, or an iterator in; results in the same form and order out."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, ClassVar, TypeVar

from ...errors import InputError
from ..pretrained import PreTrainedModel

__all__ = ["Pipeline", "batches"]

T = TypeVar("T")


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Return an iterator over lists of ``size`` items, the last one maybe shorter; it takes no item before its turn.

    >>> list(batches("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise InputError(f"batch_size: expected an integer from 1 on, found {size!r}")
    iterator = iter(items)
    return iter(lambda: list(islice(iterator, size)), [])


class Pipeline:
    """A model and a tokenizer behind one call that takes texts.

    Args:
        model: of the class that the task needs.
        tokenizer: the model's.
        task: the name it was asked for by.
        batch_size: how many inputs run together, unless a call says otherwise.
        **options: of the calls, which may replace them.
    """

    #: What a model needs for this task.
    needs: ClassVar[str]

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Any,
        task: str = "",
        batch_size: int | None = None,
        **options: Any,
    ) -> None:
        self.model, self.tokenizer, self.task = model, tokenizer, task
        self._batch_size = 1 if batch_size is None else batch_size
        self._options = self._translated(options)
        if not self.fits(model):
            raise InputError(f"model: expected {self.needs} for {task}, found {type(model).__name__}")

    @classmethod
    def fits(cls, model: PreTrainedModel) -> bool:
        """Tell whether a model can do this task."""
        raise NotImplementedError

    def __call__(self, inputs: Any, *, batch_size: int | None = None, num_workers: Any = None, **options: Any) -> Any:
        """Run one input, or a list of them, or an iterator, whose results come one by one.

        ``num_workers`` has no effect.
        """
        size = self._batch_size if batch_size is None else batch_size
        options = self._options | self._translated(options)
        if isinstance(inputs, (list, tuple)):
            return list(self._results(inputs, size, options))
        if isinstance(inputs, Iterator):
            return self._results(inputs, size, options)
        return next(self._results([inputs], size, options))

    def _translated(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return options as :meth:`_run` takes them; those of the pipeline and of a call are merged afterwards."""
        return options

    def _results(self, inputs: Iterable[Any], size: int, options: dict[str, Any]) -> Iterator[Any]:
        for batch in batches(inputs, size):
            yield from self._run(batch, size, options)

    def _run(self, batch: list[Any], size: int, options: dict[str, Any]) -> Iterable[Any]:
        """Return the results of ``size`` inputs or fewer; no more rows than that go through the model at once."""
        raise NotImplementedError

    def save_pretrained(self, folder: str) -> None:
        """Save model and tokenizer into one folder."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
