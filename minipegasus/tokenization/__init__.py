"""Tokenizers: texts to ids and back, as transformers' slow tokenizers do it."""

from .added_tokens import AddedToken
from .auto import AutoTokenizer
from .base import PreTrainedTokenizer
from .bert import BertTokenizer, BertTokenizerFast
from .bert_generation import BertGenerationTokenizer
from .encoding import BatchEncoding
from .pegasus import PegasusTokenizer, PegasusTokenizerFast
from .roberta import RobertaTokenizer, RobertaTokenizerFast

__all__ = [
    "AddedToken",
    "AutoTokenizer",
    "BatchEncoding",
    "BertGenerationTokenizer",
    "BertTokenizer",
    "BertTokenizerFast",
    "PegasusTokenizer",
    "PegasusTokenizerFast",
    "PreTrainedTokenizer",
    "RobertaTokenizer",
    "RobertaTokenizerFast",
]
