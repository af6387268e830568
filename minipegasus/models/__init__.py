"""The public classes, with the reference's names."""

from .bigbird_pegasus import (
    BigBirdPegasusForCausalLM,
    BigBirdPegasusForConditionalGeneration,
    BigBirdPegasusModel,
)
from .pegasus import PegasusForCausalLM, PegasusForConditionalGeneration, PegasusModel
from .pegasus_x import PegasusXForConditionalGeneration, PegasusXModel

__all__ = [
    "BigBirdPegasusForCausalLM",
    "BigBirdPegasusForConditionalGeneration",
    "BigBirdPegasusModel",
    "PegasusForCausalLM",
    "PegasusForConditionalGeneration",
    "PegasusModel",
    "PegasusXForConditionalGeneration",
    "PegasusXModel",
]
