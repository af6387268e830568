"""The call level of a tokenizer: batches, pairs, truncation, padding, masks; loading and saving."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import Parameter, signature
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Self

from ..errors import InputError, TokenizerError, quote
from .added_tokens import AddedToken, Token
from .encoding import BatchEncoding, EncodeOptions
from .files import read_settings, save_files, setting_files
from .preparation import Preparation
from .vocabulary import PieceModel

__all__ = ["NO_LIMIT", "PreTrainedTokenizer"]

NO_LIMIT = int(1e30)  # model_max_length where nothing says one

Text = str | Sequence[str] | Sequence[int]  # a text, its words or tokens, or its ids


class PreTrainedTokenizer(Preparation):
    """What all tokenizers share. It behaves as the slow tokenizers of transformers 4.56.2 do.

    Differences on purpose: a single text is truncated to ``max_length=1`` too; ``split_special_tokens`` of a call also
    holds for batches; rows of unequal length are refused with ``return_tensors="np"``; inputs are never modified; what
    is wrong raises :class:`~minipegasus.errors.InputError` or :class:`~minipegasus.errors.TokenizerError` (both are
    ``ValueError``). Warnings go to the ``logging`` module.

    >>> from minipegasus import AutoTokenizer, demo
    >>> tokenizer = AutoTokenizer.from_pretrained(demo.folder())
    >>> isinstance(tokenizer, PreTrainedTokenizer), tokenizer.padding_side, tokenizer.pad_token_id
    (True, 'right', 0)
    """

    #: Argument of the constructor -> name of its file in a folder.
    vocab_files_names: ClassVar[dict[str, str]] = {}
    model_input_names: Sequence[str] = ("input_ids", "token_type_ids", "attention_mask")
    padding_side: str = "right"
    truncation_side: str = "right"

    def __init__(
        self,
        model: PieceModel,
        *,
        bos_token: Token | None = None,
        eos_token: Token | None = None,
        unk_token: Token | None = None,
        sep_token: Token | None = None,
        pad_token: Token | None = None,
        cls_token: Token | None = None,
        mask_token: Token | None = None,
        additional_special_tokens: Sequence[Token] | None = None,
        extra_special_tokens: Mapping[str, Token] | None = None,
        added_tokens_decoder: Mapping[int, AddedToken] | None = None,
        model_max_length: float | None = None,
        padding_side: str = "right",
        truncation_side: str = "right",
        model_input_names: Sequence[str] | None = None,
        clean_up_tokenization_spaces: bool = False,
        split_special_tokens: bool = False,
        name_or_path: str = "",
    ) -> None:
        for name, side in (("padding_side", padding_side), ("truncation_side", truncation_side)):
            if side not in ("right", "left"):
                raise InputError(f"{name}: expected 'right' or 'left', found {side!r}")
        self.model_max_length = NO_LIMIT if model_max_length is None else model_max_length
        self.padding_side = padding_side
        self.truncation_side = truncation_side
        self.model_input_names = list(model_input_names or type(self).model_input_names)
        self.clean_up_tokenization_spaces = clean_up_tokenization_spaces
        self.split_special_tokens = split_special_tokens
        self.name_or_path = name_or_path
        self.other_config: dict[str, Any] = {}  # what the file said that is of no use here, kept for saving
        self._warned: set[str] = set()
        named = {
            "bos_token": bos_token,
            "eos_token": eos_token,
            "unk_token": unk_token,
            "sep_token": sep_token,
            "pad_token": pad_token,
            "cls_token": cls_token,
            "mask_token": mask_token,
        }
        super().__init__(model, named, additional_special_tokens or (), extra_special_tokens, added_tokens_decoder)

    # -- files

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **settings: Any) -> Self:
        """Return the tokenizer of a folder, or of a model name that the hub's cache on this machine holds.

        Reads the vocabulary file and, where present, ``tokenizer_config.json``, ``special_tokens_map.json`` and
        ``added_tokens.json``. ``settings`` are arguments of the constructor and replace what the files say, and
        ``revision`` (of a cached name) and ``subfolder``. Nothing is ever downloaded.

        Raises:
            CheckpointError: there is no such folder.
            TokenizerError: files that are missing or damaged.
            TypeError: settings that the class does not have.

        >>> from minipegasus import PegasusTokenizer, demo
        >>> PegasusTokenizer.from_pretrained(demo.folder(), padding_side="left").padding_side
        'left'
        >>> PegasusTokenizer.from_pretrained("golden/tokenizer/bert")
        Traceback (most recent call last):
        minipegasus.errors.TokenizerError: golden/tokenizer/bert: PegasusTokenizer expected spiece.model, found ...
        """
        arguments, other = read_settings(cls, pretrained_model_name_or_path, settings)
        tokenizer = cls(**arguments)
        tokenizer.other_config = other
        return tokenizer

    @classmethod
    def setting_names(cls) -> set[str]:
        """Return the names of the constructor's keyword arguments.

        >>> from minipegasus import PegasusTokenizer
        >>> {"offset", "padding_side"} <= PegasusTokenizer.setting_names()
        True
        """
        parents = [parent for parent in cls.__mro__ if issubclass(parent, PreTrainedTokenizer)]
        found = [signature(parent.__init__).parameters.values() for parent in parents]
        named = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
        return {one.name for many in found for one in many if one.kind in named} - {"self", "model"}

    @classmethod
    def find_vocabulary(cls, folder: Path) -> dict[str, Any]:
        """Return the constructor's arguments that name the vocabulary files in ``folder``.

        Raises:
            TokenizerError: one of the files is missing.

        >>> from minipegasus import PegasusTokenizer, demo
        >>> PegasusTokenizer.find_vocabulary(demo.folder())["vocab_file"].name
        'spiece.model'
        """
        missing = [name for name in cls.vocab_files_names.values() if not (folder / name).is_file()]
        if missing:
            found = ", ".join(sorted(path.name for path in folder.iterdir())[:20]) or "no file"
            raise TokenizerError(f"{folder}: {cls.__name__} expected {' and '.join(missing)}, found {found}")
        return {argument: folder / name for argument, name in cls.vocab_files_names.items()}

    def save_pretrained(self, save_directory: str | Path, filename_prefix: str | None = None) -> tuple[str, ...]:
        """Write the files that :meth:`from_pretrained`, here and in transformers, reads; return their paths.

        ``save_directory`` is made where it is missing; ``filename_prefix`` and a hyphen are put before the names. The
        files appear when all are complete.

        Raises:
            CheckpointError: the folder cannot be written.

        >>> import tempfile
        >>> from minipegasus import PegasusTokenizer, demo
        >>> folder = Path(tempfile.mkdtemp())
        >>> paths = PegasusTokenizer.from_pretrained(demo.folder()).save_pretrained(folder)
        >>> sorted(Path(path).name for path in paths)
        ['special_tokens_map.json', 'spiece.model', 'tokenizer_config.json']
        """
        return save_files(save_directory, setting_files(self) | self._vocabulary_files(), filename_prefix)

    def save_vocabulary(self, save_directory: str | Path, filename_prefix: str | None = None) -> tuple[str, ...]:
        """Write the vocabulary files alone into the folder ``save_directory``, which exists; return their paths.

        ``filename_prefix`` and a hyphen are put before their names. A SentencePiece model is written byte for byte as
        it was read.

        Raises:
            TokenizerError: ``save_directory`` is no folder.
            CheckpointError: it cannot be written.

        >>> import tempfile
        >>> from minipegasus import PegasusTokenizer, demo
        >>> path, = PegasusTokenizer.from_pretrained(demo.folder()).save_vocabulary(tempfile.mkdtemp(), "demo")
        >>> Path(path).name
        'demo-spiece.model'
        """
        if not Path(save_directory).is_dir():
            raise TokenizerError(f"{save_directory}: expected a folder to save into, found none")
        return save_files(save_directory, self._vocabulary_files(), filename_prefix)

    def _vocabulary_files(self) -> dict[str, bytes]:
        """Return the vocabulary's files, by name."""
        raise NotImplementedError

    def init_settings(self) -> dict[str, Any]:
        """Return the constructor's arguments that differ between tokenizers of this class: what saving writes.

        >>> from minipegasus import PegasusTokenizer, demo
        >>> PegasusTokenizer.from_pretrained(demo.folder(), truncation_side="left").init_settings()["truncation_side"]
        'left'
        """
        settings: dict[str, Any] = {
            "model_max_length": self.model_max_length,
            "clean_up_tokenization_spaces": self.clean_up_tokenization_spaces,
        }
        for name in ("padding_side", "truncation_side", "split_special_tokens"):
            if getattr(self, name) != getattr(type(self), name):
                settings[name] = getattr(self, name)
        if self.model_input_names != list(type(self).model_input_names):
            settings["model_input_names"] = self.model_input_names
        return settings

    # -- calls

    def __call__(
        self,
        text: Text | Sequence[Text] | None = None,
        text_pair: Text | Sequence[Text] | None = None,
        text_target: Text | Sequence[Text] | None = None,
        text_pair_target: Text | Sequence[Text] | None = None,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        verbose: bool = True,
        split_special_tokens: bool | None = None,
    ) -> BatchEncoding:
        """Encode a text or a batch of texts, alone or with a second text each.

        Args:
            text: a string or a list of strings. With ``is_split_into_words`` a list of words or a list of such lists;
                without it, a list of lists of two strings is a batch of pairs.
            text_pair: the second text, in the form of ``text``.
            text_target, text_pair_target: texts for the decoder. Alone they are encoded as ``text`` is; beside a
                ``text`` their ids come back as ``labels``.
            add_special_tokens: whether the special tokens of the model are added.
            padding: True or "longest" to the longest row of the batch, "max_length" to ``max_length`` or else to
                :attr:`model_max_length`, False or "do_not_pad".
            truncation: True or "longest_first" (of a pair the longer one first), "only_first", "only_second", False or
                "do_not_truncate". None is False, unless ``max_length`` is given without padding.
            max_length: length in tokens, the special ones included, for the two above.
            stride: how many kept tokens ``overflowing_tokens`` repeats.
            pad_to_multiple_of: rounds the padded length up.
            padding_side: "right" or "left", instead of the tokenizer's own.
            return_tensors: "np" for int64 arrays ``(batch, length)``, also for a single text; None for lists.
            return_token_type_ids, return_attention_mask: None for what :attr:`model_input_names` says.
            return_overflowing_tokens: adds ``overflowing_tokens`` and ``num_truncated_tokens``.
            return_special_tokens_mask: adds ``special_tokens_mask``: 1 for special and padding tokens.
            return_offsets_mapping: not available.
            return_length: adds ``length``, which for a batch is counted before padding.
            verbose: False silences the logged warnings.
            split_special_tokens: True makes special tokens that a text spells out (``</s>``) plain text: the safe mode
                for text from strangers. None is the tokenizer's own setting.

        Raises:
            InputError: an option or a text has the wrong type or value, or rows of unequal length are to be arrays.

        >>> from minipegasus import PegasusTokenizer
        >>> tokenizer = PegasusTokenizer.from_pretrained("golden/tokenizer/pegasus")
        >>> batch = tokenizer(["the man", "the man wrote"], padding=True, return_tensors="np")
        >>> batch.input_ids.shape, batch.input_ids.dtype.name, batch.attention_mask[0].tolist()
        ((2, 5), 'int64', [1, 1, 1, 1, 0])
        >>> tokenizer.batch_decode(batch.input_ids, skip_special_tokens=True)
        ['the man', 'the man wrote']
        >>> [tokenizer.encode("the</s>man", split_special_tokens=safe).count(1) for safe in (False, True)]
        [2, 1]
        """
        options = EncodeOptions(
            add_special_tokens=add_special_tokens,
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            stride=stride,
            is_split_into_words=is_split_into_words,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side,
            return_tensors=return_tensors,
            return_token_type_ids=return_token_type_ids,
            return_attention_mask=return_attention_mask,
            return_overflowing_tokens=return_overflowing_tokens,
            return_special_tokens_mask=return_special_tokens_mask,
            return_offsets_mapping=return_offsets_mapping,
            return_length=return_length,
            verbose=verbose,
            split_special_tokens=split_special_tokens,
        )
        if text is None and text_target is None:
            raise InputError("text: expected a text or a text_target, found neither")
        if text is None:
            return self._call_one(text_target, text_pair_target, options)
        encoded = self._call_one(text, text_pair, options)
        if text_target is not None:
            encoded["labels"] = self._call_one(text_target, text_pair_target, options)["input_ids"]
        return encoded

    def _call_one(self, text: Any, pair: Any, options: EncodeOptions) -> BatchEncoding:
        for name, value in (("text", text), ("text_pair", pair)):
            if not _is_text(value) and not (name == "text_pair" and value is None):
                expected = "a string, a list of strings or a list of lists of strings"
                raise InputError(f"{name}: expected {expected}, found {quote(value)}")
        is_batch = isinstance(text, (list, tuple))
        if options.is_split_into_words:
            is_batch = is_batch and bool(text) and isinstance(text[0], (list, tuple))
        if not is_batch:
            return self._encode_one(text, pair, options)
        if pair is None:
            return self._encode_batch(text, options)
        if isinstance(pair, str) or len(pair) != len(text):
            found = "a string" if isinstance(pair, str) else f"a list of {len(pair)}"
            raise InputError(f"text_pair: expected a list of {len(text)} as text is, found {found}")
        return self._encode_batch(list(zip(text, pair, strict=True)), options)

    def encode(self, text: Text, text_pair: Text | None = None, **options: Any) -> Any:
        """Return the ids alone of one text or pair: a list, or with ``return_tensors="np"`` int64 ``(1, length)``.

        A list of strings is taken as tokens, a list of integers as ids. ``options`` and errors are those of
        :meth:`__call__`.

        >>> from minipegasus import PegasusTokenizer, demo
        >>> tokenizer = PegasusTokenizer.from_pretrained(demo.folder())
        >>> ids = tokenizer.encode("a short text")
        >>> ids[-1] == tokenizer.eos_token_id, len(tokenizer.encode("a short text", max_length=3, truncation=True))
        (True, 3)
        >>> tokenizer.encode("a short text", return_tensors="np").shape == (1, len(ids))
        True
        """
        return self.encode_plus(text, text_pair, **options)["input_ids"]

    def encode_plus(self, text: Text, text_pair: Text | None = None, **options: Any) -> BatchEncoding:
        """Encode one text, one list of tokens or one list of ids, or a pair of them; see :meth:`__call__`.

        >>> from minipegasus import PegasusTokenizer, demo
        >>> tokenizer = PegasusTokenizer.from_pretrained(demo.folder())
        >>> tokenizer.encode_plus([200, 201, 202], max_length=3, truncation=True)
        {'input_ids': [200, 201, 1], 'attention_mask': [1, 1, 1]}
        """
        return self._encode_one(text, text_pair, EncodeOptions(**options))

    def batch_encode_plus(self, batch_text_or_text_pairs: Sequence[Any], **options: Any) -> BatchEncoding:
        """Encode a list of texts (or of lists of tokens or ids in pairs), or of pairs of them; see :meth:`__call__`.

        >>> from minipegasus import PegasusTokenizer, demo
        >>> tokenizer = PegasusTokenizer.from_pretrained(demo.folder())
        >>> batch = tokenizer.batch_encode_plus([("a question", "its context"), ("another", "one")], padding=True)
        >>> len(batch.input_ids[0]) == len(batch.input_ids[1])
        True
        """
        return self._encode_batch(batch_text_or_text_pairs, EncodeOptions(**options))

    def _encode_one(self, text: Any, pair: Any, options: EncodeOptions) -> BatchEncoding:
        options = self._resolved(options)
        ids = self._ids(text, "text", options)
        pair_ids = None if pair is None else self._ids(pair, "text_pair", options)
        return self._finish(ids, pair_ids, options, batch_axis=True)

    def _encode_batch(self, batch: Sequence[Any], options: EncodeOptions) -> BatchEncoding:
        if not batch:
            raise InputError("text: expected at least one text in the batch, found an empty list")
        options = self._resolved(options)
        columns: dict[str, list[Any]] = {}
        for i, item in enumerate(batch):
            first, second = _as_pair(item, i, options.is_split_into_words)
            ids = self._ids(first, f"text {i}", options)
            pair_ids = None if second is None else self._ids(second, f"text_pair {i}", options)
            row = self._prepare(ids, pair_ids, options)
            if options.return_length:
                row["length"] = len(row["input_ids"])
            for name, value in row.items():
                columns.setdefault(name, []).append(value)
        return self._padded(columns, options, options.return_attention_mask)

    def _ids(self, text: Any, name: str, options: EncodeOptions) -> list[int]:
        """Return the ids of a text, of its words, of its tokens, or the ids that ``text`` is."""
        if isinstance(text, str):
            return self._text_ids(text, options, is_word=False)
        first = text[0] if isinstance(text, (list, tuple)) and text else None
        if isinstance(first, str) and options.is_split_into_words:
            return [index for word in text for index in self._text_ids(word, options, is_word=True)]
        if isinstance(first, str):
            return [self._token_to_id(token) for token in text]
        if isinstance(first, Integral):
            return list(text)
        raise InputError(f"{name}: expected a string or a list of strings or integers, found {quote(text)}")

    def _text_ids(self, text: str, options: EncodeOptions, is_word: bool) -> list[int]:
        split = self.split_special_tokens if options.split_special_tokens is None else options.split_special_tokens
        tokens = self.tokenize(text, split_special_tokens=split, is_split_into_words=is_word)
        # Pieces only: a piece that happens to spell an added token must not become it in the safe mode.
        return list(map(self._piece_to_id, tokens)) if split else self.convert_tokens_to_ids(tokens)

    # -- older interfaces that scripts for these models use

    @contextmanager
    def as_target_tokenizer(self) -> Iterator[None]:
        """Do nothing: texts for the decoder are encoded as the others. ``text_target`` of a call replaces this.

        >>> from minipegasus import PegasusTokenizer, demo
        >>> tokenizer = PegasusTokenizer.from_pretrained(demo.folder())
        >>> with tokenizer.as_target_tokenizer():
        ...     labels = tokenizer("a summary").input_ids
        >>> labels == tokenizer(text_target="a summary").input_ids
        True
        """
        yield

    def prepare_seq2seq_batch(
        self,
        src_texts: Sequence[str],
        tgt_texts: Sequence[str] | None = None,
        max_length: int | None = None,
        max_target_length: int | None = None,
        padding: bool | str = "longest",
        return_tensors: str | None = None,
        truncation: bool | str = True,
    ) -> BatchEncoding:
        """Encode texts and their targets, which come back as ``labels``: a call, with a length for each.

        ``max_length`` and ``max_target_length`` are lengths in tokens; errors are those of :meth:`__call__`.

        >>> from minipegasus import PegasusTokenizer, demo
        >>> tokenizer = PegasusTokenizer.from_pretrained(demo.folder())
        >>> batch = tokenizer.prepare_seq2seq_batch(["a long text"], ["a text"], max_length=4, return_tensors="np")
        >>> list(batch), batch.input_ids.dtype.name, batch.input_ids.shape
        (['input_ids', 'attention_mask', 'labels'], 'int64', (1, 4))
        """
        encoded = self(
            list(src_texts),
            max_length=max_length,
            padding=padding,
            truncation=truncation,
            return_tensors=return_tensors,
        )
        if tgt_texts is not None:
            encoded["labels"] = self(
                list(tgt_texts),
                max_length=max_length if max_target_length is None else max_target_length,
                padding=padding,
                truncation=truncation,
                return_tensors=return_tensors,
            )["input_ids"]
        return encoded


def _is_text(value: Any) -> bool:
    """Say whether ``value`` has the form of a text or of a batch, as far as its first element tells."""
    if isinstance(value, (list, tuple)) and value:
        first = value[0]
        return isinstance(first, str) or (isinstance(first, (list, tuple)) and (not first or isinstance(first[0], str)))
    return isinstance(value, (str, list, tuple))


def _as_pair(item: Any, i: int, is_split_into_words: bool) -> tuple[Any, Any]:
    """Return the text and the second text, or None, of the batch's element ``i``."""
    if not isinstance(item, (list, tuple)):
        return item, None
    if is_split_into_words and not (item and isinstance(item[0], (list, tuple))):
        return item, None
    if len(item) != 2:
        raise InputError(f"text {i}: expected a string or a pair, found a list of {len(item)}")
    return item[0], item[1]
