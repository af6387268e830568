"""What ``generate(..., return_dict_in_generate=True)`` returns, and the recorder that collects it step by step."""

from dataclasses import dataclass, field
from typing import Any

from ..arrays import Array, FloatArray, IntArray
from ..outputs import ModelOutput
from .config import GenerationConfig
from .protocols import Decoding, StepOutput

__all__ = [
    "GenerateBeamDecoderOnlyOutput",
    "GenerateBeamEncoderDecoderOutput",
    "GenerateDecoderOnlyOutput",
    "GenerateEncoderDecoderOutput",
    "Recorder",
    "SearchResult",
]

Steps = tuple[tuple[Array, ...], ...]


@dataclass(frozen=True)
class GenerateDecoderOnlyOutput(ModelOutput):
    """Greedy search and sampling with a decoder-only model.

    Attributes:
        sequences: token ids ``(rows, length)``, int64, the prompt included.
        scores, logits: one array ``(rows, vocabulary)`` a step, processed and raw.
        attentions: per step one array ``(rows, heads, queries, keys)`` a layer.
        hidden_states: per step one array ``(rows, queries, width)`` a layer, and the embeddings first.
        past_key_values: the cache at the end.

    What was not asked for is None. A step feeds one position, the first one the prompt.

    >>> from minipegasus import PegasusForCausalLM
    >>> model = PegasusForCausalLM.from_pretrained("golden/pegasus/causal")
    >>> out = model.generate([[5, 6]], max_new_tokens=2, return_dict_in_generate=True, output_logits=True)
    >>> type(out).__name__, out.sequences.shape, [logits_rv.shape for logits_rv in out.logits]
    ('GenerateDecoderOnlyOutput', (1, 4), [(1, 223), (1, 223)])
    """

    sequences: IntArray
    scores: tuple[FloatArray, ...] | None = None
    logits: tuple[FloatArray, ...] | None = None
    attentions: Steps | None = None
    hidden_states: Steps | None = None
    past_key_values: Any = None


@dataclass(frozen=True)
class GenerateEncoderDecoderOutput(ModelOutput):
    """Greedy search and sampling with an encoder-decoder model.

    Shapes as in :class:`GenerateDecoderOnlyOutput`, ``decoder_`` and ``cross_`` for its per-step entries; the encoder's
    ``(items, heads, source, source)`` and ``(items, source, width)`` have one row per batch item.

    >>> from minipegasus import PegasusForConditionalGeneration
    >>> model = PegasusForConditionalGeneration.from_pretrained("golden/pegasus")
    >>> out = model.generate(
    ...     [[5, 6, 1]], num_beams=1, max_new_tokens=2, return_dict_in_generate=True, output_hidden_states=True
    ... )
    >>> type(out).__name__, out.sequences.shape, out.encoder_hidden_states[0].shape
    ('GenerateEncoderDecoderOutput', (1, 3), (1, 3, 20))
    """

    sequences: IntArray
    scores: tuple[FloatArray, ...] | None = None
    logits: tuple[FloatArray, ...] | None = None
    encoder_attentions: tuple[Array, ...] | None = None
    encoder_hidden_states: tuple[Array, ...] | None = None
    decoder_attentions: Steps | None = None
    cross_attentions: Steps | None = None
    decoder_hidden_states: Steps | None = None
    past_key_values: Any = None


@dataclass(frozen=True)
class GenerateBeamDecoderOnlyOutput(ModelOutput):
    """Beam search with a decoder-only model: the fields of :class:`GenerateDecoderOnlyOutput` and two more.

    Attributes:
        sequences_scores: ``(rows,)``, the sum of log-probabilities over ``new tokens ** length_penalty``; only with
            ``output_scores``.
        beam_indices: int64 ``(rows, new tokens)``, the row of ``scores`` that chose each token, -1 after the end.

    >>> from minipegasus import PegasusForCausalLM
    >>> model = PegasusForCausalLM.from_pretrained("golden/pegasus/causal")
    >>> out = model.generate([[5, 6]], num_beams=2, max_new_tokens=2, return_dict_in_generate=True)
    >>> type(out).__name__, out.sequences.shape, out.beam_indices.shape
    ('GenerateBeamDecoderOnlyOutput', (1, 4), (1, 2))
    """

    sequences: IntArray
    sequences_scores: FloatArray | None = None
    scores: tuple[FloatArray, ...] | None = None
    logits: tuple[FloatArray, ...] | None = None
    beam_indices: IntArray | None = None
    attentions: Steps | None = None
    hidden_states: Steps | None = None
    past_key_values: Any = None


@dataclass(frozen=True)
class GenerateBeamEncoderDecoderOutput(ModelOutput):
    """Beam search with an encoder-decoder model: the fields of the other two classes together.

    >>> from minipegasus import PegasusForConditionalGeneration
    >>> model = PegasusForConditionalGeneration.from_pretrained("golden/pegasus")
    >>> out = model.generate([[5, 6, 1]], num_beams=2, max_new_tokens=2, return_dict_in_generate=True)
    >>> type(out).__name__, out.sequences.shape, out.beam_indices.shape
    ('GenerateBeamEncoderDecoderOutput', (1, 3), (1, 2))
    """

    sequences: IntArray
    sequences_scores: FloatArray | None = None
    scores: tuple[FloatArray, ...] | None = None
    logits: tuple[FloatArray, ...] | None = None
    beam_indices: IntArray | None = None
    encoder_attentions: tuple[Array, ...] | None = None
    encoder_hidden_states: tuple[Array, ...] | None = None
    decoder_attentions: Steps | None = None
    cross_attentions: Steps | None = None
    decoder_hidden_states: Steps | None = None
    past_key_values: Any = None


@dataclass(frozen=True)
class SearchResult:
    """What a search found: ``sequences`` and, from beam searches, their scores and beam indices."""

    sequences: IntArray
    sequences_scores: FloatArray | None = None
    beam_indices: IntArray | None = None


@dataclass
class Recorder:
    """Collects what the configuration asks for; nothing where no dictionary is wanted.

    ``scores`` is what stopping criteria are shown: the steps so far, or ``None``.
    """

    config: GenerationConfig
    scores: tuple[FloatArray, ...] | None = field(init=False)
    logits: tuple[FloatArray, ...] | None = field(init=False)
    steps: list[StepOutput] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        wanted = self.config.return_dict_in_generate
        self.scores = () if wanted and self.config.output_scores else None
        self.logits = () if wanted and self.config.output_logits else None
        self._wants_layers = wanted and (self.config.output_attentions or self.config.output_hidden_states)

    def add(self, step: StepOutput, logits_rv: FloatArray, scores_rv: FloatArray) -> None:
        """Record one step: the model's output, its logits in float32 and the processed scores."""
        if self.scores is not None:
            self.scores += (scores_rv,)
        if self.logits is not None:
            self.logits += (logits_rv,)
        if self._wants_layers:
            self.steps.append(step)

    def _collected(self, name: str, wanted: bool) -> Any:
        return tuple(getattr(step, name) for step in self.steps) if wanted else None

    def output(self, result: SearchResult, decoding: Decoding, *, beams: bool, encoder: bool) -> ModelOutput:
        """Build the dictionary output of a finished search."""
        attentions, hidden = self.config.output_attentions, self.config.output_hidden_states
        common: dict[str, Any] = {
            "sequences": result.sequences,
            "scores": self.scores,
            "logits": self.logits,
            "past_key_values": decoding.past_key_values,
        }
        if beams:
            common["sequences_scores"] = result.sequences_scores if self.config.output_scores else None
            common["beam_indices"] = result.beam_indices
        if encoder:
            kind = GenerateBeamEncoderDecoderOutput if beams else GenerateEncoderDecoderOutput
            return kind(
                **common,
                encoder_attentions=decoding.encoder_attentions if attentions else None,
                encoder_hidden_states=decoding.encoder_hidden_states if hidden else None,
                decoder_attentions=self._collected("decoder_attentions", attentions),
                cross_attentions=self._collected("cross_attentions", attentions),
                decoder_hidden_states=self._collected("decoder_hidden_states", hidden),
            )
        only = GenerateBeamDecoderOnlyOutput if beams else GenerateDecoderOnlyOutput
        return only(
            **common,
            attentions=self._collected("decoder_attentions", attentions),
            hidden_states=self._collected("decoder_hidden_states", hidden),
        )
