"""One prepared ``generate`` call: everything a search needs, resolved and checked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, IntArray
from ..errors import InputError
from .config import GenerationConfig
from .outputs import Recorder
from .processors import LogitsProcessorList, power
from .protocols import Decoding, StepOutput
from .stopping import StoppingCriteriaList

__all__ = ["OnStep", "Task", "generators"]

#: Progress hook: called after every step with the number of tokens chosen so far and the largest possible number.
OnStep = Callable[[int, int], object]


@dataclass
class Task:
    """What a search runs on. ``prompt_ids_rt`` has one row per running sequence, ``rows_per_item`` for each item."""

    config: GenerationConfig
    decoding: Decoding
    prompt_ids_rt: IntArray
    rows_per_item: int
    max_length: int
    processors: LogitsProcessorList
    criteria: StoppingCriteriaList
    eos_ids: IntArray | None
    pad_id: int | None
    rng: np.random.Generator
    recorder: Recorder
    on_step: OnStep | None = None

    @property
    def items(self) -> int:
        """Number of batch items."""
        return len(self.prompt_ids_rt) // self.rows_per_item

    @property
    def prompt_length(self) -> int:
        """Number of ids before the first new one."""
        return int(self.prompt_ids_rt.shape[1])

    @property
    def candidates_per_beam(self) -> int:
        """How many continuations a beam search looks at per beam, so that one without end token is among them."""
        return max(2, 1 + (0 if self.eos_ids is None else len(self.eos_ids)))

    def step(self, ids_rt: IntArray) -> tuple[StepOutput, FloatArray]:
        """Feed ids; return the model's output and its logits in float32, the precision of every search."""
        output = self.decoding.step(ids_rt)
        return output, output.logits_rv.astype(np.float32, copy=False)

    def processed(self, ids_rt: IntArray, scores_rv: FloatArray, **context: Any) -> FloatArray:
        """Return the scores ``(rows, vocabulary)`` as the processors leave them.

        Raises:
            InputError: a NaN among them, of which each search would make some token or other.
        """
        processed_rv = self.processors(ids_rt, scores_rv, **context)
        if np.isnan(processed_rv.max(-1)).any():
            raise InputError(
                "scores: expected numbers, found NaN from the model, or from normalising a row in which the settings "
                "forbid every token; remove_invalid_values=True replaces them"
            )
        return processed_rv

    def normalised(self, totals: FloatArray | float, new_tokens: int) -> FloatArray:
        """Return sums of log-probabilities divided by ``new_tokens ** length_penalty``, in their own precision.

        A power outside the range of the dtype is the largest or smallest number that it has.
        """
        limits = np.finfo(np.asarray(totals).dtype)
        divisor = np.clip(power(new_tokens, self.config.length_penalty), limits.tiny, limits.max)
        with np.errstate(over="ignore"):
            quotient: FloatArray = totals / limits.dtype.type(divisor)
        return quotient

    def progress(self, length: int) -> None:
        """Tell the progress hook that sequences have ``length`` ids now."""
        if self.on_step is not None:
            self.on_step(length - self.prompt_length, self.max_length - self.prompt_length)


def generators(rng: np.random.Generator, count: int) -> list[np.random.Generator]:
    """Return independent generators, each from one 63-bit seed drawn from ``rng``.

    Generator ``i`` depends on the state of ``rng`` and on ``i`` alone, so a row draws the same numbers in any batch.
    """
    return [np.random.default_rng(seed) for seed in rng.integers(0, 2**63, size=count).tolist()]
