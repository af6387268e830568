"""Tokenizers: texts to ids and back, as transformers' slow tokenizers do it."""

from minipegasus.tokenization.added_tokens import AddedToken
from minipegasus.tokenization.auto import AutoTokenizer
from minipegasus.tokenization.base import PreTrainedTokenizer
from minipegasus.tokenization.bert import BertTokenizer, BertTokenizerFast
from minipegasus.tokenization.bert_generation import BertGenerationTokenizer
from minipegasus.tokenization.encoding import BatchEncoding
from minipegasus.tokenization.pegasus import PegasusTokenizer, PegasusTokenizerFast
from minipegasus.tokenization.roberta import RobertaTokenizer, RobertaTokenizerFast

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
