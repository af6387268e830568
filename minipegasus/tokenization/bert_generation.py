"""The tokenizer of BertGeneration checkpoints."""

from pathlib import Path
from typing import Any

from .added_tokens import Token
from .sentencepiece_backend import SentencePieceTokenizer

__all__ = ["BertGenerationTokenizer"]


class BertGenerationTokenizer(SentencePieceTokenizer):
    """Texts to ids and back for BertGeneration checkpoints: pieces only, no special token is ever added.

    Args:
        vocab_file: path of the SentencePiece model, ``spiece.model``; its ids are the ids.
        bos_token, eos_token, unk_token, pad_token, sep_token: the special tokens; those that are no pieces get ids
            behind the vocabulary.
        sp_model_kwargs: options of the SentencePiece library's processor, such as ``enable_sampling``.
        settings: what every tokenizer takes, see :class:`PreTrainedTokenizer`.

    Raises:
        TokenizerError: a model file that is missing or damaged.

    >>> from minipegasus import BertGenerationTokenizer
    >>> tokenizer = BertGenerationTokenizer("golden/tokenizer/bert_generation/spiece.model")
    >>> tokenizer("the man", return_tensors="np").input_ids
    array([[262, 261, 350, 364]])
    >>> tokenizer.decode(tokenizer.encode("<s>the man</s>"))
    '<s>the man</s>'
    """

    def __init__(
        self,
        vocab_file: str | Path,
        bos_token: Token | None = "<s>",
        eos_token: Token | None = "</s>",
        unk_token: Token | None = "<unk>",
        pad_token: Token | None = "<pad>",
        sep_token: Token | None = "<::::>",
        sp_model_kwargs: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(
            vocab_file,
            sp_model_kwargs,
            bos_token=bos_token,
            eos_token=eos_token,
            unk_token=unk_token,
            pad_token=pad_token,
            sep_token=sep_token,
            **settings,
        )
