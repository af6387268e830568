# ruff: noqa: F403
"""Pegasus, BigBird-Pegasus, PEGASUS-X and BertGeneration in NumPy and C, without a deep-learning framework.

The public names load on first use: importing the package costs little more than importing NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what type checkers and editors see of the names below
    from .errors import *
    from .generation.config import *
    from .generation.constraints import DisjunctiveConstraint as DisjunctiveConstraint
    from .generation.constraints import PhrasalConstraint as PhrasalConstraint
    from .generation.outputs import GenerateBeamDecoderOnlyOutput as GenerateBeamDecoderOnlyOutput
    from .generation.outputs import GenerateBeamEncoderDecoderOutput as GenerateBeamEncoderDecoderOutput
    from .generation.outputs import GenerateDecoderOnlyOutput as GenerateDecoderOnlyOutput
    from .generation.outputs import GenerateEncoderDecoderOutput as GenerateEncoderDecoderOutput
    from .generation.processors import *
    from .generation.stopping import *
    from .generation.streaming import *
    from .generation.warpers import *
    from .models import *
    from .models.configs import PretrainedConfig as PretrainedConfig
    from .models.outputs import *
    from .models.pipelines import *
    from .models.pretrained import *
    from .models.summarize import *
    from .ops import *
    from .outputs import *
    from .tokenization import *

__version__ = "0.1.0"

# Public name -> the module that defines it.
_HOMES: dict[str, str] = {
    name: module
    for module, names in {
        "errors": "BackendError CheckpointError ConfigError InputError MinipegasusError TokenizerError",
        "ops": "get_num_threads set_num_threads show_config",
        "tokenization": (
            "AddedToken AutoTokenizer BatchEncoding BertGenerationTokenizer BertTokenizer BertTokenizerFast "
            "PegasusTokenizer PegasusTokenizerFast PreTrainedTokenizer RobertaTokenizer RobertaTokenizerFast"
        ),
        "generation.config": "GenerationConfig",
        "generation.constraints": "DisjunctiveConstraint PhrasalConstraint",
        "generation.outputs": (
            "GenerateBeamDecoderOnlyOutput GenerateBeamEncoderDecoderOutput GenerateDecoderOnlyOutput "
            "GenerateEncoderDecoderOutput"
        ),
        "generation.processors": (
            "EncoderNoRepeatNGramLogitsProcessor EncoderRepetitionPenaltyLogitsProcessor "
            "ExponentialDecayLengthPenalty ForcedBOSTokenLogitsProcessor ForcedEOSTokenLogitsProcessor "
            "HammingDiversityLogitsProcessor InfNanRemoveLogitsProcessor LogitNormalization LogitsProcessor "
            "LogitsProcessorList MinLengthLogitsProcessor MinNewTokensLengthLogitsProcessor "
            "NoBadWordsLogitsProcessor NoRepeatNGramLogitsProcessor PrefixConstrainedLogitsProcessor "
            "RepetitionPenaltyLogitsProcessor SequenceBiasLogitsProcessor SuppressTokensAtBeginLogitsProcessor "
            "SuppressTokensLogitsProcessor"
        ),
        "generation.stopping": (
            "EosTokenCriteria MaxLengthCriteria MaxTimeCriteria StopStringCriteria StoppingCriteria "
            "StoppingCriteriaList"
        ),
        "generation.streaming": "BaseStreamer TextIteratorStreamer TextStreamer",
        "generation.warpers": (
            "EpsilonLogitsWarper EtaLogitsWarper MinPLogitsWarper TemperatureLogitsWarper TopKLogitsWarper "
            "TopPLogitsWarper TypicalLogitsWarper"
        ),
        "models": (
            "AutoConfig BertConfig BertGenerationConfig BigBirdPegasusConfig EncoderDecoderConfig PegasusConfig "
            "PegasusXConfig RobertaConfig "
            "AutoModel AutoModelForCausalLM AutoModelForQuestionAnswering AutoModelForSeq2SeqLM "
            "AutoModelForSequenceClassification "
            "BertGenerationDecoder BertGenerationEncoder BertLMHeadModel BertModel "
            "BigBirdPegasusForCausalLM BigBirdPegasusForConditionalGeneration "
            "BigBirdPegasusForQuestionAnswering BigBirdPegasusForSequenceClassification BigBirdPegasusModel "
            "EncoderDecoderModel PegasusForCausalLM PegasusForConditionalGeneration PegasusModel "
            "PegasusXForConditionalGeneration PegasusXModel RobertaForCausalLM RobertaModel"
        ),
        "models.configs": "PretrainedConfig",
        "models.outputs": (
            "BaseModelOutput BaseModelOutputWithPastAndCrossAttentions BaseModelOutputWithPoolingAndCrossAttentions "
            "CausalLMOutputWithCrossAttentions Seq2SeqLMOutput Seq2SeqModelOutput Seq2SeqQuestionAnsweringModelOutput "
            "Seq2SeqSequenceClassifierOutput"
        ),
        "models.pipelines": (
            "Pipeline QuestionAnsweringPipeline SummarizationPipeline Text2TextGenerationPipeline "
            "TextClassificationPipeline TranslationPipeline pipeline"
        ),
        "models.pretrained": "PreTrainedModel",
        "models.summarize": "stream_summary summarize",
        "outputs": "ModelOutput",
    }.items()
    for name in names.split()
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
