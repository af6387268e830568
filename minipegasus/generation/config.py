"""The generation configuration: every setting of a ``generate`` call, its default, its checks and its file.

Field names, defaults and files are those of transformers 4.56.2 (``generation/configuration_utils.py``).
"""

import copy
import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints

import numpy as np

from ..checkpoints.folder import resolve_folder
from ..checkpoints.json_file import read_json
from ..checkpoints.save import GENERATION_CONFIG
from ..checkpoints.staging import staged
from ..errors import ConfigError, listing, quote
from ..families.config import hidden_attributes
from ..families.encoder_decoder import EncoderDecoderConfig

__all__ = ["REFERENCE_VERSION", "GenerationConfig"]

#: The version of transformers whose files this package writes and whose rules it follows.
REFERENCE_VERSION = "4.56.2"

#: Arguments of ``generate`` itself that people put into the configuration by mistake.
GENERATE_ARGUMENTS = (
    "logits_processor",
    "stopping_criteria",
    "prefix_allowed_tokens_fn",
    "synced_gpus",
    "assistant_model",
    "streamer",
    "negative_prompt_ids",
    "negative_prompt_attention_mask",
    "use_model_defaults",
)

_SAMPLING_ONLY = ("temperature", "top_p", "min_p", "typical_p", "top_k", "epsilon_cutoff", "eta_cutoff")
_BEAMS_ONLY = ("early_stopping", "num_beam_groups", "length_penalty")
_EXTRA_OUTPUTS = ("output_attentions", "output_hidden_states", "output_scores", "output_logits")
_UNSAVED = ("_commit_hash", "_snapshot", "compile_config")


@dataclass(init=False, repr=False, eq=False)
class GenerationConfig:
    """All settings of one ``generate`` call.

    Unknown keywords are kept as plain attributes, as files may hold them.

    Raises:
        ConfigError: values of a wrong type, out of range or contradicting each other; all of them are named.

    >>> config = GenerationConfig(num_beams=4, length_penalty=0.8)
    >>> config.num_beams, config.length_penalty, config.max_length
    (4, 0.8, 20)
    >>> GenerationConfig(num_beams=0, top_k=-1)
    Traceback (most recent call last):
    minipegasus.errors.ConfigError: generation config: 2 problem(s)
      - num_beams: expected at least 1, found 0
      - top_k: expected at least 0, found -1
    """

    # length of the output
    max_length: int | None = 20
    max_new_tokens: int | None = None
    min_length: int | None = 0
    min_new_tokens: int | None = None
    early_stopping: bool | Literal["never"] = False
    max_time: float | None = None
    stop_strings: str | list[str] | None = None
    # strategy
    do_sample: bool = False
    num_beams: int = 1
    num_beam_groups: int = 1
    # cache
    use_cache: bool = True
    cache_implementation: str | None = None
    cache_config: dict[str, Any] | None = None
    return_legacy_cache: bool | None = None
    prefill_chunk_size: int | None = None
    # manipulation of the scores
    temperature: float | None = 1.0
    top_k: int | None = 50
    top_p: float | None = 1.0
    min_p: float | None = None
    typical_p: float | None = 1.0
    epsilon_cutoff: float | None = 0.0
    eta_cutoff: float | None = 0.0
    diversity_penalty: float | None = 0.0
    repetition_penalty: float | None = 1.0
    encoder_repetition_penalty: float | None = 1.0
    length_penalty: float = 1.0
    no_repeat_ngram_size: int | None = 0
    bad_words_ids: list[list[int]] | None = None
    force_words_ids: list[list[int] | list[list[int]]] | None = None
    renormalize_logits: bool = False
    constraints: list[Any] | None = None
    forced_bos_token_id: int | None = None
    forced_eos_token_id: int | list[int] | None = None
    remove_invalid_values: bool | None = False
    exponential_decay_length_penalty: tuple[float, ...] | list[float] | None = None
    suppress_tokens: list[int] | None = None
    begin_suppress_tokens: list[int] | None = None
    sequence_bias: dict[tuple[int, ...], float] | list[list[Any]] | None = None
    token_healing: bool = False
    guidance_scale: float | None = None
    watermarking_config: Any = None
    # outputs
    num_return_sequences: int = 1
    output_attentions: bool = False
    output_hidden_states: bool = False
    output_scores: bool = False
    output_logits: bool | None = None
    return_dict_in_generate: bool = False
    # special tokens
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    # encoder-decoder models only
    encoder_no_repeat_ngram_size: int | None = 0
    decoder_start_token_id: int | list[int] | None = None
    # assisted generation: kept for files, not supported by `generate`
    is_assistant: bool = False
    num_assistant_tokens: int | None = 20
    num_assistant_tokens_schedule: str | None = "constant"
    assistant_confidence_threshold: float | None = 0.4
    prompt_lookup_num_tokens: int | None = None
    max_matching_ngram_size: int | None = None
    assistant_early_exit: int | None = None
    assistant_lookbehind: int | None = 10
    target_lookbehind: int | None = 10
    # performance: without effect here
    compile_config: Any = None
    disable_compile: bool = False
    # strategies that the reference has moved out of its library
    low_memory: bool | None = None
    penalty_alpha: float | None = None
    dola_layers: str | list[int] | None = None
    # what the file says about itself
    _from_model_config: bool = False
    _commit_hash: str | None = None
    transformers_version: str = field(default=REFERENCE_VERSION)

    def __init__(self, /, **values: Any) -> None:
        for known in fields(self):
            setattr(self, known.name, copy.deepcopy(values.pop(known.name, known.default)))
        if problems := hidden_attributes(type(self), values):
            raise ConfigError(listing(f"generation config: {len(problems)} problem(s)", problems))
        vars(self).update(values)
        self.validate()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GenerationConfig) and self._settings() == other._settings()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string()}"

    # ---- checks

    def validate(self, strict: bool = False) -> None:
        """Raise where a setting is wrong; with ``strict`` also where one is :meth:`ignored`.

        Raises:
            ConfigError: all that is wrong.

        >>> config = GenerationConfig(temperature=0.5)
        >>> config.validate()
        >>> config.validate(strict=True)
        Traceback (most recent call last):
        minipegasus.errors.ConfigError: generation config: 1 problem(s)
          - temperature=0.5: has an effect only with do_sample=True
        """
        problems = _type_problems(self)
        if not problems:
            problems = [*_range_problems(self), *_combination_problems(self)]
        problems += [
            f"{name}: is an argument of generate, expected outside the configuration"
            for name in GENERATE_ARGUMENTS
            if hasattr(self, name)
        ]
        if strict and not problems:
            problems += [f"{name}={value!r}: {why}" for name, (value, why) in self.ignored().items()]
        if problems:
            raise ConfigError(listing(f"generation config: {len(problems)} problem(s)", problems))

    def ignored(self) -> dict[str, tuple[Any, str]]:
        """Return the settings that have no effect in the chosen mode, each with its value and the reason.

        >>> GenerationConfig(length_penalty=2.0).ignored()
        {'length_penalty': (2.0, 'has an effect only with num_beams > 1')}
        """
        found: dict[str, tuple[Any, str]] = {}

        def note(names: tuple[str, ...], why: str) -> None:
            for name in names:
                value = getattr(self, name)
                if value is not None and value != _DEFAULTS[name]:
                    found[name] = (value, why)

        if not self.do_sample:
            note(_SAMPLING_ONLY, "has an effect only with do_sample=True")
        if self.num_beams == 1:
            note(_BEAMS_ONLY, "has an effect only with num_beams > 1")
        if not self.return_dict_in_generate:
            note(_EXTRA_OUTPUTS, "has an effect only with return_dict_in_generate=True")
        return found

    # ---- changes

    def update(self, **values: Any) -> dict[str, Any]:
        """Set the attributes that exist, check the result and return the keywords that name none.

        Raises:
            ConfigError: values that are wrong; they are set all the same.

        >>> config = GenerationConfig()
        >>> config.update(num_beams=2, colour="red"), config.num_beams
        ({'colour': 'red'}, 2)
        """
        known = {name: value for name, value in values.items() if name in vars(self)}
        for name, value in known.items():
            setattr(self, name, value)
        self.validate()
        return {name: value for name, value in values.items() if name not in known}

    def copy(self) -> Self:
        """Return an independent copy.

        >>> config = GenerationConfig(bad_words_ids=[[7]])
        >>> config.copy().bad_words_ids is config.bad_words_ids, config.copy() == config
        (False, True)
        """
        return copy.deepcopy(self)

    def is_unmodified_model_config(self) -> bool:
        """Say whether this object came from :meth:`from_model_config` and was not changed since.

        >>> from minipegasus import PegasusConfig
        >>> config = GenerationConfig.from_model_config(PegasusConfig())
        >>> config.is_unmodified_model_config(), config.update(num_beams=2), config.is_unmodified_model_config()
        (True, {}, False)
        """
        snapshot: dict[str, Any] | None = getattr(self, "_snapshot", None)
        return snapshot is not None and snapshot == self._settings()

    def following(self, model_config: Any) -> Self:
        """Return a copy; what was derived from a model's configuration and not changed since is derived anew.

        >>> from minipegasus import PegasusConfig
        >>> model_config = PegasusConfig(num_beams=2)
        >>> config = GenerationConfig.from_model_config(model_config)
        >>> model_config.num_beams = 4
        >>> config.num_beams, config.following(model_config).num_beams
        (2, 4)
        """
        return self.from_model_config(model_config) if self.is_unmodified_model_config() else self.copy()

    # ---- conversions

    def _settings(self) -> dict[str, Any]:
        """Every attribute but the metadata."""
        hidden = {*_UNSAVED, "_from_model_config", "transformers_version"}
        return {name: copy.deepcopy(value) for name, value in vars(self).items() if name not in hidden}

    def to_dict(self) -> dict[str, Any]:
        """Return every attribute, unknown ones included.

        >>> GenerationConfig(num_beams=4, colour="red").to_dict()["colour"]
        'red'
        """
        kept = {name: copy.deepcopy(value) for name, value in vars(self).items() if name not in _UNSAVED}
        return {**kept, "transformers_version": REFERENCE_VERSION}

    def to_diff_dict(self) -> dict[str, Any]:
        """Return the attributes that differ from the global defaults: what is saved.

        >>> GenerationConfig(num_beams=4).to_diff_dict()
        {'num_beams': 4, 'transformers_version': '4.56.2'}
        """
        return {
            name: value
            for name, value in self.to_dict().items()
            if name == "transformers_version" or name not in _DEFAULTS or value != _DEFAULTS[name]
        }

    def to_json_string(self, use_diff: bool = True) -> str:
        """Return the settings as JSON with sorted keys, all of them without ``use_diff``.

        >>> print(GenerationConfig(num_beams=4).to_json_string(), end="")
        {
          "num_beams": 4,
          "transformers_version": "4.56.2"
        }
        """
        values = self.to_diff_dict() if use_diff else self.to_dict()
        if isinstance(values.get("sequence_bias"), dict):  # JSON has no tuples as keys
            values["sequence_bias"] = [[list(ids), bias] for ids, bias in values["sequence_bias"].items()]
        return json.dumps(values, indent=2, sort_keys=True, default=_plain) + "\n"

    def save_pretrained(self, folder: str | Path, file_name: str = GENERATION_CONFIG) -> None:
        """Check the settings and write ``generation_config.json`` into ``folder`` (made if need be).

        Raises:
            ConfigError: settings that are wrong; nothing is written then.
            CheckpointError: the folder cannot be written.

        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> GenerationConfig(num_beams=4).save_pretrained(folder)
        >>> GenerationConfig.from_pretrained(folder).num_beams
        4
        """
        self.validate()
        with staged(Path(folder)) as files:
            files.write(file_name, self.to_json_string().encode())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], **overrides: Any) -> Self:
        """Build from a dictionary; unknown keys are kept as attributes, ``overrides`` win.

        Raises:
            ConfigError: values that are wrong.

        >>> GenerationConfig.from_dict({"num_beams": 4, "max_length": 64}, max_length=32).max_length
        32
        """
        config = cls(**{**values, **overrides})
        config._commit_hash = None
        return config

    @classmethod
    def from_json_file(cls, path: str | Path, **overrides: Any) -> Self:
        """Read one JSON file.

        Raises:
            CheckpointError: the file is missing, too large or no JSON object.
            ConfigError: it holds wrong values.

        >>> from minipegasus import demo
        >>> GenerationConfig.from_json_file(demo.folder() / "generation_config.json", num_beams=3).num_beams
        3
        """
        values = read_json(Path(path))
        try:
            return cls.from_dict(values, **overrides)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        file_name: str = GENERATION_CONFIG,
        *,
        revision: str | None = None,
        subfolder: str = "",
        **overrides: Any,
    ) -> Self:
        """Read ``generation_config.json`` of a checkpoint folder, or of a hub-cache name, resolved offline.

        Raises:
            CheckpointError: there is no such folder or file, or it is no JSON object.
            ConfigError: it holds wrong values.

        >>> from minipegasus import demo
        >>> GenerationConfig.from_pretrained(demo.folder()).eos_token_id
        1
        """
        return cls.from_json_file(resolve_folder(name_or_path, revision, subfolder) / file_name, **overrides)

    @classmethod
    def from_model_config(cls, model_config: Any) -> Self:
        """Take the generation settings of a model configuration, class defaults included.

        Used for a checkpoint without ``generation_config.json``. The decoder of a pair gives what the pair itself
        leaves unset.

        Raises:
            ConfigError: values that are wrong.

        >>> from minipegasus import PegasusConfig
        >>> config = GenerationConfig.from_model_config(PegasusConfig(num_beams=8))
        >>> config.num_beams, config.forced_eos_token_id
        (8, 1)
        """
        outer = model_config.to_dict()
        values = {name: outer[name] for name in _DEFAULTS if outer.get(name) is not None}
        config = cls(**{**values, "_from_model_config": True})
        if isinstance(model_config, EncoderDecoderConfig):
            inner = model_config.decoder.to_dict()
            for name, default in _DEFAULTS.items():
                if name in inner and not name.startswith("_") and getattr(config, name) == default:
                    setattr(config, name, inner[name])
        if any(getattr(config, name) for name in _EXTRA_OUTPUTS):
            config.return_dict_in_generate = True
        config.validate()
        config._snapshot = config._settings()  # type: ignore[attr-defined]
        return config


_DEFAULTS: dict[str, Any] = {
    known.name: known.default for known in fields(GenerationConfig) if known.default is not MISSING
}
_HINTS: dict[str, Any] = get_type_hints(GenerationConfig)


def _plain(value: Any) -> Any:
    """Turn what JSON does not know into what it knows."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return value.to_dict() if hasattr(value, "to_dict") else str(value)


def _fits(value: Any, hint: Any) -> bool:
    """Say whether a value has the type of an annotation; an integer is a float, a bool is no integer."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin is Literal:
        return isinstance(value, str) and value in arguments
    if origin in (Union, types.UnionType):
        return any(_fits(value, argument) for argument in arguments)
    if origin is dict:
        return isinstance(value, dict) and all(
            _fits(key, arguments[0]) and _fits(item, arguments[1]) for key, item in value.items()
        )
    if origin in (list, tuple):
        return isinstance(value, list | tuple) and all(_fits(item, arguments[0]) for item in value)
    if hint is int:
        return isinstance(value, int | np.integer) and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return isinstance(value, hint)


def _type_problems(config: GenerationConfig) -> list[str]:
    problems = []
    for name, hint in _HINTS.items():
        value = getattr(config, name)
        if not _fits(value, hint):
            problems.append(f"{name}: expected {_words(hint)}, found {quote(value)}")
    return problems


def _words(hint: Any) -> str:
    """Return an annotation in words.

    >>> _words(bool | Literal["never"]), _words(list[list[int]] | None)
    ("bool or 'never'", 'list[list[int]] or None')
    """
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(map(_words, get_args(hint)))
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    if hint is types.NoneType:
        return "None"
    return hint.__name__ if type(hint) is type else str(hint).replace("typing.", "")


#: Smallest value that makes sense, where there is one. Penalties and cutoffs are checked by their processors.
_AT_LEAST = {
    "max_new_tokens": 1,
    "num_beams": 1,
    "num_beam_groups": 1,
    "num_return_sequences": 1,
    "min_new_tokens": 0,
    "min_length": 0,
    "top_k": 0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "bos_token_id": 0,
    "forced_bos_token_id": 0,
}


#: Sizes of which no larger one can be meant; memory is set aside by them.
_AT_MOST = {
    **dict.fromkeys(("max_length", "max_new_tokens"), 2**24),
    **dict.fromkeys(("num_beams", "num_beam_groups", "num_return_sequences"), 4096),
}

#: Scores are float32, and so are the numbers that they are multiplied and compared with.
_LARGEST = float(np.finfo(np.float32).max)


def _range_problems(config: GenerationConfig) -> list[str]:
    def beyond(bounds: dict[str, int], sign: int, words: str) -> list[str]:
        values = {name: getattr(config, name) for name in bounds}
        return [
            f"{name}: expected {words} {bounds[name]}, found {quote(value)}"
            for name, value in values.items()
            if value is not None and sign * value > sign * bounds[name]
        ]

    return beyond(_AT_LEAST, -1, "at least") + beyond(_AT_MOST, 1, "at most") + _endless(config)


def _endless(config: GenerationConfig) -> list[str]:
    """Return what is wrong about numbers that are none, or that no float32 holds."""
    problems = []
    for name in _HINTS:
        value = getattr(config, name)
        numbers = [item for item in (value if isinstance(value, list | tuple) else [value]) if _fits(item, float)]
        if not all(abs(number) <= _LARGEST for number in numbers):
            problems.append(f"{name}: expected finite numbers up to {_LARGEST:.3g}, found {quote(value)}")
    return problems


def _combination_problems(config: GenerationConfig) -> list[str]:
    beams, groups, returned = config.num_beams, config.num_beam_groups, config.num_return_sequences
    penalty = config.diversity_penalty
    found = []
    constrained = config.constraints is not None or config.force_words_ids is not None
    if constrained and beams == 1:
        found.append("num_beams: expected more than 1 with constraints or force_words_ids, found 1")
    if penalty and beams == 1:
        found.append(f"diversity_penalty: expected 0 with num_beams=1, found {penalty}")
    if beams > 1 and constrained:
        if config.do_sample:
            found.append("do_sample: expected False with constraints or force_words_ids, found True")
        if groups != 1:
            found.append(f"num_beam_groups: expected 1 with constraints or force_words_ids, found {groups}")
    elif beams > 1 and (penalty or groups != 1):
        if config.do_sample:
            found.append("do_sample: expected False in group beam search, found True")
        if groups < 2:
            found.append(f"num_beam_groups: expected at least 2 with diversity_penalty, found {groups}")
        if beams % groups:
            found.append(f"num_beams: expected a multiple of num_beam_groups={groups}, found {beams}")
        if not (penalty or 0.0) > 0.0:
            found.append(f"diversity_penalty: expected more than 0 in group beam search, found {penalty}")
    if returned > 1 and beams == 1 and not config.do_sample:
        found.append(f"num_return_sequences: expected 1 in greedy search, found {returned}")
    if returned > beams > 1:
        found.append(f"num_return_sequences: expected at most num_beams={beams}, found {returned}")
    return found
