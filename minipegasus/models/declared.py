"""Signatures apart from what happens to the arguments."""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar

__all__ = ["declared"]

P = ParamSpec("P")
R = TypeVar("R")


def declared(method: Callable[P, R]) -> Callable[P, R]:
    """Let a method be its signature and docstring: a call gives ``self._call`` every argument by its name.

    The classes take up to 18 arguments in an order of their own, the reference's, and do the same with most of them.
    So each spells them out once, for readers, ``help()`` and type checkers, and :meth:`_call` names those that it
    looks at. Arguments that were not given are not passed on: their defaults are those of ``_call``.

    >>> class Model:
    ...     def _call(self, **arguments):
    ...         return arguments
    ...     @declared
    ...     def __call__(self, ids=None, mask=None):
    ...         "Run the model."
    >>> Model()([5], mask=[1])
    {'ids': [5], 'mask': [1]}
    >>> Model()([5], maks=[1])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    TypeError: Model.__call__() got an unexpected keyword argument 'maks'...
    """
    names = tuple(signature(method).parameters)

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> Any:
        method(*args, **kwargs)  # does nothing but refuse what does not fit the signature
        given: dict[str, Any] = dict(zip(names, args, strict=False)) | kwargs
        return given.pop("self")._call(**given)

    return call
