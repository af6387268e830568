"""What all configurations share: declared fields with checked types and ranges, aliases, and a dictionary form."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, ClassVar, Self

from ..errors import ConfigError, listing, quote

__all__ = ["Check", "Config", "choice", "flag", "hidden_attributes", "integer", "number", "text", "token_id"]

#: Decoding values that old config.json files carry; they read as these where a file has none.
LEGACY_GENERATION: dict[str, Any] = {
    "max_length": 20,
    "min_length": 0,
    "do_sample": False,
    "early_stopping": False,
    "num_beams": 1,
    "num_beam_groups": 1,
    "diversity_penalty": 0.0,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
    "typical_p": 1.0,
    "repetition_penalty": 1.0,
    "length_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "bad_words_ids": None,
    "num_return_sequences": 1,
    "output_scores": False,
    "return_dict_in_generate": False,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "remove_invalid_values": False,
    "exponential_decay_length_penalty": None,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
}

#: What any configuration answers, declared or not: the reference's values where a file has none.
UNSET: dict[str, Any] = LEGACY_GENERATION | {
    "_name_or_path": "",
    "name_or_path": "",
    "architectures": None,
    "chunk_size_feed_forward": 0,
    "cross_attention_hidden_size": None,
    "dtype": None,
    "finetuning_task": None,
    "prefix": None,
    "pruned_heads": MappingProxyType({}),
    "sep_token_id": None,
    "task_specific_params": None,
    "torch_dtype": None,
    "torchscript": False,
    "transformers_version": None,
}

# The largest id or size that is taken seriously: beyond it an allocation would be an attack, not a model.
_HUGE = 2**24


@dataclass(frozen=True)
class Check:
    """What a value must be: one of ``types`` (a bool is no number), within ``[low, high]``, or one of ``among``."""

    types: tuple[type, ...]
    low: float = -math.inf
    high: float = math.inf
    among: tuple[Any, ...] | None = None
    optional: bool = False
    many: bool = False

    def problem(self, value: Any) -> str | None:
        """Return ``expected ..., found ...`` or None where the value is fine."""
        if value is None and self.optional:
            return None
        if self.many and isinstance(value, (list, tuple)) and value:
            return next((p for p in map(self.problem, value) if p), None)
        if self.among is not None:
            ok = value in self.among
        else:
            right_type = isinstance(value, self.types) and (bool in self.types or not isinstance(value, bool))
            ok = right_type and (isinstance(value, str) or self.low <= value <= self.high)
        return None if ok else f"expected {self}, found {str(value)[:80] if value is None else repr(value)[:80]}"

    def __str__(self) -> str:
        if self.among is not None:
            return f"one of {', '.join(map(repr, self.among))}"
        what = " or ".join(t.__name__ for t in self.types)
        if self.low > -math.inf or self.high < math.inf:
            what += f" in [{_plain(self.low)}, {_plain(self.high)}]"
        return what + (" or a list of them" if self.many else "") + (" or null" if self.optional else "")


def _plain(bound: float) -> str:
    """Return a bound as one would write it: whole numbers in full."""
    return str(int(bound)) if math.isfinite(bound) and bound == int(bound) else str(bound)


def integer(default: int | None, low: int = 1, high: int = _HUGE) -> Any:
    """Declare a size or count, which may be null where that is the default."""
    return field(default=default, metadata={"check": Check((int,), low, high, optional=default is None)})


def number(default: float, low: float = 0.0, high: float = 1.0) -> Any:
    """Declare a real number."""
    return field(default=default, metadata={"check": Check((int, float), low, high)})


def flag(default: bool | None) -> Any:
    """Declare a switch; null in a file means the default."""
    return field(default=default, metadata={"check": Check((bool,), optional=True)})


def token_id(default: int | None, many: bool = False) -> Any:
    """Declare a token id, or several where ``many``; -1 stands for "none" in some published files."""
    return field(default=default, metadata={"check": Check((int,), -1, _HUGE, optional=True, many=many)})


def choice(default: str | None, among: tuple[Any, ...]) -> Any:
    """Declare one of a few names."""
    return field(default=default, metadata={"check": Check((str,), among=among)})


def text(default: str | None = None) -> Any:
    """Declare a free string that may be null."""
    return field(default=default, metadata={"check": Check((str,), optional=True)})


@dataclass(init=False, repr=False, eq=False)
class Config:
    """Base of the configurations: keyword construction, attribute aliases, unknown keys kept.

    Attributes:
        pad_token_id, bos_token_id, eos_token_id, decoder_start_token_id: ids, or None; ``eos_token_id`` may be several.
        is_encoder_decoder, is_decoder, add_cross_attention: what the model is made of.
        tie_word_embeddings: the vocabulary head is the embedding matrix.
        use_cache, output_attentions, output_hidden_states, return_dict: what calls do where they do not say.
        id2label, label2id, num_labels: the classes of a classification head.
        problem_type: the loss of a classification head, or None to tell it from the labels.

    Raises:
        ConfigError: a declared key has the wrong type or range, or keys contradict each other; all at once.

    >>> from minipegasus import BertConfig
    >>> config = BertConfig(id2label={0: "no", 1: "yes"}, colour="red", num_beams=4)
    >>> isinstance(config, Config), config.label2id, config.colour, config.num_beams, config.min_length
    (True, {'no': 0, 'yes': 1}, 'red', 4, 0)
    """

    model_type: ClassVar[str] = ""
    #: Other names of fields, readable, writable and accepted by the constructor.
    aliases: ClassVar[Mapping[str, str]] = {}
    #: What the constructor also takes by position, in the reference's order.
    positional: ClassVar[tuple[str, ...]] = ()

    is_encoder_decoder: bool = flag(False)
    is_decoder: bool = flag(False)
    add_cross_attention: bool = flag(False)
    tie_word_embeddings: bool = flag(True)
    tie_encoder_decoder: bool = flag(False)
    use_cache: bool = flag(True)
    output_attentions: bool = flag(False)
    output_hidden_states: bool = flag(False)
    return_dict: bool = flag(True)
    pad_token_id: int | None = token_id(None)
    bos_token_id: int | None = token_id(None)
    eos_token_id: int | list[int] | None = token_id(None, many=True)
    decoder_start_token_id: int | None = token_id(None)
    problem_type: str | None = choice(
        None, (None, "regression", "single_label_classification", "multi_label_classification")
    )
    tokenizer_class: str | None = text()

    def __init__(self, /, *args: Any, **values: Any) -> None:
        values |= self._named(args, values)
        values = {self.aliases.get(name, name): value for name, value in values.items()}
        values.pop("model_type", None)
        labels = _labels(values)
        problems = []
        for f in fields(self):
            value = values.pop(f.name, f.default)
            if value is None and f.metadata["check"].types == (bool,):
                value = f.default
            problem = f.metadata["check"].problem(value)
            if problem is None:
                setattr(self, f.name, value)
            else:
                problems.append(f"{f.name}: {problem}")
        self.id2label: dict[int, str] = labels
        problems += hidden_attributes(type(self), values)
        if not problems:
            vars(self).update(values)
        problems = problems or self.contradictions()
        if problems:
            raise ConfigError(listing(f"{type(self).__name__}: {len(problems)} problem(s)", problems))

    @classmethod
    def _named(cls, args: tuple[Any, ...], others: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments given by position under their names."""
        if len(args) > len(cls.positional):
            raise TypeError(f"{cls.__name__}() takes {len(cls.positional)} arguments by position, found {len(args)}")
        named = dict(zip(cls.positional, args, strict=False))
        if twice := ", ".join(name for name in named if name in others):
            raise TypeError(f"{cls.__name__}() got multiple values for {twice}")
        return named

    def contradictions(self) -> list[str]:
        """Return what is wrong about values that are each fine alone.

        >>> from minipegasus import PegasusConfig
        >>> config = PegasusConfig()
        >>> config.d_model = 1000  # assignments are not checked
        >>> config.contradictions()[0]
        'encoder_attention_heads: expected a divisor of d_model = 1000, found 16'
        """
        return []

    @property
    def num_labels(self) -> int:
        """Number of classification labels; setting it renames them all ``LABEL_i``."""
        return len(self.id2label)

    @num_labels.setter
    def num_labels(self, count: int) -> None:
        self.id2label = {i: f"LABEL_{i}" for i in range(count)}

    @property
    def label2id(self) -> dict[str, int]:
        """Label name to index."""
        return {label: i for i, label in self.id2label.items()}

    def __getattr__(self, name: str) -> Any:
        # Reached only for names that are no attribute.
        if name in type(self).aliases:
            return getattr(self, type(self).aliases[name])
        if name in UNSET:
            return UNSET[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(type(self).aliases.get(name, name), value)

    def __repr__(self) -> str:
        inside = ", ".join(f"{k}={v!r}" for k, v in self.to_dict().items() if k != "model_type")
        return f"{type(self).__name__}({inside})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], **overrides: Any) -> Self:
        """Return a configuration from the dictionary form (a parsed config.json); keywords override it.

        Raises:
            ConfigError: as the constructor.

        >>> from minipegasus import PegasusConfig
        >>> PegasusConfig.from_dict({"d_model": 64, "num_beams": 8}, num_beams=2).num_beams
        2
        """
        return cls(**{**values, **overrides})

    def to_dict(self) -> dict[str, Any]:
        """Return a new dictionary of every value, unknown keys included: what config.json holds.

        >>> from minipegasus import PegasusConfig
        >>> values = PegasusConfig(d_model=64).to_dict()
        >>> values["model_type"], values["d_model"], PegasusConfig.from_dict(values).d_model
        ('pegasus', 64, 64)
        """
        defaults = {f.name: f.default for f in fields(self)}
        kept = {k: v for k, v in vars(self).items() if v is not None or defaults.get(k) is not None}
        values = {"model_type": self.model_type, **kept}
        labels = values.pop("id2label")
        values["id2label"] = {str(i): label for i, label in labels.items()}
        values["label2id"] = self.label2id
        return values

    def copy(self, **changes: Any) -> Self:
        """Return a copy with some values changed; the original stays as it is.

        Raises:
            ConfigError: as the constructor.

        >>> from minipegasus import BigBirdPegasusConfig
        >>> config = BigBirdPegasusConfig()
        >>> config.copy(attention_type="original_full").attention_type, config.attention_type
        ('original_full', 'block_sparse')
        """
        return type(self)(**{**self.to_dict(), **changes})


def hidden_attributes(cls: type, names: Iterable[str]) -> list[str]:
    """Return what is wrong about keys that are kept as attributes: files may not replace what a class is made of.

    >>> hidden_attributes(Config, ["colour", "to_dict"])
    ['to_dict: expected no key of this name, which is an attribute of Config']
    """
    return [
        f"{name}: expected no key of this name, which is an attribute of {cls.__name__}"
        for name in names
        if name.startswith("__") or hasattr(cls, name)
    ]


def _labels(values: dict[str, Any]) -> dict[int, str]:
    """Take ``num_labels``, ``id2label`` and ``label2id`` out of ``values`` and return the label names."""
    count, names = values.pop("num_labels", None), values.pop("id2label", None)
    values.pop("label2id", None)
    if names is not None:
        try:
            labels = {int(i): str(label) for i, label in dict(names).items()}
        except (TypeError, ValueError) as error:
            raise ConfigError(f"id2label: expected a dictionary of index to name, found {quote(names)}") from error
        if count is None or count == len(labels):
            return labels
    count = 2 if count is None else count
    problem = Check((int,), 0, 2**20).problem(count)
    if problem:
        raise ConfigError(f"num_labels: {problem}")
    return {i: f"LABEL_{i}" for i in range(count)}
