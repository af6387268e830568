"""A model without a network: logits from random tables of the last two tokens and of the length, and slow oracles."""

import itertools
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from minipegasus.arrays import FloatArray, IntArray
from minipegasus.generation.config import GenerationConfig
from minipegasus.generation.protocols import Start, StepOutput

EOS, PAD, START = 1, 0, 2


class ToyDecoding:
    """A decoding that checks how it is used."""

    encoder_hidden_states = None
    encoder_attentions = None

    def __init__(self, model: "ToyModel", rows_per_item: int, max_length: int, inputs: Mapping[str, Any]) -> None:
        self.model, self.rows_per_item, self.max_length, self.inputs = model, rows_per_item, max_length, inputs
        self.ids: IntArray | None = None

    @property
    def past_key_values(self) -> Any:
        return self.ids

    def step(self, ids_rt: IntArray) -> StepOutput:
        first = self.ids is None
        assert first or ids_rt.shape[1] == 1
        self.ids = ids_rt.copy() if self.ids is None else np.concatenate([self.ids, ids_rt], 1)
        assert self.ids.shape[1] <= self.max_length
        items = np.arange(len(ids_rt)) // self.rows_per_item
        return StepOutput(self.model.logits(self.ids, items))

    def reorder(self, parents_r: IntArray) -> None:
        assert self.ids is not None
        rows = np.arange(len(self.ids))
        assert (parents_r // self.rows_per_item == rows // self.rows_per_item).all()
        self.ids = self.ids[parents_r]


class ToyModel:
    """Item ``b``'s logits also depend on the first id of its input, so that items differ.

    And on the length: of the last two tokens alone, sequences with the same triples in another order would be equal.
    """

    position_limit = None

    def __init__(self, vocabulary: int = 7, seed: int = 0, *, encoder_decoder: bool = True, **settings: Any) -> None:
        rng = np.random.default_rng(seed)
        self.table = (2 * rng.normal(size=(vocabulary, vocabulary, vocabulary))).astype(np.float32)
        self.item_table = rng.normal(size=(64, vocabulary)).astype(np.float32)
        self.length_table = rng.normal(size=(64, vocabulary)).astype(np.float32)
        self.config = SimpleNamespace(is_encoder_decoder=encoder_decoder, max_position_embeddings=512)
        defaults = {"eos_token_id": EOS, "pad_token_id": PAD, "decoder_start_token_id": START}
        self.generation_config = GenerationConfig(**{**defaults, **settings})
        self.started: list[dict[str, Any]] = []

    def model_keywords(self) -> set[str]:
        return {"attention_mask", "decoder_attention_mask", "inputs_embeds", "encoder_outputs", "position_ids"}

    def start_decoding(self, start: Start) -> ToyDecoding:
        self.started.append(vars(start))
        first_rows = start.prompt_ids_rt[:: start.rows_per_item]
        self.items = np.asarray(start.inputs.get("input_ids", first_rows))[:, :1]
        return ToyDecoding(self, start.rows_per_item, start.max_length, start.inputs)

    def logits(self, ids_rt: IntArray, items: IntArray) -> FloatArray:
        before = ids_rt[:, -2] if ids_rt.shape[1] > 1 else np.zeros(len(ids_rt), np.int64)
        return (
            self.table[before, ids_rt[:, -1]]
            + self.item_table[self.items[items, 0]]
            + self.length_table[ids_rt.shape[1]]
        )

    def log_probs(self, ids: list[int], item: int) -> FloatArray:
        """Return the log-probabilities of the token after ``ids``, in double precision."""
        logits = self.logits(np.array([ids]), np.array([item]))[0].astype(np.float64)
        shifted: FloatArray = logits - logits.max()
        return shifted - np.log(np.exp(shifted).sum())

    def score(self, ids: list[int], item: int, prompt_length: int = 1) -> float:
        """Return the sum of the log-probabilities of the ids after the prompt."""
        return sum(float(self.log_probs(ids[:end], item)[ids[end]]) for end in range(prompt_length, len(ids)))


def all_outputs(vocabulary: int, max_length: int) -> Iterator[list[int]]:
    """Yield every output: ended by the end token, or ``max_length`` long."""
    others = [token for token in range(vocabulary) if token != EOS]
    for length in range(max_length - 1):
        for middle in itertools.product(others, repeat=length):
            yield [START, *middle, EOS]
    for middle in itertools.product(others, repeat=max_length - 1):
        yield [START, *middle]


def trimmed(ids: IntArray) -> list[int]:
    """Cut an output behind its first end token."""
    tokens: list[int] = ids.tolist()
    return tokens[: tokens.index(EOS, 1) + 1] if EOS in tokens[1:] else tokens
