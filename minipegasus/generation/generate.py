"""``generate`` and ``stream``: from a call's arguments to its output.

Source: ``GenerationMixin.generate`` of transformers 4.56.2 (``generation/utils.py``). Nothing passed in is changed.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..arrays import IntArray
from ..errors import InputError
from ..outputs import ModelOutput
from .beam import beam_search
from .builders import PrefixFunction, Processor, build_criteria, build_processors
from .config import GenerationConfig
from .constrained_beam import constrained_beam_search
from .group_beam import group_beam_search
from .outputs import Recorder, SearchResult
from .prepare import Inputs, extend, prepare_inputs
from .processors import token_ids
from .protocols import Decoding, GenerativeModel, Start
from .resolve import check_keywords, check_supported, resolve_config, resolve_lengths
from .search import search, search_steps
from .streaming import BaseStreamer
from .task import OnStep, Task

__all__ = ["Rng", "generate", "prepare_task", "stream"]

#: Where random numbers come from: a generator, a seed for one, or ``None`` for fresh entropy.
Rng = np.random.Generator | int | None


def generate(
    model: GenerativeModel,
    inputs: Any = None,
    generation_config: GenerationConfig | None = None,
    logits_processor: Sequence[Processor] | None = None,
    stopping_criteria: Sequence[Callable[..., Any]] | None = None,
    prefix_allowed_tokens_fn: PrefixFunction | None = None,
    streamer: BaseStreamer | None = None,
    **arguments: Any,
) -> IntArray | ModelOutput:
    """Generate token ids.

    Args:
        model: what generates.
        inputs: token ids ``(items, length)``, also as ``input_ids``: the encoder's input, or a decoder-only model's
            prompt.
        generation_config: settings instead of the model's (see :func:`~.resolve.resolve_config`).
        logits_processor: further processors ``(ids_rt, scores_rv) -> scores_rv``.
        stopping_criteria: further criteria ``(ids_rt, scores) -> bool array (rows,)``.
        prefix_allowed_tokens_fn: ``(item, ids) -> allowed token ids``.
        streamer: receives the prompt and then each step's tokens; not with beams.
        **arguments: the further arguments of :func:`prepare_task`; settings of :class:`GenerationConfig`, which win
            over everything else, also with ``None``; and inputs of the model (``attention_mask``,
            ``decoder_input_ids``, ``inputs_embeds``, ...).

    Returns:
        Token ids ``(items * num_return_sequences, length)``, int64, the prompt or start token included; with
        ``return_dict_in_generate`` one of the classes of :mod:`~.outputs`.

    Raises:
        TypeError: unknown keywords.
        ConfigError: settings that are wrong or contradict each other.
        InputError: inputs that are wrong, and settings that are not supported.

    >>> from minipegasus import PegasusForConditionalGeneration, demo
    >>> model = PegasusForConditionalGeneration.from_pretrained(demo.folder())
    >>> ids = generate(model, [[300, 301, 1]], num_beams=2, num_return_sequences=2, max_new_tokens=4)
    >>> len(ids), ids.dtype.name, ids[:, 0].tolist()
    (2, 'int64', [0, 0])
    """
    task = prepare_task(
        model,
        inputs,
        generation_config=generation_config,
        logits_processor=logits_processor,
        stopping_criteria=stopping_criteria,
        prefix_allowed_tokens_fn=prefix_allowed_tokens_fn,
        **arguments,
    )
    config = task.config
    if streamer is not None and not (hasattr(streamer, "put") and hasattr(streamer, "end")):
        raise InputError(f"streamer: expected an object with put and end, found {type(streamer).__name__}")
    if streamer is not None and config.num_beams > 1:
        raise InputError(f"streamer: expected num_beams=1, found num_beams={config.num_beams}")
    result = search(task, streamer) if config.num_beams == 1 else _beam_search_of(config)(task)
    if not config.return_dict_in_generate:
        return result.sequences
    encoder = bool(model.config.is_encoder_decoder)
    return task.recorder.output(result, task.decoding, beams=config.num_beams > 1, encoder=encoder)


def stream(model: GenerativeModel, inputs: Any = None, **arguments: Any) -> Iterator[int]:
    """Yield the tokens of one sequence as they are chosen, the end token included; arguments as for ``generate``.

    Raises:
        InputError: more than one sequence, or beams; raised by the call itself, not by the first iteration.

    >>> from minipegasus import PegasusForConditionalGeneration, demo
    >>> model = PegasusForConditionalGeneration.from_pretrained(demo.folder())
    >>> tokens = list(stream(model, [[300, 301, 1]], num_beams=1, max_new_tokens=4))
    >>> [0, *tokens] == generate(model, [[300, 301, 1]], num_beams=1, max_new_tokens=4)[0].tolist()
    True
    """
    task = prepare_task(model, inputs, **arguments)
    if task.config.num_beams > 1 or len(task.prompt_ids_rt) > 1:
        raise InputError(
            "stream: expected one sequence and num_beams=1, found "
            f"{len(task.prompt_ids_rt)} row(s) and num_beams={task.config.num_beams}"
        )
    return (int(tokens_r[0]) for tokens_r in search_steps(task))


def prepare_task(
    model: GenerativeModel,
    inputs: Any = None,
    *,
    generation_config: GenerationConfig | None = None,
    logits_processor: Sequence[Processor] | None = None,
    stopping_criteria: Sequence[Callable[..., Any]] | None = None,
    prefix_allowed_tokens_fn: PrefixFunction | None = None,
    tokenizer: Any = None,
    rng: Rng = None,
    use_model_defaults: bool | None = None,
    on_step: OnStep | None = None,
    **keywords: Any,
) -> Task:
    """Resolve and check the arguments of a call, then run the encoder.

    Args other than those of :func:`generate`:
        tokenizer: needed for ``stop_strings`` only.
        rng: a :class:`numpy.random.Generator` or a seed; used with ``do_sample`` only. One 63-bit integer is drawn
            from it per row (beam sampling: per item) and seeds that row's own generator, so that a row's tokens do
            not depend on the other rows.
        use_model_defaults: whether unset settings of ``generation_config`` come from the model's.
        on_step: progress hook, called after each step with the number of new tokens and the largest possible one.

    Raises:
        TypeError, ConfigError, InputError: as :func:`generate`.

    >>> from minipegasus import PegasusForConditionalGeneration, demo
    >>> model = PegasusForConditionalGeneration.from_pretrained(demo.folder())
    >>> task = prepare_task(model, [[300, 301, 1]], num_beams=3, max_new_tokens=4)
    >>> task.rows_per_item, task.prompt_ids_rt.tolist(), task.max_length
    (3, [[0], [0], [0]], 5)
    """
    config, rest = resolve_config(model, generation_config, use_model_defaults, keywords)
    explicit = frozenset(name for name, value in keywords.items() if value is not None)
    check_supported(config, explicit)
    given = check_keywords(model, rest)
    encoder_decoder = bool(model.config.is_encoder_decoder)
    eos_ids = None if config.eos_token_id is None else token_ids(config.eos_token_id)
    pad_id = int(eos_ids[0]) if config.pad_token_id is None and eos_ids is not None else config.pad_token_id
    prepared = prepare_inputs(config, given, inputs, encoder_decoder=encoder_decoder, eos_ids=eos_ids, pad_id=pad_id)
    prompt_length = prepared.prompt_ids_bt.shape[1]
    limit = getattr(model.config, "max_position_embeddings", None)
    max_length = resolve_lengths(config, prompt_length, prepared.embedded_length, limit, explicit)
    rows_per_item = max(config.num_beams, config.num_return_sequences)
    prompt_ids_rt = np.repeat(prepared.prompt_ids_bt, rows_per_item, axis=0)
    processors = build_processors(
        config, prompt_length, prepared.source_ids_bs, eos_ids, prefix_allowed_tokens_fn, logits_processor or ()
    )
    criteria = build_criteria(config, max_length, eos_ids, tokenizer, stopping_criteria or ())
    source = _generator(rng)
    # A custom MaxLengthCriteria may allow more than the settings do.
    decoding = _start_decoding(model, config, prepared, prompt_ids_rt, max(max_length, criteria.max_length or 0))
    return Task(
        config=config,
        decoding=decoding,
        prompt_ids_rt=prompt_ids_rt,
        rows_per_item=rows_per_item,
        max_length=max_length,
        processors=processors,
        criteria=criteria,
        eos_ids=eos_ids,
        pad_id=pad_id,
        rng=source,
        recorder=Recorder(config),
        on_step=on_step,
    )


def _start_decoding(
    model: GenerativeModel, config: GenerationConfig, prepared: Inputs, prompt_ids_rt: IntArray, max_length: int
) -> Decoding:
    encoder_decoder = bool(model.config.is_encoder_decoder)
    embedded = prepared.embedded_length
    # Embeddings take the place of the prompt's ids.
    positions = max_length if embedded is None else max_length + embedded - prompt_ids_rt.shape[1]
    _warn_of_positions(model, positions)
    derives = not encoder_decoder and "position_ids" in model.model_keywords()
    extend(prepared, positions, encoder_decoder=encoder_decoder, derive_position_ids=derives)
    start = Start(
        rows_per_item=len(prompt_ids_rt) // len(prepared.prompt_ids_bt),
        max_length=positions,
        prompt_ids_rt=prompt_ids_rt,
        inputs=prepared.model,
        output_attentions=config.output_attentions and config.return_dict_in_generate,
        output_hidden_states=config.output_hidden_states and config.return_dict_in_generate,
        # Without a cache there would be no way to tell the embeddings' positions from those of new ids.
        use_cache=config.use_cache or embedded is not None,
    )
    return model.start_decoding(start)


def _warn_of_positions(model: GenerativeModel, length: int) -> None:
    """Warn before anything is computed that the decoder may run out of positions.

    It is no error: the last token is not fed back, and most sequences end before their limit. So does the reference,
    which fails where a position is reached that it has not, and not before.
    """
    limit = model.position_limit
    if limit is not None and length - 1 > limit:
        warnings.warn(
            f"max_length: expected at most {limit + 1}, one more than the decoder has positions, found {length}; "
            "a sequence that gets so far without an end token is an error",
            UserWarning,
            stacklevel=6,
        )


def _generator(rng: Rng) -> np.random.Generator:
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None or (isinstance(rng, int | np.integer) and not isinstance(rng, bool) and rng >= 0):
        return np.random.default_rng(rng)
    raise InputError(f"rng: expected a numpy.random.Generator, an integer from 0 on or None, found {rng!r}")


def _beam_search_of(config: GenerationConfig) -> Callable[[Task], SearchResult]:
    if config.constraints is not None or config.force_words_ids is not None:
        return constrained_beam_search
    return group_beam_search if config.num_beam_groups > 1 else beam_search
