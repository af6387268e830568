"""One file a family: configuration, spec and names. No arithmetic."""

from .bert import BERT, BertConfig
from .bert_generation import BERT_GENERATION, BertGenerationConfig
from .bigbird_pegasus import BIGBIRD_PEGASUS, BigBirdPegasusConfig
from .encoder_decoder import ENCODER_DECODER, EncoderDecoderConfig
from .pegasus import PEGASUS, PegasusConfig
from .pegasus_x import PEGASUS_X, PegasusXConfig
from .roberta import ROBERTA, RobertaConfig

__all__ = [
    "BERT",
    "BERT_GENERATION",
    "BIGBIRD_PEGASUS",
    "ENCODER_DECODER",
    "PEGASUS",
    "PEGASUS_X",
    "ROBERTA",
    "BertConfig",
    "BertGenerationConfig",
    "BigBirdPegasusConfig",
    "EncoderDecoderConfig",
    "PegasusConfig",
    "PegasusXConfig",
    "RobertaConfig",
]
