"""The public classes, with the reference's names."""

from .auto import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForQuestionAnswering,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
)
from .bigbird_pegasus import (
    BigBirdPegasusForCausalLM,
    BigBirdPegasusForConditionalGeneration,
    BigBirdPegasusModel,
)
from .configs import AutoConfig, BigBirdPegasusConfig, PegasusConfig, PegasusXConfig
from .pegasus import PegasusForCausalLM, PegasusForConditionalGeneration, PegasusModel
from .pegasus_x import PegasusXForConditionalGeneration, PegasusXModel

__all__ = [
    "AutoConfig",
    "AutoModel",
    "AutoModelForCausalLM",
    "AutoModelForQuestionAnswering",
    "AutoModelForSeq2SeqLM",
    "AutoModelForSequenceClassification",
    "BigBirdPegasusConfig",
    "BigBirdPegasusForCausalLM",
    "BigBirdPegasusForConditionalGeneration",
    "BigBirdPegasusModel",
    "PegasusConfig",
    "PegasusForCausalLM",
    "PegasusForConditionalGeneration",
    "PegasusModel",
    "PegasusXConfig",
    "PegasusXForConditionalGeneration",
    "PegasusXModel",
]
