"""From ids to what a model takes: truncation, special tokens, masks and padding of rows of ids."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import InputError
from .encoding import BatchEncoding, EncodeOptions, to_arrays, truncate
from .vocabulary import Vocabulary

__all__ = ["Preparation"]

logger = logging.getLogger(__name__)

_LARGE = int(1e20)  # a model_max_length above is no limit


class Preparation(Vocabulary):
    """The id level of a tokenizer: rows of ids made into a model's inputs."""

    model_input_names: Sequence[str]
    model_max_length: float
    padding_side: str
    truncation_side: str
    _warned: set[str]

    # -- the form of a sequence: what subclasses change

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Return the ids of one text or of a pair with the model's special tokens; here none are added.

        >>> from minipegasus import BertGenerationTokenizer
        >>> tokenizer = BertGenerationTokenizer.from_pretrained("golden/tokenizer/bert_generation")
        >>> tokenizer.build_inputs_with_special_tokens([7, 8], [9])
        [7, 8, 9]
        """
        return token_ids_0 + (token_ids_1 or [])

    def create_token_type_ids_from_sequences(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Return 0 for every token of the first text, 1 for the second, with those of ``cls`` and ``sep`` tokens.

        >>> from minipegasus import BertTokenizer
        >>> BertTokenizer.from_pretrained("golden/tokenizer/bert").create_token_type_ids_from_sequences([7, 8], [9])
        [0, 0, 0, 0, 1, 1]
        """
        cls, sep = self.cls_token is not None, self.sep_token is not None
        second = [] if token_ids_1 is None else [1] * (len(token_ids_1) + sep)
        return [0] * (cls + len(token_ids_0) + sep) + second

    def get_special_tokens_mask(
        self,
        token_ids_0: list[int],
        token_ids_1: list[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """Return 1 for every special token and 0 for the others.

        The ids are a text's, or a pair's, before special tokens are added, unless ``already_has_special_tokens``.

        Raises:
            InputError: ``token_ids_1`` beside ``already_has_special_tokens``.

        >>> from minipegasus import BertGenerationTokenizer
        >>> tokenizer = BertGenerationTokenizer.from_pretrained("golden/tokenizer/bert_generation")
        >>> tokenizer.get_special_tokens_mask([tokenizer.bos_token_id, 300], already_has_special_tokens=True)
        [1, 0]
        """
        if not already_has_special_tokens:
            return [0] * (len(token_ids_0) + len(token_ids_1 or []))
        if token_ids_1 is not None:
            raise InputError("token_ids_1: expected None with already_has_special_tokens=True, found a sequence")
        special = set(self.all_special_ids)
        return [int(index in special) for index in token_ids_0]

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """Return how many special tokens a text, or a pair, gets.

        >>> from minipegasus import PegasusTokenizer, demo
        >>> tokenizer = PegasusTokenizer.from_pretrained(demo.folder())
        >>> tokenizer.num_special_tokens_to_add()
        1
        """
        return len(self.build_inputs_with_special_tokens([], [] if pair else None))

    @property
    def max_len_single_sentence(self) -> float:
        """The longest text in tokens, its special tokens aside."""
        return self.model_max_length - self.num_special_tokens_to_add(pair=False)

    @property
    def max_len_sentences_pair(self) -> float:
        """The longest pair in tokens, its special tokens aside."""
        return self.model_max_length - self.num_special_tokens_to_add(pair=True)

    # -- one row

    def prepare_for_model(
        self,
        ids: list[int],
        pair_ids: list[int] | None = None,
        prepend_batch_axis: bool = False,
        **options: Any,
    ) -> BatchEncoding:
        """Truncate, complete with special tokens and pad the ids of one text or pair; see :meth:`__call__`.

        >>> from minipegasus import PegasusTokenizer, demo
        >>> tokenizer = PegasusTokenizer.from_pretrained(demo.folder())
        >>> tokenizer.prepare_for_model([200, 201], padding="max_length", max_length=5)
        {'input_ids': [200, 201, 1, 0, 0], 'attention_mask': [1, 1, 1, 0, 0]}
        """
        return self._finish(ids, pair_ids, self._resolved(EncodeOptions(**options)), prepend_batch_axis)

    def _resolved(self, options: EncodeOptions) -> EncodeOptions:
        """Return ``options`` with padding and truncation by name, their length filled in and checked."""
        padding, truncation, max_length = options.pads, options.truncates, options.max_length
        if max_length is not None and options.padding is False and options.truncation is None:
            truncation = "longest_first"
            self._warn_once(options.verbose, "max_length is given without truncation: truncating the longest first")
        if options.padding is True and max_length is not None and truncation == "do_not_truncate":
            self._warn_once(options.verbose, "padding=True ignores max_length; padding='max_length' pads to it")
        if max_length is None and (padding == "max_length" or truncation != "do_not_truncate"):
            if self.model_max_length <= _LARGE:
                max_length = int(self.model_max_length)
            else:
                self._warn_once(
                    options.verbose, "no max_length and no model_max_length: neither truncating nor padding to it"
                )
                padding = "do_not_pad" if padding == "max_length" else padding
                truncation = "do_not_truncate"
        if padding != "do_not_pad" and self.pad_token is None:
            raise InputError("padding: expected a tokenizer with a pad_token, found none (set tokenizer.pad_token)")
        multiple = options.pad_to_multiple_of
        if truncation != "do_not_truncate" and padding != "do_not_pad" and multiple and (max_length or 0) % multiple:
            raise InputError(f"max_length: expected a multiple of pad_to_multiple_of={multiple}, found {max_length}")
        return replace(options, padding=padding, truncation=truncation, max_length=max_length)

    def _prepare(self, ids: list[int], pair_ids: list[int] | None, options: EncodeOptions) -> dict[str, Any]:
        """Truncate ids and add special tokens: the columns of one row, before padding."""
        special = options.add_special_tokens
        if options.return_token_type_ids and not special:
            raise InputError("return_token_type_ids: expected add_special_tokens=True with it, found False")
        row: dict[str, Any] = {}
        total = len(ids) + len(pair_ids or ())
        total += self.num_special_tokens_to_add(pair=pair_ids is not None) if special else 0
        limit = options.max_length
        overflow: list[int] = []
        if options.truncates != "do_not_truncate" and limit and total > limit:
            ids, pair_ids, overflow = self.truncate_sequences(
                ids, pair_ids, total - limit, options.truncates, options.stride
            )
        if options.return_overflowing_tokens:
            if options.truncates == "longest_first" and pair_ids is not None:
                raise InputError(
                    "return_overflowing_tokens: expected truncation='only_first' or 'only_second' with pairs, "
                    "found 'longest_first'"
                )
            if limit is None:
                raise InputError("return_overflowing_tokens: expected a max_length with it, found None")
            row["overflowing_tokens"] = overflow
            row["num_truncated_tokens"] = total - limit
        plain = ids if pair_ids is None else ids + pair_ids
        row["input_ids"] = self.build_inputs_with_special_tokens(ids, pair_ids) if special else plain
        if self._wants("token_type_ids", options.return_token_type_ids):
            row["token_type_ids"] = (
                self.create_token_type_ids_from_sequences(ids, pair_ids) if special else [0] * len(plain)
            )
        if options.return_special_tokens_mask:
            row["special_tokens_mask"] = self.get_special_tokens_mask(ids, pair_ids) if special else [0] * len(plain)
        if limit is None and 0 < self.model_max_length < len(row["input_ids"]):
            message = "a text has %d tokens, more than the model_max_length %d"
            self._warn_once(options.verbose, message, len(row["input_ids"]), self.model_max_length)
        return row

    def _finish(
        self, ids: list[int], pair_ids: list[int] | None, options: EncodeOptions, batch_axis: bool
    ) -> BatchEncoding:
        """Prepare and pad one row that is no batch."""
        row = self._prepare(list(ids), None if pair_ids is None else list(pair_ids), options)
        mask = self._wants("attention_mask", options.return_attention_mask)
        if options.pads != "do_not_pad" or mask:
            row = self._padded(row, replace(options, return_tensors=None), mask)
        if options.return_length:
            row["length"] = len(row["input_ids"])
        return BatchEncoding(to_arrays(row, batch_axis) if options.return_tensors else row)

    def _wants(self, name: str, asked: bool | None) -> bool:
        return name in self.model_input_names if asked is None else asked

    def truncate_sequences(
        self,
        ids: list[int],
        pair_ids: list[int] | None = None,
        num_tokens_to_remove: int = 0,
        truncation_strategy: str = "longest_first",
        stride: int = 0,
    ) -> tuple[list[int], list[int] | None, list[int]]:
        """Return the ids, the pair's ids and what overflowed after removing tokens; see ``truncation`` in a call.

        A sequence that is too short for its share stays as it is, with a logged error.

        >>> from minipegasus import PegasusTokenizer, demo
        >>> tokenizer = PegasusTokenizer.from_pretrained(demo.folder())
        >>> tokenizer.truncate_sequences([200, 201, 202, 203], num_tokens_to_remove=2, stride=1)
        ([200, 201], None, [201, 202, 203])
        """
        if num_tokens_to_remove <= 0 or truncation_strategy == "do_not_truncate":
            return ids, pair_ids, []
        result = truncate(ids, pair_ids, num_tokens_to_remove, truncation_strategy, stride, self.truncation_side)
        if result is None:
            logger.error(
                "cannot remove %d tokens with truncation %r: the sequence is too short and stays as it is",
                num_tokens_to_remove,
                truncation_strategy,
            )
            return ids, pair_ids, []
        return result

    # -- padding

    def pad(
        self,
        encoded_inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Return encoded rows padded to one length: one row, a dictionary of rows, or a list of dictionaries.

        Pads ``input_ids``, ``attention_mask``, ``token_type_ids`` and ``special_tokens_mask``; arrays in, arrays out.
        The arguments are those of :meth:`__call__`.

        Raises:
            InputError: rows without ``input_ids``, entries of unequal length, or no ``pad_token``.

        >>> from minipegasus import PegasusTokenizer, demo
        >>> tokenizer = PegasusTokenizer.from_pretrained(demo.folder())
        >>> rows = [tokenizer.encode_plus([200, 1]), tokenizer.encode_plus([200, 201, 202, 1])]
        >>> tokenizer.pad(rows, return_tensors="np").attention_mask
        array([[1, 1, 1, 0, 0],
               [1, 1, 1, 1, 1]])
        """
        columns, had_arrays = _columns(encoded_inputs)
        options = EncodeOptions(
            padding=padding,
            truncation=False,
            max_length=max_length,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side,
            return_tensors=return_tensors or ("np" if had_arrays else None),
            verbose=verbose,
        )
        return self._padded(columns, self._resolved(options), return_attention_mask)

    def _padded(
        self, columns: dict[str, Any], options: EncodeOptions, return_attention_mask: bool | None
    ) -> BatchEncoding:
        main = self.model_input_names[0]
        if main not in columns:
            raise InputError(f"encoded_inputs: expected {main!r} among its keys, found {', '.join(columns) or 'none'}")
        rows = columns[main]
        if not rows:  # one text without tokens
            return BatchEncoding(columns | ({"attention_mask": []} if return_attention_mask else {}))
        mask = self._wants("attention_mask", return_attention_mask)
        if isinstance(rows[0], (list, tuple)):
            uneven = [f"{name} has {len(column)}" for name, column in columns.items() if len(column) != len(rows)]
            if uneven:
                raise InputError(f"encoded_inputs: expected {len(rows)} rows as in {main}, found: {', '.join(uneven)}")
            length = self._padded_length(max(map(len, rows)), options)
            padded = [
                self._pad_row({name: column[i] for name, column in columns.items()}, length, mask, options)
                for i in range(len(rows))
            ]
            columns = {name: [row[name] for row in padded] for name in padded[0]}
        else:
            columns = self._pad_row(columns, self._padded_length(len(rows), options), mask, options)
        return BatchEncoding(to_arrays(columns, False) if options.return_tensors else columns)

    def _padded_length(self, longest: int, options: EncodeOptions) -> int:
        """Return the length that every row gets at least: 0 where nothing is to be padded."""
        if options.pads == "do_not_pad":
            return 0
        length = longest if options.pads == "longest" else options.max_length or 0
        multiple = options.pad_to_multiple_of or 1
        return -(-length // multiple) * multiple

    def _pad_row(self, row: dict[str, Any], length: int, mask: bool, options: EncodeOptions) -> dict[str, Any]:
        main = self.model_input_names[0]
        if mask and "attention_mask" not in row:
            row["attention_mask"] = [1] * len(row[main])
        missing = length - len(row[main])
        if missing <= 0:
            return row
        fillers = {main: self.pad_token_id, "token_type_ids": self.pad_token_type_id, "special_tokens_mask": 1}
        fillers |= {"attention_mask": 0} if mask else {}
        on_left = (options.padding_side or self.padding_side) == "left"
        for name, filler in fillers.items():
            if name in row:
                fill = [filler] * missing
                row[name] = fill + list(row[name]) if on_left else list(row[name]) + fill
        return row

    def _warn_once(self, verbose: bool, message: str, *values: object) -> None:
        if verbose and message not in self._warned:
            self._warned.add(message)
            logger.warning(message, *values)


def _columns(encoded: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], bool]:
    """Return encoded rows as one dictionary of lists, and whether there were arrays among them."""
    if not isinstance(encoded, Mapping):
        names = list(encoded[0]) if encoded else []
        for i, row in enumerate(encoded):
            if missing := [name for name in names if name not in row]:
                raise InputError(f"encoded_inputs: expected the keys of row 0 in row {i}, found no {missing[0]!r}")
        encoded = {name: [row[name] for row in encoded] for name in names}
    arrays = False
    columns: dict[str, Any] = {}
    for name, value in encoded.items():
        items = value.tolist() if isinstance(value, np.ndarray) else value
        if isinstance(items, (list, tuple)):
            arrays = arrays or isinstance(value, np.ndarray) or any(isinstance(item, np.ndarray) for item in items)
            items = [item.tolist() if isinstance(item, (np.ndarray, np.generic)) else item for item in items]
        columns[name] = items
    return columns, arrays
