"""Pieces by the SentencePiece library, and what the tokenizers over it share."""

from pathlib import Path
from typing import Any

from ..errors import TokenizerError
from .base import PreTrainedTokenizer
from .spiece_file import SpieceFile, read_spiece

__all__ = ["SentencePieceModel", "SentencePieceTokenizer"]


class SentencePieceModel:
    """A checked model file, loaded into the SentencePiece library; ``options`` are arguments of its processor."""

    def __init__(self, file: SpieceFile, where: str, options: dict[str, Any]) -> None:
        from sentencepiece import SentencePieceProcessor

        self.data = file.data
        self.pieces = file.pieces
        self.ids = {piece: index for index, piece in enumerate(file.pieces)}
        self.unk_id = file.unk_id
        self.processor = SentencePieceProcessor(**options)
        try:
            self.processor.LoadFromSerializedProto(file.data)
        except (RuntimeError, ValueError, OSError) as error:
            raise TokenizerError(f"{where}: expected a model that SentencePiece loads, found: {error}") from None

    def encode(self, text: str) -> list[str]:
        """Return the pieces of ``text``; a run of unknown characters is one piece with their surface."""
        pieces: list[str] = self.processor.encode(text, out_type=str)
        return pieces

    def decode(self, pieces: list[str]) -> str:
        """Return the text that ``pieces`` stand for."""
        text: str = self.processor.decode(pieces) if pieces else ""
        return text


class SentencePieceTokenizer(PreTrainedTokenizer):
    """What :class:`PegasusTokenizer` and :class:`BertGenerationTokenizer` share: the model file and decoding."""

    vocab_files_names = {"vocab_file": "spiece.model"}  # noqa: RUF012
    model_input_names = ("input_ids", "attention_mask")

    def __init__(
        self,
        vocab_file: str | Path,
        sp_model_kwargs: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.vocab_file = str(vocab_file)
        self.sp_model_kwargs = sp_model_kwargs or {}
        self._spiece = SentencePieceModel(read_spiece(Path(vocab_file)), self.vocab_file, self.sp_model_kwargs)
        super().__init__(self._spiece, **settings)

    @property
    def sp_model(self) -> Any:
        """The ``sentencepiece.SentencePieceProcessor`` behind the tokenizer.

        Its ids are the file's own, without Pegasus' offset.

        >>> from minipegasus import PegasusTokenizer
        >>> tokenizer = PegasusTokenizer.from_pretrained("golden/tokenizer/pegasus")
        >>> tokenizer.sp_model.encode("the man", out_type=str)
        ['▁the', '▁ma', 'n']
        """
        return self._spiece.processor

    def convert_tokens_to_string(self, tokens: Any) -> str:
        """Return the text of ``tokens``: runs of pieces decoded, special tokens as they are, stripped at both ends.

        >>> from minipegasus import PegasusTokenizer
        >>> tokenizer = PegasusTokenizer.from_pretrained("golden/tokenizer/pegasus")
        >>> tokenizer.convert_tokens_to_string(["▁the", "▁ma", "n", "</s>"])
        'the man</s>'
        """
        special = set(self.all_special_tokens)
        text = ""
        run: list[str] = []
        for token in tokens:
            if token in special:
                text += self._spiece.decode(run) + token
                run = []
            else:
                run.append(token)
        return (text + self._spiece.decode(run)).strip()

    def _vocabulary_files(self) -> dict[str, bytes]:
        return {self.vocab_files_names["vocab_file"]: self._spiece.data}

    def init_settings(self) -> dict[str, Any]:
        """Return the constructor's arguments to save."""
        return super().init_settings() | {"sp_model_kwargs": self.sp_model_kwargs}
