"""Pairs of an encoder and a decoder of any of these families (Rothe, Narayan and Severyn 2020)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, TypeAlias

from ..errors import ConfigError, listing, quote
from ..spec import ModelSpec
from .bert import BERT
from .bert_generation import BERT_GENERATION
from .bigbird_pegasus import BIGBIRD_PEGASUS
from .config import Config, flag
from .family import Family, Role, Tied
from .names import Rules, prefixed
from .pegasus import PEGASUS
from .roberta import ROBERTA

__all__ = ["DECODERS", "ENCODERS", "ENCODER_DECODER", "EncoderDecoderConfig"]

#: ``model_type`` -> the families that have a lone encoder.
ENCODERS: dict[str, Family] = {family.model_type: family for family in (BERT, BERT_GENERATION, ROBERTA)}
#: ``model_type`` -> the families that have a lone decoder, which looks at an encoder's states.
DECODERS: dict[str, Family] = ENCODERS | {family.model_type: family for family in (BIGBIRD_PEGASUS, PEGASUS)}


@dataclass(init=False, repr=False, eq=False)
class EncoderDecoderConfig(Config):
    """Configuration of a pair: two configurations, and ids of its own.

    ``decoder_start_token_id``, ``pad_token_id`` and ``eos_token_id`` are not taken over from the halves: training needs
    the first two, generation falls back on the decoder's.

    Args:
        encoder: a configuration or its dictionary form with ``model_type``.
        decoder: likewise, with ``is_decoder`` and ``add_cross_attention``.
        **values: the pair's own.

    Raises:
        ConfigError: a half is missing, of an unknown type, or wrong in itself; all at once.

    >>> from minipegasus.families.bert_generation import BertGenerationConfig
    >>> half = BertGenerationConfig(hidden_size=64, num_attention_heads=4)
    >>> config = EncoderDecoderConfig.from_encoder_decoder_configs(half, half, decoder_start_token_id=2)
    >>> config.encoder.is_decoder, config.decoder.is_decoder, config.decoder.hidden_size
    (False, True, 64)
    """

    model_type: ClassVar[str] = "encoder-decoder"

    is_encoder_decoder: bool = flag(True)

    def __init__(self, /, **values: Any) -> None:
        problems = []
        for side, known in (("encoder", ENCODERS), ("decoder", DECODERS)):
            try:
                setattr(self, side, self._half(side, values.pop(side, None), known))
            except ConfigError as error:
                problems.append(f"{side}: {error}")
        try:
            super().__init__(**values)
        except ConfigError as error:
            problems.append(str(error))
        if problems:
            raise ConfigError(listing(f"{type(self).__name__}: {len(problems)} problem(s)", problems))
        # A pair is one whatever its file says.
        self.is_encoder_decoder = True

    @classmethod
    def _half(cls, side: str, given: Any, known: Mapping[str, Family]) -> Config:
        values = given.to_dict() if isinstance(given, Config) else given
        if not isinstance(values, Mapping):
            raise ConfigError(f"expected a configuration or its dictionary, found {quote(values)}")
        model_type = str(values.get("model_type"))
        if model_type not in known:
            raise ConfigError(f"model_type: expected one of {', '.join(sorted(known))}, found {quote(model_type)}")
        half: Config = cls._config_class(model_type)(**values)
        return half

    @classmethod
    def _config_class(cls, model_type: str) -> type[Any]:
        """Return the class of a half's configuration."""
        return DECODERS[model_type].config

    @classmethod
    def from_encoder_decoder_configs(cls, encoder_config: Config, decoder_config: Config, **values: Any) -> Self:
        """Return the configuration of a pair; the decoder's copy gets ``is_decoder`` and ``add_cross_attention``.

        Raises:
            ConfigError: as the constructor.

        >>> from minipegasus import BertConfig, EncoderDecoderConfig
        >>> pair = EncoderDecoderConfig.from_encoder_decoder_configs(BertConfig(), BertConfig(), pad_token_id=0)
        >>> pair.decoder.add_cross_attention, pair.pad_token_id
        (True, 0)
        """
        decoder = decoder_config.copy(is_decoder=True, add_cross_attention=True)
        return cls(encoder=encoder_config, decoder=decoder, **values)

    def to_dict(self) -> dict[str, Any]:
        """Return a new dictionary of every value, both halves as dictionaries: what config.json holds.

        >>> from minipegasus import BertConfig, EncoderDecoderConfig
        >>> pair = EncoderDecoderConfig.from_encoder_decoder_configs(BertConfig(), BertConfig())
        >>> pair.to_dict()["decoder"]["is_decoder"]
        True
        """
        return {**super().to_dict(), "encoder": self.encoder.to_dict(), "decoder": self.decoder.to_dict()}


# A half's family, and what that family is asked about.
_Half: TypeAlias = tuple[Family, tuple[Config, Role]]


def _halves(config: EncoderDecoderConfig) -> tuple[_Half, _Half]:
    encoder, decoder = config.encoder, config.decoder
    return (ENCODERS[encoder.model_type], (encoder, "base")), (DECODERS[decoder.model_type], (decoder, "causal"))


def _spec(config: EncoderDecoderConfig, role: Role) -> ModelSpec:
    (encoder_family, encoder_of), (decoder_family, decoder_of) = _halves(config)
    first, last = encoder_family.spec(*encoder_of), decoder_family.spec(*decoder_of)
    assert first.encoder is not None
    assert last.decoder is not None
    problems = []
    if not last.decoder.cross_attention or last.decoder.attention != "causal":
        problems.append("decoder: expected is_decoder and add_cross_attention to be true, found otherwise")
    width, cross_width = first.encoder.width, getattr(config.decoder, "cross_attention_hidden_size", None)
    bridge = width != last.decoder.width
    if cross_width is not None and not width == cross_width == last.decoder.width:
        problems.append(
            f"decoder.cross_attention_hidden_size: expected null or the width of both halves, found {cross_width} "
            f"beside {width} and {last.decoder.width}"
        )
    if problems:
        raise ConfigError(listing(f"encoder-decoder: {len(problems)} problem(s)", problems))
    return replace(last, encoder=first.encoder, pooler=first.pooler, bridge=bridge)


def _renames(config: EncoderDecoderConfig, role: Role) -> Rules:
    (encoder_family, encoder_of), (decoder_family, decoder_of) = _halves(config)
    return (
        *prefixed(encoder_family.renames(*encoder_of), "", "encoder."),
        ("pooler.", "encoder.pooler."),
        *prefixed(decoder_family.renames(*decoder_of), "", "decoder."),
        ("lm_head.", "decoder.lm_head."),
    )


def _aliases(config: EncoderDecoderConfig, role: Role) -> list[Tied]:
    """Return what is one tensor within the decoder and, with ``tie_encoder_decoder``, in both halves.

    The halves then share every weight that has the same path in both; it is written with the decoder.
    """
    first, last = (family.layout(*of) for family, of in _halves(config))
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, weight in last.weights.items():
        groups.setdefault(weight.sources, []).append(name)
    paths = {f"{last.base_prefix}.{weight.saved_as}": name for name, weight in first.weights.items()}
    tied, problems = [], []
    for sources, ours in groups.items():
        weight = last.weights[ours[0]]
        shared = [paths[source] for source in sources if config.tie_encoder_decoder and source in paths]
        found = [(name, first.weights[name].shape) for name in shared if first.weights[name].shape != weight.shape]
        problems += [f"{name}: expected the decoder's shape {weight.shape}, found {shape}" for name, shape in found]
        theirs = [f"encoder.{first.weights[name].saved_as}" for name in shared]
        decoders = [f"decoder.{source}" for source in sources]
        tied.append(Tied((*ours, *shared), (*decoders, *theirs), f"decoder.{weight.saved_as}"))
    if problems:
        raise ConfigError(listing("tie_encoder_decoder: halves that cannot share their weights", problems))
    return tied


ENCODER_DECODER = Family(
    model_type="encoder-decoder",
    config=EncoderDecoderConfig,
    spec=_spec,
    renames=_renames,
    aliases=_aliases,
    base_prefix="",
)
