"""Text while it is being generated: streamers that ``generate`` pushes tokens to, and a generator of tokens.

Source: transformers 4.56.2 (``generation/streamers.py``).
"""

from collections.abc import Iterator
from queue import Queue
from typing import Any, Protocol

import numpy as np

from ..arrays import IntArray
from ..errors import InputError

__all__ = ["BaseStreamer", "TextIteratorStreamer", "TextStreamer"]

#: Blocks of CJK ideographs: texts in them have no blanks between words.
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class BaseStreamer(Protocol):
    """What ``generate(streamer=...)`` calls: ``put`` with the prompt ``(rows, length)``, then with each step's tokens
    ``(rows,)``, all int64, and ``end`` once.

    >>> from minipegasus import PegasusForConditionalGeneration, demo
    >>> class Shapes:
    ...     def put(self, value):
    ...         print("put", value.shape)
    ...     def end(self):
    ...         print("end")
    >>> model = PegasusForConditionalGeneration.from_pretrained(demo.folder())
    >>> ids = model.generate([[300, 1]], streamer=Shapes(), num_beams=1, max_new_tokens=1)
    put (1, 1)
    put (1,)
    end
    """

    def put(self, value: IntArray) -> None:
        """Take the prompt ``(rows, length)`` or one step's tokens ``(rows,)``."""

    def end(self) -> None:
        """Take note that there are no more."""


class TextStreamer:
    """Print the text of one sequence as soon as whole words are there.

    A word counts as whole when a blank follows it, when its last character is a CJK ideograph, or at a newline.

    Args:
        tokenizer: needs ``decode(list of ids, **decode_kwargs)``.
        skip_prompt: leave out the prompt, for an encoder-decoder model the start token.
        **decode_kwargs: given to ``decode``, as ``skip_special_tokens=True``.

    >>> from minipegasus import PegasusTokenizer
    >>> tokenizer = PegasusTokenizer.from_pretrained("golden/tokenizer/pegasus")
    >>> streamer = TextStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    >>> streamer.put(np.array([[0]]))  # the start token; generate(streamer=streamer) makes these calls
    >>> for index in tokenizer.encode("the man wrote"):
    ...     streamer.put(np.array([index]))
    the man...
    >>> streamer.end()
    wrote
    """

    def __init__(self, tokenizer: Any, skip_prompt: bool = False, **decode_kwargs: Any) -> None:
        self.tokenizer = tokenizer
        self.skip_prompt = skip_prompt
        self.decode_kwargs = decode_kwargs
        self._tokens: list[int] = []
        self._shown = 0
        self._at_prompt = True

    def put(self, value: IntArray) -> None:
        """Take the ids of one sequence, shape ``(1, length)`` or ``(length,)``, and show what is whole.

        Raises:
            InputError: several sequences.
        """
        ids = np.atleast_2d(value)
        if len(ids) != 1:
            raise InputError(f"{type(self).__name__}: expected one sequence, found {len(ids)}")
        skipped, self._at_prompt = self.skip_prompt and self._at_prompt, False
        if skipped:
            return
        self._tokens += ids[0].tolist()
        text = self._decoded()
        if text.endswith("\n") or (text and any(low <= ord(text[-1]) <= high for low, high in _IDEOGRAPHS)):
            whole = len(text)
        else:
            whole = text.rfind(" ") + 1
        shown, self._shown = self._shown, max(whole, self._shown)
        if text.endswith("\n"):
            self._tokens, self._shown = [], 0
        self.on_finalized_text(text[shown:whole])

    def end(self) -> None:
        """Show what is left and get ready for another sequence."""
        text = self._decoded()[self._shown :] if self._tokens else ""
        self._tokens, self._shown, self._at_prompt = [], 0, True
        self.on_finalized_text(text, stream_end=True)

    def _decoded(self) -> str:
        text: str = self.tokenizer.decode(self._tokens, **self.decode_kwargs)
        return text

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Show some text, maybe none; a subclass may do something else with it. ``stream_end`` marks the last.

        >>> from minipegasus import PegasusTokenizer
        >>> class Words(TextStreamer):
        ...     def on_finalized_text(self, text, stream_end=False):
        ...         print(repr(text), stream_end)
        >>> streamer = Words(PegasusTokenizer.from_pretrained("golden/tokenizer/pegasus"))
        >>> streamer.put(np.array([108, 193]))  # "the wrote"
        'the ' False
        >>> streamer.end()
        'wrote' True
        """
        print(text, flush=True, end=None if stream_end else "")


class TextIteratorStreamer(TextStreamer):
    """Hand the text out through iteration, usually while ``generate`` runs in another thread.

    Args:
        tokenizer, skip_prompt, **decode_kwargs: as for :class:`TextStreamer`.
        timeout: seconds that iteration waits for text before :class:`queue.Empty` is raised; ``None`` waits forever.

    >>> from threading import Thread
    >>> from minipegasus import PegasusForConditionalGeneration, PegasusTokenizer, demo
    >>> tokenizer = PegasusTokenizer.from_pretrained(demo.folder())
    >>> model = PegasusForConditionalGeneration.from_pretrained(demo.folder())
    >>> inputs = tokenizer("A pool keeps connections open and lends them out.", return_tensors="np")
    >>> streamer = TextIteratorStreamer(tokenizer, skip_special_tokens=True, timeout=60)
    >>> Thread(target=model.generate, kwargs=dict(inputs, streamer=streamer, num_beams=1, max_new_tokens=8)).start()
    >>> text = "".join(streamer)  # piece by piece, while the thread generates
    >>> text == tokenizer.decode(model.generate(**inputs, num_beams=1, max_new_tokens=8)[0], skip_special_tokens=True)
    True
    """

    def __init__(
        self, tokenizer: Any, skip_prompt: bool = False, timeout: float | None = None, **decode_kwargs: Any
    ) -> None:
        super().__init__(tokenizer, skip_prompt, **decode_kwargs)
        self.timeout = timeout
        self._queue: Queue[str | None] = Queue()

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Queue some text."""
        self._queue.put(text)
        if stream_end:
            self._queue.put(None)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        text = self._queue.get(timeout=self.timeout)
        if text is None:
            raise StopIteration
        return text
