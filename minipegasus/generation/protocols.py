"""What generation needs from a model: two small protocols, so that this floor never imports the one above it.

A model says how to *start* a decoding; the decoding is one running sequence of steps with its own cache.
Everything that generation decides (prompts, masks, lengths, which rows survive) arrives as plain arrays.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Protocol

from ..arrays import Array, FloatArray, IntArray
from .config import GenerationConfig

__all__ = ["Decoding", "GenerativeModel", "Start", "StepOutput"]


@dataclass(frozen=True)
class StepOutput:
    """What one decoding step computed.

    ``logits_rv`` has shape ``(rows, vocabulary)`` and belongs to the last position that was fed, in the
    model's own dtype. The tuples hold one array per layer (hidden states: one more, the embeddings
    first) for the positions fed in this step, or are ``None`` where they were not asked for.
    ``cross_attentions`` is also ``None`` for a decoder without an encoder.
    """

    logits_rv: FloatArray
    decoder_hidden_states: tuple[Array, ...] | None = None
    decoder_attentions: tuple[Array, ...] | None = None
    cross_attentions: tuple[Array, ...] | None = None


@dataclass(frozen=True, eq=False)
class Start:
    """What a model is told when it starts a decoding.

    Attributes:
        rows_per_item: running sequences for each batch item; the rows of item ``b`` stand together.
        max_length: how many positions will be held at most.
        prompt_ids_rt: ``items * rows_per_item`` rows: the array that the first :meth:`Decoding.step` is going to feed.
        inputs: what the caller gave, one row per *item*; the decoding repeats rows where it needs them:

            * exactly one of ``input_ids``, ``inputs_embeds`` and ``encoder_outputs`` is not ``None`` for an
              encoder-decoder model (``input_ids`` may also come beside ``encoder_outputs`` and is then not encoded); a
              decoder-only model receives ``inputs_embeds`` or neither;
            * ``attention_mask`` as given or inferred. An encoder-decoder model's belongs to the encoder. A decoder-only
              model's is already extended with ones to ``max_length`` columns;
            * ``decoder_attention_mask``, ``position_ids`` (decoder-only) and ``decoder_position_ids``, where present,
              also reach to ``max_length`` columns: a step that feeds positions ``[start, stop)`` reads the mask's
              columns ``[:stop]`` and the position ids' columns ``[start:stop]``;
            * every other model keyword, untouched.
        output_attentions, output_hidden_states: whether every layer's are wanted.
        use_cache: False allows the decoding to recompute everything in each step; the numbers are the same. It does
            not come with a decoder-only model's ``inputs_embeds``.
    """

    rows_per_item: int
    max_length: int
    prompt_ids_rt: IntArray
    inputs: Mapping[str, Any]
    output_attentions: bool
    output_hidden_states: bool
    use_cache: bool


class Decoding(Protocol):
    """One running decoding: ``rows`` sequences of equal length and what is cached for them."""

    @property
    def past_key_values(self) -> Any:
        """The cache object for the dictionary output, or ``None`` without a cache."""

    @property
    def encoder_hidden_states(self) -> tuple[Array, ...] | None:
        """The encoder's hidden states, one row per batch *item* (not replicated), where asked for."""

    @property
    def encoder_attentions(self) -> tuple[Array, ...] | None:
        """The encoder's attentions, one row per batch *item* (not replicated), where asked for."""

    def step(self, ids_rt: IntArray) -> StepOutput:
        """Feed the positions not yet seen: the whole prompt at first, then ``(rows, 1)``.

        A decoder-only model that was started with ``inputs_embeds`` uses them as the positions of the
        first step, whatever ids come with it (the ids may then have length 0).
        """

    def reorder(self, parents_r: IntArray) -> None:
        """Let row ``i`` continue what was row ``parents_r[i]``; a row may be continued once, often or never.

        It is called after every step of a beam search, also with the identity. A parent belongs to the
        same batch item as the row, so what is kept per item (encoder keys and values, masks) need not
        move.
        """


class GenerativeModel(Protocol):
    """A model that can generate.

    ``config`` is the model's configuration: ``is_encoder_decoder``, ``to_dict()`` with every attribute
    (the legacy generation attributes and class defaults included) and, where the model has one,
    ``max_position_embeddings``.
    """

    @property
    def config(self) -> Any: ...

    @property
    def generation_config(self) -> GenerationConfig: ...

    @property
    def position_limit(self) -> int | None:
        """How many positions the decoder has, or ``None`` where any number goes."""

    def model_keywords(self) -> AbstractSet[str]:
        """Return the names that ``generate`` may pass on to :meth:`start_decoding` in ``inputs``.

        ``position_ids`` in it makes a decoder-only model receive position ids derived from its attention
        mask.
        """

    def start_decoding(self, start: Start) -> Decoding:
        """Run the encoder, if there is one, on the un-replicated inputs; return a decoding at its start."""
