"""Which processors and criteria a configuration asks for, in the reference's order."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from ..arrays import FloatArray, IntArray
from ..errors import InputError
from .config import GenerationConfig
from .processors import (
    EncoderNoRepeatNGramLogitsProcessor,
    EncoderRepetitionPenaltyLogitsProcessor,
    ExponentialDecayLengthPenalty,
    ForcedBOSTokenLogitsProcessor,
    ForcedEOSTokenLogitsProcessor,
    HammingDiversityLogitsProcessor,
    InfNanRemoveLogitsProcessor,
    LogitNormalization,
    LogitsProcessorList,
    MinLengthLogitsProcessor,
    MinNewTokensLengthLogitsProcessor,
    NoBadWordsLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    PrefixConstrainedLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    SequenceBiasLogitsProcessor,
    SuppressTokensAtBeginLogitsProcessor,
    SuppressTokensLogitsProcessor,
)
from .stopping import (
    EosTokenCriteria,
    MaxLengthCriteria,
    MaxTimeCriteria,
    StoppingCriteriaList,
    StopStringCriteria,
)
from .warpers import (
    EpsilonLogitsWarper,
    EtaLogitsWarper,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

__all__ = ["PrefixFunction", "Processor", "build_criteria", "build_processors"]

Processor = Callable[..., FloatArray]
PrefixFunction = Callable[[int, IntArray], Iterable[int]]
Item = TypeVar("Item")


def build_processors(
    config: GenerationConfig,
    prompt_length: int,
    source_ids_bs: IntArray | None,
    eos_ids: IntArray | None,
    prefix_allowed_tokens_fn: PrefixFunction | None = None,
    custom: Sequence[Processor] = (),
) -> LogitsProcessorList:
    """Return the processors of one call.

    ``source_ids_bs`` are the encoder's input ids, or the prompt of a decoder-only model, one row per batch item;
    ``None`` where there are only embeddings. A custom processor takes the place of a built-in one of its own class;
    the others follow the built-in ones, before the warpers of sampling.
    """
    chosen: list[Processor] = [
        *_penalties(config, source_ids_bs, eos_ids),
        *_lengths(config, prompt_length, eos_ids, prefix_allowed_tokens_fn),
        *_repairs(config, prompt_length, eos_ids),
    ]
    merged = _merge(chosen, custom)
    if config.do_sample:
        merged += _warpers(config, eos_ids)
    if config.renormalize_logits:
        merged.append(LogitNormalization())
    return LogitsProcessorList(merged)


def build_criteria(
    config: GenerationConfig,
    max_length: int,
    eos_ids: IntArray | None,
    tokenizer: Any = None,
    custom: Sequence[Callable[..., Any]] = (),
) -> StoppingCriteriaList:
    """Return the stopping criteria of one call; a custom one takes the place of a built-in one of its own class."""
    chosen: list[Callable[..., Any]] = [MaxLengthCriteria(max_length)]
    if config.max_time is not None:
        chosen.append(MaxTimeCriteria(config.max_time))
    if config.stop_strings is not None:
        if tokenizer is None:
            raise InputError("stop_strings: expected the model's tokenizer in the argument tokenizer, found None")
        chosen.append(StopStringCriteria(tokenizer, config.stop_strings))
    if eos_ids is not None:
        chosen.append(EosTokenCriteria(eos_ids))
    return StoppingCriteriaList(_merge(chosen, custom))


def _merge(chosen: Sequence[Item], custom: Sequence[Item]) -> list[Item]:
    """Put custom objects in the place of chosen ones of exactly the same class and the rest at the end."""
    merged = [next((own for own in custom if type(own) is type(item)), item) for item in chosen]
    return merged + [own for own in custom if not any(own is item for item in merged)]


def _penalties(
    config: GenerationConfig, source_ids_bs: IntArray | None, eos_ids: IntArray | None
) -> Iterator[Processor]:
    if config.sequence_bias is not None:
        yield SequenceBiasLogitsProcessor(config.sequence_bias)
    if config.diversity_penalty:
        yield HammingDiversityLogitsProcessor(config.diversity_penalty, config.num_beams, config.num_beam_groups)
    if (penalty := config.encoder_repetition_penalty) is not None and penalty != 1.0:
        if source_ids_bs is None:
            _warn_ignored("encoder_repetition_penalty")
        else:
            yield EncoderRepetitionPenaltyLogitsProcessor(penalty, source_ids_bs)
    if (penalty := config.repetition_penalty) is not None and penalty != 1.0:
        yield RepetitionPenaltyLogitsProcessor(penalty)
    if config.no_repeat_ngram_size:
        yield NoRepeatNGramLogitsProcessor(config.no_repeat_ngram_size)
    if config.encoder_no_repeat_ngram_size:
        if source_ids_bs is None:
            _warn_ignored("encoder_no_repeat_ngram_size")
        else:
            yield EncoderNoRepeatNGramLogitsProcessor(config.encoder_no_repeat_ngram_size, source_ids_bs)
    if config.bad_words_ids is not None:
        yield NoBadWordsLogitsProcessor(config.bad_words_ids, eos_ids)


def _warn_ignored(name: str) -> None:
    warnings.warn(f"{name} has no effect without input_ids", UserWarning, stacklevel=5)


def _lengths(
    config: GenerationConfig, prompt_length: int, eos_ids: IntArray | None, prefix_function: PrefixFunction | None
) -> Iterator[Processor]:
    if config.min_length and eos_ids is not None:
        yield MinLengthLogitsProcessor(config.min_length, eos_ids)
    if config.min_new_tokens and eos_ids is not None:
        yield MinNewTokensLengthLogitsProcessor(prompt_length, config.min_new_tokens, eos_ids)
    if prefix_function is not None:
        yield PrefixConstrainedLogitsProcessor(prefix_function, max(config.num_beams // config.num_beam_groups, 1))
    if config.forced_bos_token_id is not None:
        yield ForcedBOSTokenLogitsProcessor(config.forced_bos_token_id)
    if config.forced_eos_token_id is not None and config.max_length is not None:
        yield ForcedEOSTokenLogitsProcessor(config.max_length, config.forced_eos_token_id)


def _repairs(config: GenerationConfig, prompt_length: int, eos_ids: IntArray | None) -> Iterator[Processor]:
    if config.remove_invalid_values:
        yield InfNanRemoveLogitsProcessor()
    if config.exponential_decay_length_penalty is not None:
        if eos_ids is None:
            raise InputError("exponential_decay_length_penalty: expected an eos_token_id beside it, found None")
        yield ExponentialDecayLengthPenalty(config.exponential_decay_length_penalty, eos_ids, prompt_length)
    if config.suppress_tokens is not None:
        yield SuppressTokensLogitsProcessor(config.suppress_tokens)
    if config.begin_suppress_tokens is not None:
        # A forced first token after a prompt of one token moves the beginning by one.
        moved = prompt_length <= 1 and config.forced_bos_token_id is not None
        yield SuppressTokensAtBeginLogitsProcessor(config.begin_suppress_tokens, prompt_length + moved)


def _warpers(config: GenerationConfig, eos_ids: IntArray | None) -> Iterator[Processor]:
    # Beams need a token to go on with beside the end tokens.
    keep = 1 if config.num_beams == 1 else 2 if eos_ids is None else len(eos_ids) + 1
    if config.temperature is not None and config.temperature != 1.0:
        yield TemperatureLogitsWarper(config.temperature)
    if config.top_k:
        yield TopKLogitsWarper(config.top_k, min_tokens_to_keep=keep)
    if config.top_p is not None and config.top_p < 1.0:
        yield TopPLogitsWarper(config.top_p, min_tokens_to_keep=keep)
    if config.min_p is not None:
        yield MinPLogitsWarper(config.min_p, min_tokens_to_keep=keep)
    if config.typical_p is not None and config.typical_p < 1.0:
        yield TypicalLogitsWarper(config.typical_p, min_tokens_to_keep=keep)
    if config.epsilon_cutoff is not None and 0.0 < config.epsilon_cutoff < 1.0:
        yield EpsilonLogitsWarper(config.epsilon_cutoff, min_tokens_to_keep=keep)
    if config.eta_cutoff is not None and 0.0 < config.eta_cutoff < 1.0:
        yield EtaLogitsWarper(config.eta_cutoff, min_tokens_to_keep=keep)
