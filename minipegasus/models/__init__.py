"""The public classes, with the reference's names."""

from .auto import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForQuestionAnswering,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
)
from .bert import BertLMHeadModel, BertModel
from .bert_generation import BertGenerationDecoder, BertGenerationEncoder
from .bigbird_pegasus import (
    BigBirdPegasusForCausalLM,
    BigBirdPegasusForConditionalGeneration,
    BigBirdPegasusForQuestionAnswering,
    BigBirdPegasusForSequenceClassification,
    BigBirdPegasusModel,
)
from .configs import (
    AutoConfig,
    BertConfig,
    BertGenerationConfig,
    BigBirdPegasusConfig,
    EncoderDecoderConfig,
    PegasusConfig,
    PegasusXConfig,
    RobertaConfig,
)
from .encoder_decoder import EncoderDecoderModel
from .pegasus import PegasusForCausalLM, PegasusForConditionalGeneration, PegasusModel
from .pegasus_x import PegasusXForConditionalGeneration, PegasusXModel
from .roberta import RobertaForCausalLM, RobertaModel

__all__ = [
    "AutoConfig",
    "AutoModel",
    "AutoModelForCausalLM",
    "AutoModelForQuestionAnswering",
    "AutoModelForSeq2SeqLM",
    "AutoModelForSequenceClassification",
    "BertConfig",
    "BertGenerationConfig",
    "BertGenerationDecoder",
    "BertGenerationEncoder",
    "BertLMHeadModel",
    "BertModel",
    "BigBirdPegasusConfig",
    "BigBirdPegasusForCausalLM",
    "BigBirdPegasusForConditionalGeneration",
    "BigBirdPegasusForQuestionAnswering",
    "BigBirdPegasusForSequenceClassification",
    "BigBirdPegasusModel",
    "EncoderDecoderConfig",
    "EncoderDecoderModel",
    "PegasusConfig",
    "PegasusForCausalLM",
    "PegasusForConditionalGeneration",
    "PegasusModel",
    "PegasusXConfig",
    "PegasusXForConditionalGeneration",
    "PegasusXModel",
    "RobertaConfig",
    "RobertaForCausalLM",
    "RobertaModel",
]
