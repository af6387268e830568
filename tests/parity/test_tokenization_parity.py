"""Every public method of the SentencePiece tokenizers against transformers' slow ones, on models of every kind."""

import json
import logging
import random
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenization_corpus import KINDS, LIVELY_TEXTS, ODD_TEXTS, random_texts, train

from minipegasus import tokenization
from minipegasus.errors import MinipegasusError, TokenizerError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    reference = pytest.importorskip("transformers")
    reference.logging.set_verbosity(reference.logging.CRITICAL)
    from transformers import AddedToken as ReferenceToken
    from transformers import BertGenerationTokenizer, PegasusTokenizer

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]
logging.getLogger("minipegasus").setLevel(logging.CRITICAL)

BIGBIRD = {
    "offset": 0,
    "mask_token": {"content": "[MASK]", "lstrip": True},
    "mask_token_sent": None,
    "bos_token": "<s>",
    "sep_token": "[SEP]",
    "cls_token": "[CLS]",
    "additional_special_tokens": [],
    "model_max_length": 64,
}
CLASSES = {
    "pegasus": ("PegasusTokenizer", {}),
    "pegasus_short": ("PegasusTokenizer", {"offset": 9, "model_max_length": 12}),
    "pegasus_named": (
        "PegasusTokenizer",
        {
            "additional_special_tokens": ["<one>", {"content": " two ", "rstrip": True}],
            "bos_token": "<s>",
            "pad_token": {"content": "<pad>", "rstrip": True},
            "padding_side": "left",
            "truncation_side": "left",
        },
    ),
    "no_masks": ("PegasusTokenizer", {"mask_token_sent": None, "clean_up_tokenization_spaces": True}),
    "bigbird": ("PegasusTokenizer", BIGBIRD),
    "generation": ("BertGenerationTokenizer", {}),
    "generation_named": (
        "BertGenerationTokenizer",
        {"mask_token": "the", "cls_token": "<cls>", "additional_special_tokens": ["\u2603"], "model_max_length": 9},
    ),
}
THEIRS = {"PegasusTokenizer": PegasusTokenizer, "BertGenerationTokenizer": BertGenerationTokenizer}


@cache
def model_file(kind: str) -> str:
    path = Path(_folder()) / f"{kind}.model"
    path.write_bytes(train(**KINDS[kind]))
    return str(path)


@cache
def _folder() -> str:
    import tempfile

    return tempfile.mkdtemp()


def build(kind: str, name: str) -> tuple[Any, Any]:
    """Return our tokenizer and theirs over one model file and one set of arguments."""
    class_name, arguments = CLASSES[name]
    pair = []
    for classes, token in ((vars(tokenization), tokenization.AddedToken), (THEIRS, ReferenceToken)):

        def real(value: Any, token: Any = token) -> Any:
            if isinstance(value, dict):
                return token(**value)
            return [real(item, token) for item in value] if isinstance(value, list) else value

        pair.append(classes[class_name](model_file(kind), **{key: real(value) for key, value in arguments.items()}))
    return pair[0], pair[1]


cached_build = cache(build)


def plain(value: Any) -> Any:
    """Return a result as plain data, tokens with flags as dictionaries."""
    if isinstance(value, (tokenization.AddedToken, ReferenceToken)):
        state = value.to_dict() if isinstance(value, tokenization.AddedToken) else value.__getstate__()
        return {"token": state}
    if isinstance(value, np.ndarray):
        return {"dtype": str(value.dtype) if value.size else None, "values": value.tolist()}
    if hasattr(value, "items"):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def outcome(call: Any) -> Any:
    """Return a call's result as plain data, or "refused"."""
    try:
        return plain(call())
    except (MinipegasusError, TypeError, ValueError, KeyError, IndexError, AssertionError, AttributeError):
        return "refused"


ATTRIBUTES = [
    *("vocab_size", "is_fast", "added_tokens_decoder", "added_tokens_encoder", "model_max_length", "padding_side"),
    *("truncation_side", "model_input_names", "clean_up_tokenization_spaces", "split_special_tokens"),
    *("max_len_single_sentence", "max_len_sentences_pair", "pad_token_type_id", "special_tokens_map"),
    *("special_tokens_map_extended", "all_special_tokens", "all_special_tokens_extended", "all_special_ids"),
    *("additional_special_tokens", "additional_special_tokens_ids", "bos_token", "eos_token", "unk_token", "sep_token"),
    *("pad_token", "cls_token", "mask_token", "bos_token_id", "eos_token_id", "unk_token_id", "sep_token_id"),
    *("pad_token_id", "cls_token_id", "mask_token_id"),
]


def assert_same_state(ours: Any, theirs: Any) -> None:
    for name in ATTRIBUTES:
        found, expected = plain(getattr(ours, name)), plain(getattr(theirs, name))
        if name.endswith("_extended"):  # one of two equal tokens set in one call is not marked by the reference
            found, expected = (json.loads(json.dumps(value).replace("true", "false")) for value in (found, expected))
        assert found == expected, name
    for name in ("offset", "mask_token_sent"):
        assert getattr(ours, name, 0) == getattr(theirs, name, 0) or not hasattr(theirs, name)
    assert ours.get_vocab() == theirs.get_vocab()
    assert ours.get_added_vocab() == theirs.get_added_vocab()
    assert len(ours) == len(theirs)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("kind", KINDS)
def test_texts(kind: str, name: str) -> None:
    ours, theirs = build(kind, name)
    assert_same_state(ours, theirs)
    special = theirs.all_special_tokens
    type(theirs).all_special_tokens = property(lambda self: special)  # else every decoded token computes it anew
    try:
        for text in [*ODD_TEXTS, *random_texts(300, seed=kind + name)]:
            tokens = theirs.tokenize(text)
            assert ours.tokenize(text) == tokens, text
            ids = theirs.convert_tokens_to_ids(tokens)
            assert ours.convert_tokens_to_ids(tokens) == ids, text
            assert ours.encode(text) == theirs.encode(text), text
            assert ours.tokenize(text, split_special_tokens=True) == theirs.tokenize(text, split_special_tokens=True)
            assert ours.convert_ids_to_tokens(ids) == theirs.convert_ids_to_tokens(ids)
            assert ours.convert_ids_to_tokens(ids, True) == theirs.convert_ids_to_tokens(ids, True)
            assert ours.convert_tokens_to_string(tokens) == theirs.convert_tokens_to_string(tokens), text
            for options in ({}, {"skip_special_tokens": True}, {"clean_up_tokenization_spaces": True}):
                assert ours.decode(ids, **options) == theirs.decode(ids, **options), (text, options)
            for has in (False, True):
                mask = ours.get_special_tokens_mask(ids, already_has_special_tokens=has)
                assert mask == theirs.get_special_tokens_mask(ids, already_has_special_tokens=has)
    finally:
        del type(theirs).all_special_tokens


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("kind", KINDS)
def test_decodes_any_ids(kind: str, name: str) -> None:
    ours, theirs = build(kind, name)
    rng = random.Random(kind + name)
    for _ in range(25):
        ids = [rng.randrange(len(theirs)) for _ in range(rng.randint(0, 25))]
        for options in (
            {},
            {"skip_special_tokens": True},
            {"spaces_between_special_tokens": False},
            {"clean_up_tokenization_spaces": True, "skip_special_tokens": True},
        ):
            assert ours.decode(ids, **options) == theirs.decode(ids, **options), ids
        array = np.array([ids, ids[::-1]], dtype=np.int64)
        assert ours.batch_decode(array) == theirs.batch_decode(array)
    for index in range(0, len(theirs), 7):
        assert ours.decode(index) == theirs.decode(index)
        assert ours.convert_ids_to_tokens(index) == theirs.convert_ids_to_tokens(index)


TEXTS = st.one_of(
    st.sampled_from(LIVELY_TEXTS),
    st.text(max_size=30),
    st.text(alphabet="the man was here <n>", max_size=30),
)
WORDS = st.lists(TEXTS, min_size=1, max_size=4)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "add_special_tokens": st.booleans(),
        "padding": st.sampled_from([True, False, "longest", "max_length", "do_not_pad"]),
        "truncation": st.sampled_from(
            [True, False, None, "longest_first", "only_first", "only_second", "do_not_truncate"]
        ),
        "max_length": st.one_of(st.none(), st.integers(0, 14).filter(lambda n: n != 1)),
        "stride": st.integers(0, 3),
        "pad_to_multiple_of": st.sampled_from([None, 1, 2, 3, 8]),
        "padding_side": st.sampled_from([None, "left", "right"]),
        "return_token_type_ids": st.sampled_from([None, True, False]),
        "return_attention_mask": st.sampled_from([None, True, False]),
        "return_overflowing_tokens": st.booleans(),
        "return_special_tokens_mask": st.booleans(),
        "return_length": st.booleans(),
        "return_tensors": st.sampled_from([None, "np"]),
        "verbose": st.booleans(),
    },
)
COMBINATIONS = st.sampled_from(
    [("newline", name) for name in CLASSES] + [("named", "bigbird"), ("bytes", "pegasus"), ("symbols", "pegasus_short")]
)


def is_ragged(result: Any) -> bool:
    """Say whether the reference made an array of lists, which is refused here."""
    return isinstance(result, dict) and any(
        isinstance(value, dict) and value.get("dtype") == "object" for value in result.values()
    )


def has_empty_array(result: Any) -> bool:
    values = result.values() if isinstance(result, dict) and "values" not in result else [result]
    return any(isinstance(value, dict) and value.get("values") == [] for value in values)


def compare(call: Any, ours: Any, theirs: Any) -> None:
    expected = outcome(lambda: call(theirs))
    found = outcome(lambda: call(ours))
    if is_ragged(expected):
        expected = "refused"
    if expected == "refused" and has_empty_array(found):  # the reference makes no array of an empty list
        return
    assert found == expected


@settings(deadline=None, max_examples=400)
@given(COMBINATIONS, TEXTS, st.none() | TEXTS, OPTIONS)
def test_single_calls(which: tuple[str, str], text: str, pair: str | None, options: dict[str, Any]) -> None:
    ours, theirs = cached_build(*which)
    compare(lambda t: t(text, pair, **options), ours, theirs)
    compare(lambda t: t.encode_plus(text, pair, **options), ours, theirs)
    compare(lambda t: t.encode(text, pair, **options), ours, theirs)
    compare(lambda t: t(text_target=text, text_pair_target=pair, **options), ours, theirs)
    compare(lambda t: t(text, text_target=pair, **options), ours, theirs)


@settings(deadline=None, max_examples=400)
@given(COMBINATIONS, st.data(), OPTIONS)
def test_batches(which: tuple[str, str], data: Any, options: dict[str, Any]) -> None:
    ours, theirs = cached_build(*which)
    batch = data.draw(st.lists(TEXTS, min_size=1, max_size=4))
    pairs = data.draw(st.none() | st.lists(TEXTS, min_size=len(batch), max_size=len(batch)))
    compare(lambda t: t(batch, pairs, **options), ours, theirs)
    zipped = batch if pairs is None else list(zip(batch, pairs, strict=True))
    compare(lambda t: t.batch_encode_plus(zipped, **options), ours, theirs)
    compare(lambda t: t(batch, text_target=pairs, **options), ours, theirs)


@settings(deadline=None, max_examples=200)
@given(COMBINATIONS, st.lists(WORDS, min_size=1, max_size=3), st.none() | WORDS, OPTIONS)
def test_split_words(which: tuple[str, str], batch: list[list[str]], pair: Any, options: dict[str, Any]) -> None:
    ours, theirs = cached_build(*which)
    options = {**options, "is_split_into_words": True}
    compare(lambda t: t(batch[0], pair, **options), ours, theirs)
    compare(lambda t: t(batch, None if pair is None else [pair] * len(batch), **options), ours, theirs)


@settings(deadline=None, max_examples=200)
@given(COMBINATIONS, st.lists(st.integers(0, 500), max_size=12), st.none() | st.lists(st.integers(0, 500)), OPTIONS)
def test_ids(which: tuple[str, str], ids: list[int], pair: list[int] | None, options: dict[str, Any]) -> None:
    ours, theirs = cached_build(*which)
    compare(lambda t: t.prepare_for_model(list(ids), pair and list(pair), **options), ours, theirs)
    compare(lambda t: t.encode_plus(ids, pair, **options), ours, theirs)
    tokens = theirs.convert_ids_to_tokens(ids)
    compare(lambda t: t.encode_plus(tokens, **options), ours, theirs)
    for method in ("build_inputs_with_special_tokens", "create_token_type_ids_from_sequences"):
        compare(lambda t, method=method: getattr(t, method)(ids, pair), ours, theirs)
    compare(lambda t: t.get_special_tokens_mask(ids, pair), ours, theirs)
    compare(lambda t: [t.num_special_tokens_to_add(pair=flag) for flag in (False, True)], ours, theirs)


@settings(deadline=None, max_examples=200)
@given(
    COMBINATIONS,
    st.lists(st.integers(0, 500), max_size=9),
    st.none() | st.lists(st.integers(0, 500), max_size=9),
    st.integers(-1, 12),
    st.sampled_from(["longest_first", "only_first", "only_second", "do_not_truncate"]),
    st.integers(0, 3),
)
def test_truncate_sequences(which: Any, ids: Any, pair: Any, remove: int, strategy: str, stride: int) -> None:
    ours, theirs = cached_build(*which)
    if pair is None and remove == len(ids):  # here a single text may go entirely
        return
    compare(lambda t: t.truncate_sequences(ids, pair, remove, strategy, stride), ours, theirs)


ROW = st.fixed_dictionaries(
    {"input_ids": st.lists(st.integers(0, 500), max_size=6)},
    optional={"attention_mask": st.just(None), "token_type_ids": st.just(None), "special_tokens_mask": st.just(None)},
)


@settings(deadline=None, max_examples=200)
@given(COMBINATIONS, st.lists(ROW, min_size=1, max_size=4), OPTIONS, st.booleans())
def test_pad(which: tuple[str, str], rows: list[dict[str, Any]], options: dict[str, Any], arrays: bool) -> None:
    ours, theirs = cached_build(*which)
    allowed = {"padding", "max_length", "pad_to_multiple_of", "padding_side", "return_attention_mask", "return_tensors"}
    options = {name: value for name, value in options.items() if name in allowed}

    def fresh() -> list[dict[str, Any]]:  # the reference changes its argument
        filled = [
            {name: list(row["input_ids"]) if name == "input_ids" else [1] * len(row["input_ids"]) for name in rows[0]}
            for row in rows
        ]
        return [{name: np.array(value) for name, value in row.items()} for row in filled] if arrays else filled

    compare(lambda t: t.pad(fresh(), **options), ours, theirs)
    compare(lambda t: t.pad({name: [row[name] for row in fresh()] for name in rows[0]}, **options), ours, theirs)
    if not arrays:
        compare(lambda t: t.pad(fresh()[0], **options), ours, theirs)


TOKENS = st.one_of(
    st.sampled_from(["\u2603", "<new>", "the", "the man", "a", "ab", "abc", "<n>", "<mask_1>", " x ", "\u2581was"]),
    st.text(min_size=1, max_size=4),
)
FLAGS = st.fixed_dictionaries(
    {"content": TOKENS},
    optional={flag: st.booleans() for flag in ("single_word", "lstrip", "rstrip", "special", "normalized")},
)
ADDITIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add_tokens"), st.lists(TOKENS | FLAGS, max_size=4), st.booleans()),
        st.tuples(
            st.just("add_special_tokens"),
            st.dictionaries(
                st.sampled_from(["bos_token", "pad_token", "cls_token", "mask_token"]), TOKENS | FLAGS, max_size=2
            )
            | st.fixed_dictionaries({"additional_special_tokens": st.lists(TOKENS | FLAGS, max_size=3)}),
            st.booleans(),
        ),
    ),
    max_size=3,
)


def has_inner_token(tokens: list[str]) -> bool:
    """Say whether a token lies inside another, off both ends: there the reference's search may lose its place."""
    return any(inner in outer[1:-1] for inner in tokens for outer in tokens if inner)


@settings(deadline=None, max_examples=150)
@given(COMBINATIONS, ADDITIONS, st.lists(TEXTS | st.text(alphabet="abc<new>the \u2603x", max_size=20), max_size=6))
def test_added_tokens(which: tuple[str, str], additions: list[Any], texts: list[str]) -> None:
    ours, theirs = build(*which)

    def real(value: Any, token: Any) -> Any:
        if isinstance(value, dict):
            return token(**value) if "content" in value else {name: real(item, token) for name, item in value.items()}
        return [real(item, token) for item in value] if isinstance(value, list) else value

    for method, value, flag in additions:
        added = getattr(ours, method)(real(value, tokenization.AddedToken), flag)
        assert added == getattr(theirs, method)(real(value, ReferenceToken), flag)
    assert_same_state(ours, theirs)
    if has_inner_token(list(theirs.added_tokens_encoder)):
        return
    for text in [*texts, *ODD_TEXTS[:6]]:
        assert ours.tokenize(text) == theirs.tokenize(text), text
        compare(lambda t, text=text: t(text, return_special_tokens_mask=True), ours, theirs)
        ids = theirs.encode(text)
        assert ours.decode(ids) == theirs.decode(ids)
        assert ours.decode(ids, skip_special_tokens=True) == theirs.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("kind", ["newline", "named", "unk_named"])
def test_files_load_on_both_sides(kind: str, name: str, tmp_path: Path) -> None:
    ours, theirs = build(kind, name)
    for tokenizer in (ours, theirs):
        tokenizer.add_tokens(["<more>", "\u2603"])
        tokenizer.add_special_tokens({"cls_token": "<class>"})
    ours.save_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    assert sorted(path.name for path in (tmp_path / "ours").iterdir()) == sorted(
        path.name for path in (tmp_path / "theirs").iterdir()
    )
    for path in (tmp_path / "ours").iterdir():
        if path.name != "tokenizer_config.json":
            assert path.read_bytes() == (tmp_path / "theirs" / path.name).read_bytes()
    for folder in (tmp_path / "ours", tmp_path / "theirs"):
        assert_same_load(type(ours), type(theirs), folder)
        config = json.loads((folder / "tokenizer_config.json").read_text())
        del config["added_tokens_decoder"]  # folders written before it existed
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        assert_same_load(type(ours), type(theirs), folder)
        (folder / "tokenizer_config.json").unlink()
        assert_same_load(type(ours), type(theirs), folder)
        assert_same_load(type(ours), type(theirs), folder, padding_side="left", pad_token="<more>")


def assert_same_load(our_class: Any, their_class: Any, folder: Path, **arguments: Any) -> None:
    try:
        theirs = their_class.from_pretrained(folder, **arguments)
    except ValueError:  # the file that named the offset is gone, and the tokens do not fit another
        with pytest.raises(TokenizerError):
            our_class.from_pretrained(folder, **arguments)
        return
    ours = our_class.from_pretrained(folder, **arguments)
    assert_same_state(ours, theirs)
    for text in LIVELY_TEXTS:
        assert ours(text).data == dict(theirs(text))
