"""Tokenizers: texts to ids and back, as transformers' slow tokenizers do it."""

from minipegasus.tokenization.added_tokens import AddedToken
from minipegasus.tokenization.bert_generation import BertGenerationTokenizer
from minipegasus.tokenization.encoding import BatchEncoding
from minipegasus.tokenization.pegasus import PegasusTokenizer, PegasusTokenizerFast

__all__ = [
    "AddedToken",
    "BatchEncoding",
    "BertGenerationTokenizer",
    "PegasusTokenizer",
    "PegasusTokenizerFast",
]
