"""Texts to tokens to ids and back, for one text: the pieces of a model with added tokens beside them."""

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, overload

from ..errors import InputError, TokenizerError, quote
from .added_tokens import AddedToken, Token, TokenSplitter
from .special_tokens import SPECIAL_TOKEN_NAMES, SpecialTokens

__all__ = ["PieceModel", "Vocabulary"]


class PieceModel(Protocol):
    """What cuts plain text into pieces: SentencePiece, WordPiece or byte-level BPE."""

    @property
    def pieces(self) -> Sequence[str]:
        """The pieces in the order of their ids."""

    @property
    def ids(self) -> Mapping[str, int]:
        """The id of every piece."""

    @property
    def unk_id(self) -> int | None:
        """The id of what is no piece, if the model knows one."""

    def encode(self, text: str) -> list[str]:
        """Return the pieces of ``text``; unknown parts keep their surface."""

    def decode(self, pieces: list[str]) -> str:
        """Return the text that ``pieces``, none of them special, stand for."""


class Vocabulary(SpecialTokens):
    """The token level of a tokenizer. Piece ``k`` of the model has the id ``k + offset``."""

    offset: int = 0
    clean_up_tokenization_spaces: bool = False
    split_special_tokens: bool = False

    def __init__(
        self,
        model: PieceModel,
        special_tokens: Mapping[str, Token | None],
        additional_special_tokens: Iterable[Token] = (),
        extra_special_tokens: Mapping[str, Token] | None = None,
        added_tokens_decoder: Mapping[int, AddedToken] | None = None,
    ) -> None:
        super().__init__(special_tokens, additional_special_tokens, extra_special_tokens or {})
        self._model = model
        self._added_decoder = dict(added_tokens_decoder or {})
        self._added_encoder = {token.content: index for index, token in self._added_decoder.items()}
        self._add_tokens([t for t in self.all_special_tokens_extended if t not in self._added_encoder], special=True)

    # -- sizes and tables

    @property
    def vocab_size(self) -> int:
        """Number of ids below the added tokens: the pieces and the offset."""
        return len(self._model.pieces) + self.offset

    def __len__(self) -> int:
        return self._size

    @property
    def is_fast(self) -> bool:
        """False: texts are tokenized as the reference's slow tokenizers do, whatever the class is called."""
        return False

    def get_vocab(self) -> dict[str, int]:
        """Return the id of every token, pieces and added tokens.

        >>> from minipegasus import PegasusTokenizer
        >>> tokenizer = PegasusTokenizer.from_pretrained("golden/tokenizer/pegasus")
        >>> len(tokenizer.get_vocab()) == len(tokenizer), tokenizer.get_vocab()["</s>"]
        (True, 1)
        """
        names = [""] * self.offset + list(self._model.pieces)
        for index, token in self._added_decoder.items():
            if index < len(names):
                names[index] = token.content
        return {name: index for index, name in enumerate(names)} | self.added_tokens_encoder

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """The added tokens by id, in rising order."""
        return dict(sorted(self._added_decoder.items()))

    @property
    def added_tokens_encoder(self) -> dict[str, int]:
        """The ids of the added tokens, in rising order."""
        return {token.content: index for index, token in self.added_tokens_decoder.items()}

    def get_added_vocab(self) -> dict[str, int]:
        """Return the ids of the added tokens.

        >>> from minipegasus import PegasusTokenizer
        >>> tokenizer = PegasusTokenizer.from_pretrained("golden/tokenizer/pegasus")
        >>> tokenizer.get_added_vocab()["<mask_1>"]
        2
        """
        return dict(self._added_encoder)

    # -- adding

    def add_tokens(self, new_tokens: Token | Sequence[Token], special_tokens: bool = False) -> int:
        """Add tokens that are never split; return how many were new to the vocabulary (they get the next ids).

        A token that is a piece already keeps its id and is from now on never split. With ``special_tokens`` they are
        special too. A model's embedding matrix does not grow with it.

        Raises:
            InputError: a token that is no string or :class:`AddedToken`.

        >>> from minipegasus import PegasusTokenizer
        >>> tokenizer = PegasusTokenizer.from_pretrained("golden/tokenizer/pegasus")
        >>> tokenizer.add_tokens(["<speaker>", "the"]), tokenizer.tokenize("<speaker>the man")
        (2, ['<speaker>', 'the', '▁ma', 'n'])
        """
        if isinstance(new_tokens, (str, AddedToken)):
            new_tokens = [new_tokens] if new_tokens else []
        return self._add_tokens(new_tokens, special_tokens) if new_tokens else 0

    def add_special_tokens(
        self,
        special_tokens_dict: Mapping[str, Token | Sequence[Token]],
        replace_additional_special_tokens: bool = True,
    ) -> int:
        """Set named special tokens and add them where they are new; return how many were.

        ``special_tokens_dict`` maps ``"pad_token"`` and so on to a token and ``"additional_special_tokens"`` to a
        list, which replaces the present one (whose tokens stay in the vocabulary, no longer special) or extends it.

        Raises:
            InputError: a name or value of another kind.

        >>> from minipegasus import PegasusTokenizer
        >>> tokenizer = PegasusTokenizer.from_pretrained("golden/tokenizer/pegasus")
        >>> tokenizer.add_special_tokens({"bos_token": "<s>"}), tokenizer.bos_token
        (1, '<s>')
        """
        added: list[Token] = []
        for name, value in special_tokens_dict.items():
            if name in SPECIAL_TOKEN_NAMES and isinstance(value, (str, AddedToken)):
                token = _as_special(value)
                self._named[name] = token
                added += [token] if token not in added else []
            elif name == "additional_special_tokens" and isinstance(value, (list, tuple)):
                present = set() if replace_additional_special_tokens else set(self.additional_special_tokens)
                tokens = [_as_special(token) for token in value if str(token) not in present]
                if replace_additional_special_tokens and tokens:
                    self._additional = list(tokens)
                else:
                    self._additional += tokens
                added += tokens
            else:
                expected = f"{', '.join(SPECIAL_TOKEN_NAMES)} with a token, or additional_special_tokens with a list"
                raise InputError(f"special_tokens_dict: expected {expected}, found {name!r}: {value!r}")
        return self._add_tokens(added, special=True) if added else 0

    def _add_tokens(self, new_tokens: Iterable[Token], special: bool) -> int:
        vocab = self.get_vocab()
        special_now = set(self.all_special_tokens)
        before = len(vocab)
        for token in new_tokens:
            if not isinstance(token, (str, AddedToken)):
                raise InputError(f"new_tokens: expected strings or AddedToken, found {token!r}")
            if not str(token) or (isinstance(token, str) and token in self._added_encoder):
                continue
            token = self._as_added(token, special or str(token) in special_now, special)
            index = vocab.setdefault(token.content, len(vocab))
            if token.special and token.content not in special_now:
                self._additional.append(token)
                special_now.add(token.content)
            self._added_decoder[index] = token
            self._added_encoder[token.content] = index
        self._splitter = TokenSplitter(self._added_encoder)
        self._size = len(self.get_vocab())
        return len(vocab) - before

    def _as_added(self, token: Token, special_string: bool, special: bool) -> AddedToken:
        """Return ``token`` as it is stored: a string becomes special by its name or by demand, an object by demand."""
        if isinstance(token, str):
            return AddedToken(token, special=special_string)
        return replace(token, special=True) if special else token

    # -- text to tokens

    def tokenize(
        self, text: str, *, split_special_tokens: bool | None = None, is_split_into_words: bool = False
    ) -> list[str]:
        """Return the tokens of ``text`` as strings: added tokens as they stand in it, and the pieces between them.

        ``split_special_tokens`` (by default the tokenizer's own setting) makes special strings in the text plain text.

        Raises:
            InputError: ``text`` is no string, or holds a lone surrogate.

        >>> from minipegasus import PegasusTokenizer
        >>> tokenizer = PegasusTokenizer.from_pretrained("golden/tokenizer/pegasus")
        >>> tokenizer.tokenize("the man</s>")
        ['▁the', '▁ma', 'n', '</s>']
        """
        if not isinstance(text, str):
            raise InputError(f"text: expected a string, found {quote(text)}")
        try:
            text.encode()  # of what cannot be, each library says something else
        except UnicodeEncodeError as error:
            found = f"{text[error.start]!r} at {error.start}"
            raise InputError(f"text: expected Unicode without lone surrogates, found {found}") from None
        if split_special_tokens is None:
            split_special_tokens = self.split_special_tokens
        text = self._prepared(text, is_split_into_words)
        if split_special_tokens:
            return self._pieces(text)
        tokens: list[str] = []
        for part in self._parts(text):
            if part in self._added_encoder:
                tokens.append(part)
            else:
                tokens += self._pieces(part)
        return tokens

    def _prepared(self, text: str, is_word: bool) -> str:
        """Return ``text`` as it is searched for added tokens; ``is_word`` when it is one word of a longer text."""
        return text

    def _pieces(self, text: str) -> list[str]:
        return self._model.encode(text) if text else []

    def _parts(self, text: str) -> list[str]:
        """Cut ``text`` at its added tokens and apply what they do to their neighbours."""
        parts = self._splitter.split(text)
        for i, part in enumerate(parts):
            index = self._added_encoder.get(part)
            if index is None:
                continue
            token = self._added_decoder[index]
            left = parts[i - 1] if i > 0 else ""
            right = parts[i + 1] if i + 1 < len(parts) else ""
            if token.rstrip and right:
                parts[i + 1] = right.lstrip()
            if token.lstrip and left:
                parts[i - 1] = left.rstrip()
            if token.single_word and left and left[-1] != " ":
                parts[i - 1] += part
                parts[i] = ""
            elif token.single_word and right and right[0] != " ":
                parts[i + 1] = part + parts[i + 1]
                parts[i] = ""
        return parts

    # -- tokens to ids and back

    def _token_to_id(self, token: str) -> int:
        index = self._added_encoder.get(token)
        return self._piece_to_id(token) if index is None else index

    def _piece_to_id(self, piece: str) -> int:
        index = self._model.ids.get(piece, self._model.unk_id)
        if index is None:
            raise TokenizerError(f"token {piece!r}: expected a piece or an unk_token for it, found neither")
        return index + self.offset

    def _id_to_token(self, index: int) -> str:
        number = _integer(index)
        token = self._added_decoder.get(number)
        if token is not None:
            return token.content
        if not self.offset <= number < self.vocab_size:
            raise TokenizerError(f"id {number}: expected 0 to {self.vocab_size - 1} or an added token's, found neither")
        return self._model.pieces[number - self.offset]

    @overload  # a string is an iterable of strings too: the first signature goes before
    def convert_tokens_to_ids(self, tokens: str) -> int: ...  # type: ignore[overload-overlap]
    @overload
    def convert_tokens_to_ids(self, tokens: Iterable[str]) -> list[int]: ...
    def convert_tokens_to_ids(self, tokens: str | Iterable[str]) -> int | list[int]:
        """Return the id of one token, or the ids of several. What is no token has the id of ``unk_token``.

        Raises:
            TokenizerError: it is no token and there is no ``unk_token``.

        >>> from minipegasus import PegasusTokenizer
        >>> tokenizer = PegasusTokenizer.from_pretrained("golden/tokenizer/pegasus")
        >>> tokenizer.convert_tokens_to_ids(["▁the", "</s>", "no token"]), tokenizer.unk_token_id
        ([108, 1, 105], 105)
        """
        if isinstance(tokens, str):
            return self._token_to_id(tokens)
        return [self._token_to_id(token) for token in tokens]

    @overload
    def convert_ids_to_tokens(self, ids: int, skip_special_tokens: bool = False) -> str: ...
    @overload
    def convert_ids_to_tokens(self, ids: Iterable[int], skip_special_tokens: bool = False) -> list[str]: ...
    def convert_ids_to_tokens(self, ids: int | Iterable[int], skip_special_tokens: bool = False) -> str | list[str]:
        """Return the token of one id, or the tokens of several, without the special ones if they are to be skipped.

        Raises:
            TokenizerError: an id that no token has.
            InputError: an id that is no integer.

        >>> from minipegasus import PegasusTokenizer
        >>> tokenizer = PegasusTokenizer.from_pretrained("golden/tokenizer/pegasus")
        >>> tokenizer.convert_ids_to_tokens([108, 427, 117, 1], skip_special_tokens=True)
        ['▁the', '▁ma', 'n']
        """
        if not isinstance(ids, Iterable):
            return self._id_to_token(ids)
        skipped = set(self.all_special_ids) if skip_special_tokens else set()
        return [self._id_to_token(index) for index in map(_integer, ids) if index not in skipped]

    # -- back to text

    def convert_tokens_to_string(self, tokens: Iterable[str]) -> str:
        """Return the text of ``tokens``.

        >>> from minipegasus import BertTokenizer
        >>> BertTokenizer.from_pretrained("golden/tokenizer/bert").convert_tokens_to_string(["m", "##a", "##n"])
        'man'
        """
        return self._model.decode(list(tokens))

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        spaces_between_special_tokens: bool = True,
    ) -> str:
        """Return the text of an id or a sequence of ids: a list, or an integer array of one axis.

        ``skip_special_tokens`` leaves all special tokens out, the unknown one too; ``clean_up_tokenization_spaces`` (by
        default the tokenizer's own setting) drops the spaces before punctuation and English contractions;
        ``spaces_between_special_tokens`` sets tokens apart that were added to the vocabulary.

        Raises:
            TokenizerError: an id that no token has.
            InputError: an id that is no integer.

        >>> from minipegasus import PegasusTokenizer
        >>> tokenizer = PegasusTokenizer.from_pretrained("golden/tokenizer/pegasus")
        >>> tokenizer.decode([108, 427, 117, 1]), tokenizer.decode([108, 427, 117, 1], skip_special_tokens=True)
        ('the man</s>', 'the man')
        """
        ids = token_ids.tolist() if hasattr(token_ids, "tolist") else token_ids
        tokens = self.convert_ids_to_tokens(ids if isinstance(ids, Iterable) else [ids], skip_special_tokens)
        special = set(self.all_special_tokens)
        if skip_special_tokens:
            tokens = [token for token in tokens if token not in special]
        text = (" " if spaces_between_special_tokens else "").join(self._texts(tokens, special))
        if clean_up_tokenization_spaces is None:
            clean_up_tokenization_spaces = self.clean_up_tokenization_spaces
        return self.clean_up_tokenization(text) if clean_up_tokenization_spaces else text

    def _texts(self, tokens: list[str], special: set[str]) -> list[str]:
        """Cut ``tokens`` at those beyond the vocabulary, which stand alone; return the texts between and them."""
        beyond = {token for token in self.additional_special_tokens if self._token_to_id(token) >= self.vocab_size}
        alone = (self._added_encoder.keys() - special) | beyond
        texts: list[str] = []
        run: list[str] = []
        for token in tokens:
            if token not in alone:
                run.append(token)
                continue
            if run and (text := self.convert_tokens_to_string(run)):
                texts.append(text)
            run = []
            texts.append(token)
        return [*texts, self.convert_tokens_to_string(run)] if run else texts

    def batch_decode(
        self,
        sequences: Iterable[Any],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        spaces_between_special_tokens: bool = True,
    ) -> list[str]:
        """Return the text of every row of ``sequences``: :meth:`decode`, row by row.

        ``sequences`` is what ``generate`` returns, integers ``(batch, length)``, or a list of such rows of any length.

        >>> from minipegasus import PegasusTokenizer
        >>> tokenizer = PegasusTokenizer.from_pretrained("golden/tokenizer/pegasus")
        >>> tokenizer.batch_decode([[0, 108, 427, 117, 1], [0, 193, 1, 0, 0]], skip_special_tokens=True)
        ['the man', 'wrote']
        """
        return [
            self.decode(row, skip_special_tokens, clean_up_tokenization_spaces, spaces_between_special_tokens)
            for row in sequences
        ]

    @staticmethod
    def clean_up_tokenization(out_string: str) -> str:
        """Return ``out_string`` without the spaces before punctuation and English contractions.

        >>> Vocabulary.clean_up_tokenization("it 's here , is n't it ?")
        "it's here, isn't it?"
        """
        for spaced in (" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're"):
            out_string = out_string.replace(spaced, spaced.strip())
        return out_string


def _integer(index: Any) -> int:
    try:
        return operator.index(index)
    except TypeError:
        raise InputError(f"ids: expected integers, found {quote(index)}") from None


def _as_special(token: Token) -> AddedToken:
    if not isinstance(token, (str, AddedToken)):
        raise InputError(f"special_tokens_dict: expected strings or AddedToken, found {token!r}")
    return AddedToken(token, special=True) if isinstance(token, str) else replace(token, special=True)
