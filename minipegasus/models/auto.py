"""Classes that look into ``config.json`` and open a folder as what it holds.

Source: the mappings of ``models/auto/modeling_auto.py`` of transformers 4.56.2, cut to the families of this package.
"""

from pathlib import Path
from typing import Any, ClassVar

from ..checkpoints.folder import resolve_folder
from ..errors import ConfigError
from ..families.config import Config
from .bert import BertLMHeadModel, BertModel
from .bert_generation import BertGenerationDecoder, BertGenerationEncoder
from .bigbird_pegasus import (
    BigBirdPegasusForCausalLM,
    BigBirdPegasusForConditionalGeneration,
    BigBirdPegasusForQuestionAnswering,
    BigBirdPegasusForSequenceClassification,
    BigBirdPegasusModel,
)
from .configs import read_config
from .encoder_decoder import EncoderDecoderModel
from .pegasus import PegasusForCausalLM, PegasusForConditionalGeneration, PegasusModel
from .pegasus_x import PegasusXForConditionalGeneration, PegasusXModel
from .pretrained import PreTrainedModel
from .roberta import RobertaForCausalLM, RobertaModel

__all__ = [
    "AutoModel",
    "AutoModelForCausalLM",
    "AutoModelForQuestionAnswering",
    "AutoModelForSeq2SeqLM",
    "AutoModelForSequenceClassification",
    "declared_class",
]


class _AutoClass:
    """Base of the auto classes: from a configuration's type to a class."""

    classes: ClassVar[tuple[type[PreTrainedModel], ...]]

    @classmethod
    def class_for(cls, config: Config) -> type[PreTrainedModel]:
        """Return the class that this auto class stands for where a model has this configuration.

        Raises:
            ConfigError: there is none; the message lists the model types that have one.

        >>> from minipegasus import PegasusXConfig
        >>> AutoModelForSeq2SeqLM.class_for(PegasusXConfig()).__name__
        'PegasusXForConditionalGeneration'
        """
        for model_class in cls.classes:
            if model_class.family.model_type == config.model_type:
                return model_class
        known = ", ".join(sorted(model_class.family.model_type for model_class in cls.classes))
        raise ConfigError(f"{cls.__name__}: model_type: expected one of {known}, found {config.model_type!r}")

    @classmethod
    def from_config(cls, config: Config, **arguments: Any) -> PreTrainedModel:
        """Return a new model with random weights; ``arguments`` (``dtype``, ``seed``) are the class's own.

        Raises:
            ConfigError: the model type is not known to this auto class.
        """
        return cls.class_for(config)(config, **arguments)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        config: Config | None = None,
        revision: str | None = None,
        subfolder: str = "",
        **arguments: Any,
    ) -> Any:
        """Open a checkpoint folder (or a hub-cache name, resolved offline) as the class that its ``model_type`` says.

        Args:
            name_or_path: folder with ``config.json`` and weights, or ``org/name`` in the local hub cache.
            config: used in place of the folder's.
            revision: which revision of a hub-cache name.
            subfolder: where in the folder the model lies.
            **arguments: what ``from_pretrained`` of the class takes (``dtype``, ``seed``, ...), and values that replace
                the configuration's.

        Raises:
            CheckpointError: files are missing, damaged, or do not fit; the message names file and tensor.
            ConfigError: the model type is unknown, or config.json holds values of the wrong type or range.

        >>> from minipegasus.demo import folder
        >>> model = AutoModelForSeq2SeqLM.from_pretrained(folder(), num_beams=2)
        >>> type(model).__name__, model.config.num_beams
        ('PegasusForConditionalGeneration', 2)
        """
        folder = resolve_folder(name_or_path, revision, subfolder)
        model_class = cls.class_for(read_config(folder, {}) if config is None else config)
        return model_class.from_pretrained(folder, config=config, **arguments)


class AutoModel(_AutoClass):
    """A model without a head.

    >>> from minipegasus import PegasusConfig
    >>> config = PegasusConfig(vocab_size=20, d_model=8, encoder_layers=1, decoder_layers=1,
    ...     encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8)
    >>> type(AutoModel.from_config(config)).__name__
    'PegasusModel'
    """

    classes = (
        *(BertGenerationEncoder, BertModel, BigBirdPegasusModel, PegasusModel, PegasusXModel),
        RobertaModel,
    )


class AutoModelForSeq2SeqLM(_AutoClass):
    """A model that summarises, translates, or turns text into text otherwise.

    >>> from minipegasus import PegasusConfig
    >>> config = PegasusConfig(vocab_size=20, d_model=8, encoder_layers=1, decoder_layers=1,
    ...     encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8)
    >>> type(AutoModelForSeq2SeqLM.from_config(config)).__name__
    'PegasusForConditionalGeneration'
    """

    classes = (
        BigBirdPegasusForConditionalGeneration,
        EncoderDecoderModel,
        PegasusForConditionalGeneration,
        PegasusXForConditionalGeneration,
    )


class AutoModelForCausalLM(_AutoClass):
    """A decoder alone, with its vocabulary head.

    >>> from minipegasus import PegasusConfig
    >>> config = PegasusConfig(vocab_size=20, d_model=8, encoder_layers=1, decoder_layers=1,
    ...     encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8)
    >>> type(AutoModelForCausalLM.from_config(config)).__name__
    'PegasusForCausalLM'
    """

    classes = (
        *(BertGenerationDecoder, BertLMHeadModel, BigBirdPegasusForCausalLM),
        *(PegasusForCausalLM, RobertaForCausalLM),
    )


class AutoModelForSequenceClassification(_AutoClass):
    """A model that gives a text a label, several labels or a number.

    >>> from minipegasus import BigBirdPegasusConfig
    >>> config = BigBirdPegasusConfig(vocab_size=20, d_model=8, encoder_layers=1, decoder_layers=1,
    ...     encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8)
    >>> type(AutoModelForSequenceClassification.from_config(config)).__name__
    'BigBirdPegasusForSequenceClassification'
    """

    classes = (BigBirdPegasusForSequenceClassification,)


class AutoModelForQuestionAnswering(_AutoClass):
    """A model that finds the span of a text that answers a question.

    >>> from minipegasus import BigBirdPegasusConfig
    >>> config = BigBirdPegasusConfig(vocab_size=20, d_model=8, encoder_layers=1, decoder_layers=1,
    ...     encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8)
    >>> type(AutoModelForQuestionAnswering.from_config(config)).__name__
    'BigBirdPegasusForQuestionAnswering'
    """

    classes = (BigBirdPegasusForQuestionAnswering,)


def declared_class(config: Config) -> type[PreTrainedModel]:
    """Return the class that a checkpoint was saved from.

    It is the one that ``architectures`` names; where that names none of this package's, the model type's class with a
    vocabulary head, or else the one without a head.
    """
    autos = (AutoModelForSeq2SeqLM, AutoModel, AutoModelForCausalLM)
    heads = (AutoModelForSequenceClassification, AutoModelForQuestionAnswering)
    candidates = [c for auto in (*autos, *heads) for c in auto.classes if c.family.model_type == config.model_type]
    names = getattr(config, "architectures", None)
    named = [c for c in candidates if isinstance(names, list) and c.__name__ in names]
    return (named or candidates)[0]
