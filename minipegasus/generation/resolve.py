"""Where the settings of one call come from: keywords, then the given configuration, then the model's.

Source: ``_prepare_generation_config`` and ``_prepare_generated_length`` of transformers 4.56.2. One thing differs: a
model's ``generation_config.json`` is never thrown away because ``config.json`` holds legacy values.
"""

import difflib
import re
import warnings
from collections.abc import Mapping
from typing import Any

from ..errors import InputError, quote
from .config import GenerationConfig
from .protocols import GenerativeModel

__all__ = ["check_keywords", "check_supported", "resolve_config", "resolve_lengths"]

#: Accepted by the models' forward pass, without meaning while generating.
_DROPPED = frozenset({"labels"})

#: Arguments and settings of the reference that exist here only at these values.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "synced_gpus": (None, False),
    "assistant_model": (None,),
    "assistant_tokenizer": (None,),
    "negative_prompt_ids": (None,),
    "negative_prompt_attention_mask": (None,),
    "custom_generate": (None,),
    "trust_remote_code": (None, False),
    "past_key_values": (None,),
}
_NEUTRAL_SETTINGS: dict[str, tuple[Any, ...]] = {
    "prompt_lookup_num_tokens": (None,),
    "assistant_early_exit": (None,),
    "is_assistant": (False,),
    "dola_layers": (None,),
    "watermarking_config": (None,),
    "token_healing": (False,),
    "guidance_scale": (None, 1, 1.0),
    "low_memory": (None, False),
    "return_legacy_cache": (None, False),
}


def resolve_config(
    model: GenerativeModel,
    given: GenerationConfig | None,
    use_model_defaults: bool | None,
    keywords: Mapping[str, Any],
) -> tuple[GenerationConfig, dict[str, Any]]:
    """Return a configuration of its own for one call and the keywords that are none of its settings.

    Without ``given`` the model's configuration counts; one that was derived from the model's ``config`` and not
    changed since follows later changes of ``config``. A setting of ``given`` that has the global default's value
    counts as unset and is taken from the model; only a keyword can set a default value against the model's
    (``use_model_defaults=False`` takes only the special tokens from the model).
    """
    own = model.generation_config
    if given is None:
        config = own.following(model.config)
    elif not isinstance(given, GenerationConfig):
        raise InputError(f"generation_config: expected a GenerationConfig, found {type(given).__name__}")
    else:
        config = given.copy()
        _fill_in(config, own, use_model_defaults)
    rest = config.update(**keywords)
    _refuse_other(rest, _NEUTRAL, "argument")
    return config, {name: value for name, value in rest.items() if name not in _NEUTRAL}


def _fill_in(config: GenerationConfig, own: GenerationConfig, use_model_defaults: bool | None) -> None:
    names = ["bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id"]
    if use_model_defaults or (use_model_defaults is None and _version(own.transformers_version) >= (4, 50)):
        names = [name for name in vars(own) if not name.startswith("_") and name != "transformers_version"]
    defaults = GenerationConfig()
    for name in names:
        default, value = getattr(defaults, name, None), getattr(own, name)
        if getattr(config, name, None) == default and value != default:
            setattr(config, name, value)
    if config.temperature == 0.0:
        config.do_sample = False


def _version(text: str) -> tuple[int, int]:
    numbers = re.match(r"(\d+)\.(\d+)", text)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def check_supported(config: GenerationConfig, explicit: frozenset[str]) -> None:
    """Refuse what the reference can do and this package cannot; warn of keywords (``explicit``) without effect."""
    _refuse_other(vars(config), _NEUTRAL_SETTINGS, "setting")
    contrastive = config.num_beams == 1 and not config.do_sample and (config.top_k or 0) > 1
    if contrastive and (config.penalty_alpha or 0) > 0:
        raise InputError(f"penalty_alpha: contrastive search is not supported, found {config.penalty_alpha}")
    # A checkpoint's beam settings mean nothing in a greedy call; only what the caller asked for is worth a word.
    ignored = {name: why for name, why in config.ignored().items() if name in explicit}
    if ignored:
        details = "; ".join(f"{name}={value!r} {why}" for name, (value, why) in ignored.items())
        warnings.warn(f"generation settings without effect: {details}", UserWarning, stacklevel=4)


def _refuse_other(values: Mapping[str, Any], neutral: Mapping[str, tuple[Any, ...]], kind: str) -> None:
    for name, allowed in neutral.items():
        if name in values and not any(values[name] is one or values[name] == one for one in allowed):
            raise InputError(
                f"{name}: this {kind} is not supported, expected {allowed[0]}, found {quote(values[name])}"
            )


def check_keywords(model: GenerativeModel, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords that the model takes and that are not ``None``.

    Raises:
        TypeError: some name is neither a generation setting nor one of the model's inputs; all are named.
    """
    allowed = {*model.model_keywords(), *_DROPPED, "input_ids"}
    if model.config.is_encoder_decoder:
        allowed.add("decoder_input_ids")
    unknown = [name for name, value in keywords.items() if value is not None and name not in allowed]
    if unknown:
        known = [*allowed, *vars(GenerationConfig())]
        hints = {name: difflib.get_close_matches(name, known, 1) for name in unknown}
        named = [f"{name!r} (did you mean {near[0]!r}?)" if near else repr(name) for name, near in hints.items()]
        raise TypeError(f"generate() got unexpected keyword argument(s): {', '.join(named)}")
    return {name: value for name, value in keywords.items() if value is not None and name not in _DROPPED}


def resolve_lengths(
    config: GenerationConfig,
    prompt_length: int,
    embedded_length: int | None,
    position_limit: int | None,
    explicit: frozenset[str],
) -> int:
    """Set ``max_length`` and ``min_length`` of ``config`` to numbers of ids, the prompt's included; return the first.

    Args:
        config: changed in place.
        prompt_length: number of ids before the first new one.
        embedded_length: number of embeddings that a decoder-only model is given instead of ids, if so.
        position_limit: the model's ``max_position_embeddings``, if it has that.
        explicit: names of the settings given as keywords and not ``None``. The global default of ``max_length``, from
            wherever else, means so many *new* tokens.
    """
    shortened = embedded_length is not None and embedded_length != prompt_length
    if config.max_new_tokens is not None:
        config.max_length = config.max_new_tokens + prompt_length
    elif config.max_length is None:
        raise InputError("max_length: expected an integer, or one in max_new_tokens, found None")
    elif shortened:
        config.max_length -= embedded_length or 0
    elif "max_length" not in explicit and config.max_length == GenerationConfig.max_length:
        config.max_length = min(config.max_length + prompt_length, position_limit or 2**62)
    if config.min_new_tokens is not None:
        config.min_length = config.min_new_tokens + prompt_length
    elif shortened:
        config.min_length = max((config.min_length or 0) - (embedded_length or 0), 0)
    if prompt_length >= config.max_length:
        raise InputError(
            f"max_length: expected more than the prompt's {prompt_length} ids, found {config.max_length}; "
            "max_new_tokens counts new ids only"
        )
    if (config.min_length or 0) > config.max_length:
        warnings.warn(
            f"min_length={config.min_length} cannot be reached: generation ends at max_length={config.max_length}",
            UserWarning,
            stacklevel=4,
        )
    return config.max_length
