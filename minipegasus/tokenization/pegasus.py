"""The tokenizer of Pegasus, BigBird-Pegasus and PEGASUS-X."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import TokenizerError
from .added_tokens import AddedToken, Token
from .sentencepiece_backend import SentencePieceTokenizer

__all__ = ["PegasusTokenizer", "PegasusTokenizerFast"]


class PegasusTokenizer(SentencePieceTokenizer):
    """Texts to ids and back for Pegasus checkpoints: pieces, then ``</s>``.

    Args:
        vocab_file: path of the SentencePiece model, ``spiece.model``.
        pad_token, eos_token: the tokens with the ids 0 and 1.
        mask_token_sent, mask_token: the masks of whole sentences (id 2) and of tokens (id 3). ``mask_token_sent=None``
            leaves both out of these ids.
        additional_special_tokens: special tokens of your own. They are completed with ``<unk_2>``, ``<unk_3>``, ... to
            ``offset - 1`` in all; by default they are ``mask_token_sent`` and all of ``<unk_2>`` to ``<unk_102>``.
        offset: what is added to the ids of the SentencePiece model: 103, or 0 for BigBird-Pegasus checkpoints.
        sp_model_kwargs: options of the SentencePiece library's processor, such as ``enable_sampling``.
        newline: a string, ``"<n>"`` in the original Pegasus code, that stands for a newline in what the model sees.
            Newlines are replaced by it before encoding, and it by newlines after decoding. None, the default, is what
            transformers does: newlines are spaces.
        settings: what every tokenizer takes, see :class:`PreTrainedTokenizer`: ``bos_token`` and the other names,
            ``model_max_length``, ``padding_side``, ``split_special_tokens`` and so on.

    Raises:
        TokenizerError: a model file that is missing or damaged, or tokens that contradict each other.

    >>> from minipegasus import PegasusTokenizer
    >>> tokenizer = PegasusTokenizer("golden/tokenizer/pegasus/spiece.model")
    >>> tokenizer("the man", return_tensors="np").input_ids
    array([[108, 427, 117,   1]])
    >>> tokenizer.decode([108, 427, 117, 1], skip_special_tokens=True)
    'the man'
    """

    def __init__(
        self,
        vocab_file: str | Path,
        pad_token: Token = "<pad>",
        eos_token: Token = "</s>",
        unk_token: Token | None = "<unk>",
        mask_token: Token | None = "<mask_2>",
        mask_token_sent: Token | None = "<mask_1>",
        additional_special_tokens: Sequence[Token] | None = None,
        offset: int = 103,
        sp_model_kwargs: dict[str, Any] | None = None,
        newline: str | None = None,
        added_tokens_decoder: Mapping[int, AddedToken] | None = None,
        **settings: Any,
    ) -> None:
        if pad_token is None or eos_token is None:
            raise TokenizerError("pad_token and eos_token: expected tokens (they have the ids 0 and 1), found None")
        self.offset = offset
        self.newline = newline
        self.mask_token_sent = None if mask_token_sent is None else str(mask_token_sent)
        forced = [str(pad_token), str(eos_token)]
        if self.mask_token_sent is not None:
            forced += [self.mask_token_sent, str(mask_token)]
        forced += [f"<unk_{i}>" for i in range(2, offset)]
        added = dict(added_tokens_decoder or {})
        added |= {index: AddedToken(content, special=True) for index, content in enumerate(forced)}
        super().__init__(
            vocab_file,
            sp_model_kwargs,
            pad_token=pad_token,
            eos_token=eos_token,
            unk_token=unk_token,
            mask_token=mask_token,
            additional_special_tokens=_completed(additional_special_tokens, self.mask_token_sent, offset),
            added_tokens_decoder=added,
            **settings,
        )

    def _prepared(self, text: str, is_word: bool) -> str:
        return text if self.newline is None else text.replace("\r\n", "\n").replace("\n", self.newline)

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        spaces_between_special_tokens: bool = True,
    ) -> str:
        """Return the text of an id or a sequence of ids, with newlines for :attr:`newline` where it is set.

        Arguments and errors are those of :meth:`Vocabulary.decode`.

        >>> from minipegasus import PegasusTokenizer
        >>> tokenizer = PegasusTokenizer("golden/tokenizer/pegasus/spiece.model", newline="<n>")
        >>> tokenizer.decode(tokenizer.encode("the man\\nwrote"), skip_special_tokens=True)
        'the man\\nwrote'
        """
        text = super().decode(
            token_ids, skip_special_tokens, clean_up_tokenization_spaces, spaces_between_special_tokens
        )
        return text if self.newline is None else text.replace(self.newline, "\n")

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Return ``A </s>`` for one text, ``A B </s>`` for a pair.

        >>> from minipegasus import PegasusTokenizer, demo
        >>> PegasusTokenizer.from_pretrained(demo.folder()).build_inputs_with_special_tokens([200, 201], [202])
        [200, 201, 202, 1]
        """
        return [*token_ids_0, *(token_ids_1 or ()), self.eos_token_id]

    def get_special_tokens_mask(
        self,
        token_ids_0: list[int],
        token_ids_1: list[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """Return 1 for every special token but the unknown one, and 1 for the ``</s>`` that is to be added.

        >>> from minipegasus import PegasusTokenizer, demo
        >>> tokenizer = PegasusTokenizer.from_pretrained(demo.folder())
        >>> tokenizer.get_special_tokens_mask([200, 201])
        [0, 0, 1]
        >>> tokenizer.get_special_tokens_mask([200, 1, 0], already_has_special_tokens=True)
        [0, 1, 1]
        """
        special = set(self.all_special_ids) - {self.unk_token_id}
        if already_has_special_tokens:
            return [int(index in special) for index in token_ids_0]
        return [int(index in special) for index in (*token_ids_0, *(token_ids_1 or ()))] + [1]

    def init_settings(self) -> dict[str, Any]:
        """Return the constructor's arguments to save."""
        settings = super().init_settings() | {
            "additional_special_tokens": self.additional_special_tokens,
            "mask_token_sent": self.mask_token_sent,
            "offset": self.offset,
        }
        return settings if self.newline is None else settings | {"newline": self.newline}


class PegasusTokenizerFast(PegasusTokenizer):
    """:class:`PegasusTokenizer` under the name of transformers' fast tokenizer; ``is_fast`` is False all the same.

    There are no offsets, and the texts on which transformers' two tokenizers differ give the slow one's results.

    >>> from minipegasus import PegasusTokenizerFast, demo
    >>> PegasusTokenizerFast.from_pretrained(demo.folder()).is_fast
    False
    """


def _completed(given: Sequence[Token] | None, mask_token_sent: str | None, offset: int) -> list[Token]:
    """Return the additional special tokens: ``mask_token_sent`` first unless given, the ``<unk_i>`` last."""
    masks: list[Token] = [] if mask_token_sent is None else [mask_token_sent]
    if given is None:
        return [*masks, *(f"<unk_{i}>" for i in range(2, offset))]
    tokens = [*masks, *given] if mask_token_sent not in given else list(given)
    tokens += [f"<unk_{i}>" for i in range(len(tokens), offset - 1)]
    if twice := sorted({str(token) for token, times in Counter(tokens).items() if times > 1}):
        expected = "each once, also after completion with <unk_i>"
        named = ", ".join(twice[:5]) + (f" and {len(twice) - 5} more" if len(twice) > 5 else "")
        raise TokenizerError(f"additional_special_tokens: expected {expected}, found {named} again")
    return tokens
