"""Signatures apart from what happens to the arguments, and docstrings that share what they say of them."""

import re
from collections.abc import Callable
from functools import wraps
from inspect import cleandoc, signature
from typing import Any, ParamSpec, TypeVar

__all__ = ["declared", "explained_by"]

P = ParamSpec("P")
R = TypeVar("R")

# The part of a docstring on arguments, and where in it the next one begins.
_ARGS = re.compile(r"^Args:\n(.*?)(?=\n\n|\Z)", re.DOTALL | re.MULTILINE)
_NEXT = re.compile(r"\n(?=    \S)")


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


def explained_by(other: Callable[..., Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a method's docstring say also what another's says of the arguments that both take, in this one's order.

    A method without a docstring gets the other's, cut to its own arguments.

    >>> def base(ids=None, mask=None):
    ...     '''Run the model.
    ...
    ...     Args:
    ...         ids: int.
    ...         mask: 0 or 1.
    ...     '''
    >>> @explained_by(base)
    ... def head(ids=None, labels=None):
    ...     '''Run the model and its head.
    ...
    ...     Args:
    ...         labels: int.
    ...     '''
    >>> print(head.__doc__)
    Run the model and its head.
    <BLANKLINE>
    Args:
        ids: int.
        labels: int.
    """

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        own = cleandoc(method.__doc__ or other.__doc__ or "")
        entries = _entries(cleandoc(other.__doc__ or "")) | _entries(own)
        # One entry may speak of several arguments.
        lines = dict.fromkeys(entries[name] for name in signature(method).parameters if name in entries)
        method.__doc__ = _ARGS.sub(lambda _: "\n".join(["Args:", *lines]), own)
        return method

    return decorate


def _entries(doc: str) -> dict[str, str]:
    """Return what a docstring says of its arguments, by the argument's name."""
    found = _ARGS.search(doc)
    entries = _NEXT.split(found[1]) if found else []
    return {name.strip().lstrip("*"): entry for entry in entries for name in entry.split(":")[0].split(",")}
