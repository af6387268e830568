"""The public BigBird-Pegasus classes."""

from ..families.bigbird_pegasus import BIGBIRD_PEGASUS
from .causal import CausalLM
from .seq2seq import ConditionalGeneration, Seq2SeqModel

__all__ = ["BigBirdPegasusForCausalLM", "BigBirdPegasusForConditionalGeneration", "BigBirdPegasusModel"]


class BigBirdPegasusModel(Seq2SeqModel):
    """BigBird-Pegasus without a head. Missing decoder ids are made from the input ids."""

    family = BIGBIRD_PEGASUS
    shifts_inputs = True


class BigBirdPegasusForConditionalGeneration(ConditionalGeneration):
    """BigBird-Pegasus with its vocabulary head."""

    family = BIGBIRD_PEGASUS
    shifts_inputs = True


class BigBirdPegasusForCausalLM(CausalLM):
    """BigBird-Pegasus' decoder alone. Its loss is not shifted."""

    family = BIGBIRD_PEGASUS
