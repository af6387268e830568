"""The tokenizer of RoBERTa checkpoints, for encoder-decoder pairs that are built from them."""

from pathlib import Path
from typing import Any

from ..errors import TokenizerError, quote
from .added_tokens import AddedToken, Token
from .base import PreTrainedTokenizer
from .files import FAST_FILE, MAX_VOCABULARY_BYTES, json_bytes, read_json
from .tokenizers_backend import LibraryModel, read_fast_model, read_ids, read_lines

__all__ = ["RobertaTokenizer", "RobertaTokenizerFast"]


class RobertaTokenizer(PreTrainedTokenizer):
    """Texts to ids and back for RoBERTa checkpoints: byte-level BPE; ``<s> A </s>`` or ``<s> A </s></s> B </s>``.

    Needs the extra ``minipegasus[tokenizers]``. Behaves as transformers' slow ``RobertaTokenizer``.

    Args:
        vocab_file, merges_file: paths of ``vocab.json`` and ``merges.txt``; or else
        tokenizer_file: path of ``tokenizer.json``.
        errors: what decoding does with bytes that are no UTF-8: "replace", "ignore" or "strict".
        add_prefix_space: whether a text that begins with no space is treated as if it did.
        bos_token, eos_token, sep_token, cls_token, unk_token, pad_token, mask_token: the special tokens; the mask
            swallows the space before it.
        settings: what every tokenizer takes, see :class:`PreTrainedTokenizer`.

    Raises:
        TokenizerError: neither kind of file is given, or one is missing or damaged.
        BackendError: the extra is not installed.

    >>> from minipegasus import RobertaTokenizer
    >>> tokenizer = RobertaTokenizer.from_pretrained("golden/tokenizer/roberta")
    >>> tokenizer("the man", return_tensors="np").input_ids
    array([[  0,  88, 262, 279, 316,   2]])
    >>> tokenizer.decode(tokenizer.encode("the man", " wrote"))
    '<s>the man</s></s> wrote</s>'
    """

    vocab_files_names = {"vocab_file": "vocab.json", "merges_file": "merges.txt"}  # noqa: RUF012
    model_input_names = ("input_ids", "attention_mask")

    def __init__(
        self,
        vocab_file: str | Path | None = None,
        merges_file: str | Path | None = None,
        tokenizer_file: str | Path | None = None,
        errors: str = "replace",
        add_prefix_space: bool = False,
        bos_token: Token = "<s>",
        eos_token: Token = "</s>",
        sep_token: Token = "</s>",
        cls_token: Token = "<s>",
        unk_token: Token = "<unk>",
        pad_token: Token = "<pad>",
        mask_token: Token = "<mask>",
        **settings: Any,
    ) -> None:
        path, ids, self._merges = _read(vocab_file, merges_file, tokenizer_file)
        self.errors = errors
        self.add_prefix_space = add_prefix_space

        def make(library: Any) -> Any:
            tokenizer = library.Tokenizer(library.models.BPE(ids, self._merges, unk_token=str(unk_token)))
            tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
            return tokenizer

        super().__init__(
            LibraryModel(str(path), ids, str(unk_token), make, self._join),
            bos_token=_flagged(bos_token),
            eos_token=_flagged(eos_token),
            sep_token=_flagged(sep_token),
            cls_token=_flagged(cls_token),
            unk_token=_flagged(unk_token),
            pad_token=_flagged(pad_token),
            mask_token=AddedToken(mask_token, lstrip=True, normalized=False)
            if isinstance(mask_token, str)
            else mask_token,
            **settings,
        )

    @classmethod
    def find_vocabulary(cls, folder: Path) -> dict[str, Any]:
        """Return the arguments for ``vocab.json`` and ``merges.txt``, or else for ``tokenizer.json``.

        Raises:
            TokenizerError: there are neither.
        """
        complete = all((folder / name).is_file() for name in cls.vocab_files_names.values())
        if not complete and (folder / FAST_FILE).is_file():
            return {"tokenizer_file": folder / FAST_FILE}
        return super().find_vocabulary(folder)

    def _prepared(self, text: str, is_word: bool) -> str:
        return " " + text if (is_word or self.add_prefix_space) and text and not text[0].isspace() else text

    def _join(self, pieces: list[str]) -> str:
        try:
            data = bytes(_BYTES[char] for char in "".join(pieces))
        except KeyError as error:
            raise TokenizerError(f"tokens: expected byte-level pieces, found the character {error}") from None
        return data.decode("utf-8", errors=self.errors)

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Return ``<s> A </s>``, or ``<s> A </s></s> B </s>``.

        >>> from minipegasus import RobertaTokenizer
        >>> RobertaTokenizer.from_pretrained("golden/tokenizer/roberta").build_inputs_with_special_tokens([7, 8], [9])
        [0, 7, 8, 2, 2, 9, 2]
        """
        sep = self.sep_token_id
        second = [] if token_ids_1 is None else [sep, *token_ids_1, sep]
        return [self.cls_token_id, *token_ids_0, sep, *second]

    def create_token_type_ids_from_sequences(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Return zeros: RoBERTa has one type.

        >>> from minipegasus import RobertaTokenizer
        >>> tokenizer = RobertaTokenizer.from_pretrained("golden/tokenizer/roberta")
        >>> tokenizer.create_token_type_ids_from_sequences([7, 8], [9])
        [0, 0, 0, 0, 0, 0, 0]
        """
        return [0] * len(self.build_inputs_with_special_tokens(token_ids_0, token_ids_1))

    def get_special_tokens_mask(
        self,
        token_ids_0: list[int],
        token_ids_1: list[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """Return 1 for the ``<s>`` and ``</s>`` that are to be added, or for every special token that is there.

        >>> from minipegasus import RobertaTokenizer
        >>> RobertaTokenizer.from_pretrained("golden/tokenizer/roberta").get_special_tokens_mask([7, 8], [9])
        [1, 0, 0, 1, 1, 0, 1]
        """
        if already_has_special_tokens:
            return super().get_special_tokens_mask(token_ids_0, token_ids_1, True)
        second = [] if token_ids_1 is None else [1, *[0] * len(token_ids_1), 1]
        return [1, *[0] * len(token_ids_0), 1, *second]

    def _vocabulary_files(self) -> dict[str, bytes]:
        vocab, merges = self.vocab_files_names.values()
        lines = "".join(f"{first} {second}\n" for first, second in self._merges)
        return {vocab: json_bytes(self._model.ids), merges: f"#version: 0.2\n{lines}".encode()}

    def init_settings(self) -> dict[str, Any]:
        """Return the constructor's arguments to save."""
        return super().init_settings() | {"errors": self.errors, "add_prefix_space": self.add_prefix_space}


class RobertaTokenizerFast(RobertaTokenizer):
    """:class:`RobertaTokenizer` under the name of transformers' fast tokenizer; ``is_fast`` is False all the same.

    >>> from minipegasus import RobertaTokenizerFast
    >>> RobertaTokenizerFast.from_pretrained("golden/tokenizer/roberta").is_fast
    False
    """


def _flagged(token: Token) -> Token:
    return AddedToken(token) if isinstance(token, str) else token


def _read(vocab_file: Any, merges_file: Any, tokenizer_file: Any) -> tuple[Path, dict[str, int], list[tuple[str, str]]]:
    """Return the file that was read, the ids of its pieces and the merges in their order."""
    if vocab_file is not None and merges_file is not None:
        path = Path(vocab_file)
        ids = read_ids(path, read_json(path, MAX_VOCABULARY_BYTES))
        merges_path = Path(merges_file)
        lines: list[Any] = read_lines(merges_path)[1:]  # the first says the version
    elif tokenizer_file is not None:
        path = merges_path = Path(tokenizer_file)
        _, model = read_fast_model(path, "BPE")
        ids = read_ids(path, model.get("vocab"))
        lines = model.get("merges", [])
        if not isinstance(lines, list):
            raise TokenizerError(f"{path}: model: merges: expected a list, found {quote(lines)}")
    else:
        raise TokenizerError(
            "RobertaTokenizer: expected a vocab_file with a merges_file or a tokenizer_file, found neither"
        )
    pairs = [tuple(line.split()) if isinstance(line, str) else line for line in lines]
    for number, pair in enumerate(pairs):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(isinstance(one, str) for one in pair):
            raise TokenizerError(f"{merges_path}: merge {number}: expected two pieces, found {quote(lines[number])}")
    return path, ids, [(first, second) for first, second in pairs]


def _byte_of_char() -> dict[str, int]:
    """Return the byte that each character of a byte-level piece stands for: printable ones stand for themselves."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTES = _byte_of_char()
