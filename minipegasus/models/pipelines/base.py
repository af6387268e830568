"""What all pipelines share: one input, a list, or an iterator in; results in the same form and order out."""

import difflib
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any, ClassVar, TypeVar

from ...errors import InputError
from ..configs import IGNORED
from ..pretrained import PreTrainedModel

__all__ = ["Pipeline", "batches", "keywords", "meaningful"]

T = TypeVar("T")

# Of what there is one kind here, the values that mean it.
_ONE_KIND = {"device": (None, -1, "cpu"), "framework": (None, "np", "pt")}
_WITHOUT_EFFECT = IGNORED | {*_ONE_KIND, "num_workers", "use_fast"}


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Return an iterator over lists of ``size`` items, the last one maybe shorter; it takes no item before its turn.

    >>> list(batches("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise InputError(f"batch_size: expected an integer from 1 on, found {size!r}")
    iterator = iter(items)
    return iter(lambda: list(islice(iterator, size)), [])


def meaningful(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that change something where there is one device; refuse another device or framework."""
    for name, allowed in _ONE_KIND.items():
        value = options.get(name)
        if value not in allowed and str(value) not in allowed:  # torch's own devices count by their names
            raise InputError(f"{name}: expected one of {', '.join(map(repr, allowed))}, found {value!r}")
    return {name: value for name, value in options.items() if name not in _WITHOUT_EFFECT}


def keywords(function: Any) -> frozenset[str]:
    """Return the names of the keywords, those with a default, that a function or method takes after a ``*``."""
    return frozenset(function.__kwdefaults__ or ())


class Pipeline:
    """A model and a tokenizer behind one call that takes texts.

    Args:
        model: of the class that the task needs.
        tokenizer: the model's.
        task: the name it was asked for by.
        batch_size: how many inputs run together, unless a call says otherwise.
        **options: of the calls, which may replace them.

    Raises:
        InputError: the model has not the head for the task, or another device is asked for.
        TypeError: no call takes such options.

    >>> from minipegasus import pipeline
    >>> pipe = pipeline("summarization", "golden/pegasus")
    >>> isinstance(pipe, Pipeline), type(pipe).fits(pipe.model)
    (True, True)
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> pipe.save_pretrained(folder)
    >>> len(pipeline("summarization", folder)(["the man", "was here"], max_length=6))
    2
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
        if not self.fits(model):
            raise InputError(f"model: expected {self.needs} for {task}, found {type(model).__name__}")
        self._options = self._accepted(meaningful(options))

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

    def _accepted(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return options of all calls as :meth:`_run` takes them; those that no call takes are named."""
        options, known = self._translated(options), self._option_names()
        hints = {name: difflib.get_close_matches(name, known, 1) for name in options.keys() - known}
        if hints:
            named = [f"{name!r} (did you mean {near[0]!r}?)" if near else repr(name) for name, near in hints.items()]
            raise TypeError(f"{type(self).__name__} got unexpected option(s): {', '.join(sorted(named))}")
        return options

    def _option_names(self) -> AbstractSet[str]:
        """Return the names of the options that :meth:`_run` takes."""
        raise NotImplementedError

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
