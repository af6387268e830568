"""The tokenizer of BERT checkpoints, for encoder-decoder pairs that are built from them."""

from pathlib import Path
from typing import Any

from ..errors import TokenizerError, quote
from .added_tokens import AddedToken, Token, TokenSplitter
from .base import PreTrainedTokenizer
from .files import FAST_FILE
from .tokenizers_backend import LibraryModel, read_fast_model, read_ids, read_lines

__all__ = ["BertTokenizer", "BertTokenizerFast"]

_FLAGS = {
    "do_lower_case": "lowercase",
    "tokenize_chinese_chars": "handle_chinese_chars",
    "strip_accents": "strip_accents",
}


class BertTokenizer(PreTrainedTokenizer):
    """Texts to ids and back for BERT checkpoints: words, then WordPiece; ``[CLS] A [SEP] B [SEP]``.

    Needs the extra ``minipegasus[tokenizers]``. Behaves as transformers' slow ``BertTokenizer``, but that the library
    cleans and splits the text as it does in the fast one.

    Args:
        vocab_file: path of ``vocab.txt``; or else
        tokenizer_file: path of ``tokenizer.json``.
        do_lower_case, tokenize_chinese_chars, strip_accents: how text is cleaned; None is what ``tokenizer_file`` says,
            else True, True and as ``do_lower_case``.
        unk_token, sep_token, pad_token, cls_token, mask_token: the special tokens.
        settings: what every tokenizer takes, see :class:`PreTrainedTokenizer`.

    Raises:
        TokenizerError: neither file is given, or one is missing or damaged.
        BackendError: the extra is not installed.

    >>> from minipegasus import BertTokenizer
    >>> tokenizer = BertTokenizer.from_pretrained("golden/tokenizer/bert")
    >>> tokenizer("The man", "wrote", return_tensors="np").token_type_ids
    array([[0, 0, 0, 0, 0, 0, 1, 1]])
    >>> tokenizer.decode(tokenizer.encode("The man wrote.", "He said"))
    '[CLS] the man wrote. [SEP] he said [SEP]'
    """

    vocab_files_names = {"vocab_file": "vocab.txt"}  # noqa: RUF012
    model_input_names = ("input_ids", "token_type_ids", "attention_mask")

    def __init__(
        self,
        vocab_file: str | Path | None = None,
        tokenizer_file: str | Path | None = None,
        do_lower_case: bool | None = None,
        tokenize_chinese_chars: bool | None = None,
        strip_accents: bool | None = None,
        unk_token: Token = "[UNK]",
        sep_token: Token | None = "[SEP]",
        pad_token: Token | None = "[PAD]",
        cls_token: Token | None = "[CLS]",
        mask_token: Token | None = "[MASK]",
        clean_up_tokenization_spaces: bool = True,
        **settings: Any,
    ) -> None:
        path, ids, saved = _read(vocab_file, tokenizer_file)
        given = {"do_lower_case": do_lower_case, "tokenize_chinese_chars": tokenize_chinese_chars}
        flags = {name: saved.get(_FLAGS[name], True) if flag is None else flag for name, flag in given.items()}
        self.do_lower_case: bool = flags["do_lower_case"]
        self.tokenize_chinese_chars: bool = flags["tokenize_chinese_chars"]
        self.strip_accents: bool | None = saved.get("strip_accents") if strip_accents is None else strip_accents

        def make(library: Any) -> Any:
            model = library.models.WordPiece(ids, unk_token=str(unk_token), max_input_chars_per_word=100)
            tokenizer = library.Tokenizer(model)
            tokenizer.normalizer = library.normalizers.BertNormalizer(
                clean_text=True,
                handle_chinese_chars=self.tokenize_chinese_chars,
                strip_accents=self.strip_accents,
                lowercase=self.do_lower_case,
            )
            tokenizer.pre_tokenizer = library.pre_tokenizers.BertPreTokenizer()
            return tokenizer

        super().__init__(
            LibraryModel(str(path), ids, str(unk_token), make, self._join),
            unk_token=unk_token,
            sep_token=sep_token,
            pad_token=pad_token,
            cls_token=cls_token,
            mask_token=mask_token,
            clean_up_tokenization_spaces=clean_up_tokenization_spaces,
            **settings,
        )

    @classmethod
    def find_vocabulary(cls, folder: Path) -> dict[str, Any]:
        """Return the argument for ``vocab.txt``, or else for ``tokenizer.json``.

        Raises:
            TokenizerError: there is neither.
        """
        if not (folder / "vocab.txt").is_file() and (folder / FAST_FILE).is_file():
            return {"tokenizer_file": folder / FAST_FILE}
        return super().find_vocabulary(folder)

    def _as_added(self, token: Token, special_string: bool, special: bool) -> AddedToken:
        added = super()._as_added(token, special_string, special)
        if self.do_lower_case and added.normalized and not added.special:
            return AddedToken(**(added.to_dict() | {"content": added.content.lower()}))
        return added

    def _prepared(self, text: str, is_word: bool) -> str:
        lowered = [token.content for token in self._added_decoder.values() if token.normalized and not token.special]
        if not (self.do_lower_case and lowered):
            return text
        # Added tokens of lower-casing tokenizers are in lower case: so must be the text that is searched for them.
        parts = TokenSplitter([*lowered, *self.all_special_tokens]).split(text)
        kept = {*lowered, *self.all_special_tokens}
        return "".join(part if part in kept else "".join(char.lower() for char in part) for part in parts)

    def _join(self, pieces: list[str]) -> str:
        return " ".join(pieces).replace(" ##", "").strip()

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Return ``[CLS] A [SEP]``, or ``[CLS] A [SEP] B [SEP]``.

        >>> from minipegasus import BertTokenizer
        >>> BertTokenizer.from_pretrained("golden/tokenizer/bert").build_inputs_with_special_tokens([7, 8], [9])
        [2, 7, 8, 3, 9, 3]
        """
        second = [] if token_ids_1 is None else [*token_ids_1, self.sep_token_id]
        return [self.cls_token_id, *token_ids_0, self.sep_token_id, *second]

    def get_special_tokens_mask(
        self,
        token_ids_0: list[int],
        token_ids_1: list[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """Return 1 for the ``[CLS]`` and ``[SEP]`` that are to be added, or for every special token that is there.

        >>> from minipegasus import BertTokenizer
        >>> BertTokenizer.from_pretrained("golden/tokenizer/bert").get_special_tokens_mask([7, 8], [9])
        [1, 0, 0, 1, 0, 1]
        """
        if already_has_special_tokens:
            return super().get_special_tokens_mask(token_ids_0, token_ids_1, True)
        second = [] if token_ids_1 is None else [0] * len(token_ids_1) + [1]
        return [1, *[0] * len(token_ids_0), 1, *second]

    def _vocabulary_files(self) -> dict[str, bytes]:
        return {"vocab.txt": "".join(f"{piece}\n" for piece in self._model.pieces).encode()}

    def init_settings(self) -> dict[str, Any]:
        """Return the constructor's arguments to save."""
        return super().init_settings() | {name: getattr(self, name) for name in _FLAGS}


class BertTokenizerFast(BertTokenizer):
    """:class:`BertTokenizer` that decodes as transformers' fast tokenizer; ``is_fast`` is False all the same.

    Punctuation that is a token of its own joins the word before it, whatever ``clean_up_tokenization_spaces`` says.

    >>> from minipegasus import BertTokenizer, BertTokenizerFast
    >>> for cls in (BertTokenizer, BertTokenizerFast):
    ...     tokenizer = cls.from_pretrained("golden/tokenizer/bert", clean_up_tokenization_spaces=False)
    ...     print(tokenizer.decode(tokenizer.encode("the man wrote."), skip_special_tokens=True))
    the man wrote .
    the man wrote.
    """

    def _join(self, pieces: list[str]) -> str:
        tokens = (piece.removeprefix("##") if piece.startswith("##") else f" {piece}" for piece in pieces[1:])
        return "".join([*pieces[:1], *map(self.clean_up_tokenization, tokens)])


def _read(vocab_file: Any, tokenizer_file: Any) -> tuple[Path, dict[str, int], dict[str, Any]]:
    """Return the file that was read, the ids of its pieces and what it says about cleaning text."""
    if vocab_file is not None:
        path = Path(vocab_file)
        return path, {piece: index for index, piece in enumerate(read_lines(path))}, {}
    if tokenizer_file is None:
        raise TokenizerError("BertTokenizer: expected a vocab_file or a tokenizer_file, found neither")
    path = Path(tokenizer_file)
    whole, model = read_fast_model(path, "WordPiece")
    normalizer = whole.get("normalizer")
    if not isinstance(normalizer, dict) or normalizer.get("type") != "BertNormalizer":
        raise TokenizerError(f"{path}: normalizer: expected a BertNormalizer, found {quote(normalizer)}")
    return path, read_ids(path, model.get("vocab")), normalizer
