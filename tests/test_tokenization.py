"""Laws and decisions of the tokenizers that no golden file states."""

import copy
import json
import logging
import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenization_corpus import ODD_TEXTS

from minipegasus.errors import BackendError, CheckpointError, InputError, TokenizerError
from minipegasus.tokenization import (
    AddedToken,
    AutoTokenizer,
    BatchEncoding,
    BertGenerationTokenizer,
    BertTokenizer,
    PegasusTokenizer,
    PegasusTokenizerFast,
    PreTrainedTokenizer,
    RobertaTokenizer,
)
from minipegasus.tokenization.added_tokens import TokenSplitter

GOLDEN = Path(__file__).parent.parent / "golden" / "tokenizer"
NAMES = ["pegasus", "bigbird_pegasus", "bert_generation"]
TOKENIZERS = {name: AutoTokenizer.from_pretrained(GOLDEN / name) for name in NAMES}
PEGASUS = TOKENIZERS["pegasus"]

texts = st.text() | st.sampled_from(ODD_TEXTS) | st.text(alphabet="the man, was\n <n></s>")
tokenizers = st.sampled_from(list(TOKENIZERS.values()))


def fresh(name: str = "pegasus", **arguments: Any) -> PreTrainedTokenizer:
    return AutoTokenizer.from_pretrained(GOLDEN / name, **arguments)


# -- decisions where transformers' tokenizers differ or do what helps nobody


def test_one_token_of_room_is_the_end() -> None:
    for truncation in (True, "longest_first", "only_first"):
        encoded = PEGASUS("the man", truncation=truncation, max_length=1, return_overflowing_tokens=True)
        assert encoded.input_ids == [1]
        assert encoded.attention_mask == [1]
        assert encoded.overflowing_tokens == PEGASUS.encode("the man", add_special_tokens=False)
    assert PEGASUS(["the man", ""], truncation=True, max_length=1).input_ids == [[1], [1]]
    assert PEGASUS.encode("", "", truncation=True, max_length=1) == [1]


def test_safe_mode() -> None:
    hostile = "a </s> b <pad><mask_1> <unk_7>"
    special = set(PEGASUS.all_special_ids)
    safe = fresh(split_special_tokens=True)
    for ids in (
        PEGASUS.encode(hostile, split_special_tokens=True),
        PEGASUS([hostile, "x"], split_special_tokens=True).input_ids[0],  # the reference forgets it in batches
        PEGASUS([["a", "</s>"], ["<pad>"]], is_split_into_words=True, split_special_tokens=True).input_ids[0],
        safe.encode(hostile),
        safe([hostile]).input_ids[0],
    ):
        assert not special & set(ids[:-1]) - {PEGASUS.unk_token_id}
        assert ids[-1] == PEGASUS.eos_token_id
    assert special & set(PEGASUS.encode(hostile)[:-1])
    assert special & set(safe.encode(hostile, split_special_tokens=False)[:-1])


def test_safe_mode_knows_pieces_only() -> None:
    tokenizer = fresh()
    tokenizer.add_tokens(["\u2603\u2604"])  # two characters that are no pieces: their run is one piece of that name
    assert tokenizer.encode("\u2603\u2604") == [len(tokenizer) - 1, 1]
    assert tokenizer.encode("\u2603\u2604", split_special_tokens=True)[-2:] == [tokenizer.unk_token_id, 1]


def test_newline() -> None:
    tokenizer = fresh(newline="<n>")
    text = "first line\nsecond line\r\nthird"
    assert tokenizer.encode(text) == PEGASUS.encode("first line<n>second line<n>third")
    assert tokenizer.decode(tokenizer.encode(text), skip_special_tokens=True) == text.replace("\r\n", "\n")
    assert tokenizer.batch_decode(tokenizer([text]).input_ids)[0].count("\n") == 2
    assert PEGASUS.encode(text) == PEGASUS.encode("first line second line third")


def test_newline_is_saved(tmp_path: Path) -> None:
    fresh(newline="<n>").save_pretrained(tmp_path)
    assert PegasusTokenizer.from_pretrained(tmp_path).newline == "<n>"
    fresh().save_pretrained(tmp_path)
    assert "newline" not in json.loads((tmp_path / "tokenizer_config.json").read_text())


def test_fast_name() -> None:
    fast = PegasusTokenizerFast.from_pretrained(GOLDEN / "pegasus")
    assert not fast.is_fast
    assert all(fast(text) == PEGASUS(text) for text in ODD_TEXTS)


# -- what is refused


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"return_tensors": "pt"}, "return_tensors: expected 'np' or None"),
        ({"return_tensors": "np", "padding": False}, "return_tensors: expected rows of one length in 'input_ids'"),
        ({"padding": "longes"}, "padding"),
        ({"padding": None}, "padding"),
        ({"padding": 1}, "padding"),
        ({"truncation": "first"}, "truncation"),
        ({"max_length": -1}, "max_length"),
        ({"max_length": "5"}, "max_length"),
        ({"max_length": True}, "max_length"),
        ({"stride": -1}, "stride"),
        ({"pad_to_multiple_of": 0}, "pad_to_multiple_of"),
        ({"padding_side": "top"}, "padding_side"),
        ({"return_offsets_mapping": True}, "return_offsets_mapping"),
        ({"padding": True, "truncation": True, "max_length": 5, "pad_to_multiple_of": 4}, "max_length"),
        ({"return_token_type_ids": True, "add_special_tokens": False}, "return_token_type_ids"),
        ({"return_overflowing_tokens": True}, "return_overflowing_tokens"),
    ],
)
def test_refused_options(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        PEGASUS(["the man", "x y z"], **options)


@pytest.mark.parametrize(
    "text", [None, 5, 1.5, b"bytes", [], [None], ["a", None], [["a"]], [[]], {"a": 1}, [5], "\ud800"]
)
def test_refused_texts(text: Any) -> None:
    with pytest.raises(InputError, match="text"):
        PEGASUS(text)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("ids", [[[5, 6]], np.array([[5, 6]]), [None], [5.0], "the man", None, 5.5])
def test_refused_ids(ids: Any, skip: bool) -> None:
    with pytest.raises(InputError, match="ids: expected integers, found"):
        PEGASUS.decode(ids, skip_special_tokens=skip)


def test_refused_pairs_and_rows() -> None:
    for pair in ("one", ["one"], ["one", "two", "three"]):
        with pytest.raises(InputError, match="text_pair"):
            PEGASUS(["a", "b"], pair)
    with pytest.raises(InputError, match="'attention_mask'"):
        PEGASUS.pad([{"input_ids": [1], "attention_mask": [1]}, {"input_ids": [1]}])
    with pytest.raises(InputError, match="expected 'input_ids'"):
        PEGASUS.pad({"ids": [[1]]})
    with pytest.raises(InputError, match="2 rows"):
        PEGASUS.pad({"input_ids": [[1], [2]], "attention_mask": [[1]]})
    tokenizer = fresh()
    tokenizer.pad_token = None
    with pytest.raises(InputError, match="pad_token"):
        tokenizer(["a", "b c"], padding=True)


def test_unknown_keywords_are_named() -> None:
    for call in (PEGASUS, PEGASUS.encode, PEGASUS.encode_plus, PEGASUS.pad):
        with pytest.raises(TypeError, match="paddng"):
            call("the man", paddng=True)  # type: ignore[operator]
    with pytest.raises(TypeError, match="paddng_side"):
        PegasusTokenizer.from_pretrained(GOLDEN / "pegasus", paddng_side="left")
    with pytest.raises(TypeError, match="paddng_side"):
        PegasusTokenizer(GOLDEN / "pegasus" / "spiece.model", paddng_side="left")


@pytest.mark.parametrize("index", [-1, 10**6, 2**70])
def test_ids_out_of_range(index: int) -> None:
    for tokenizer in TOKENIZERS.values():
        with pytest.raises(TokenizerError, match=str(index)):
            tokenizer.decode([5, index])
        with pytest.raises(TokenizerError, match=str(index)):
            tokenizer.convert_ids_to_tokens(index)
    with pytest.raises(InputError, match="integers"):
        PEGASUS.decode([1.5])


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    for tokenizer, name in ((BertTokenizer, "bert"), (RobertaTokenizer, "roberta")):
        with pytest.raises(BackendError, match=r"pip install 'minipegasus\[tokenizers\]'"):
            tokenizer.from_pretrained(GOLDEN / name)


# -- warnings


def test_warnings_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = fresh()
    with caplog.at_level(logging.WARNING, "minipegasus"):
        tokenizer("the man " * 100, verbose=False)
        assert not caplog.records
        for _ in range(3):
            tokenizer("the man " * 100)
            tokenizer(["the man " * 100])
    assert len(caplog.records) == 1
    assert "model_max_length 64" in caplog.text


# -- loading


def test_names_in_the_hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "models--some--model"
    for revision, name in (("abc", "pegasus"), ("def", "bigbird_pegasus")):
        shutil.copytree(GOLDEN / name, repository / "snapshots" / revision)
    shutil.copytree(GOLDEN / "bert_generation", repository / "snapshots" / "abc" / "inner")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert AutoTokenizer.from_pretrained("some/model").encode("the man") == PEGASUS.encode("the man")
    assert PegasusTokenizer.from_pretrained("some/model", revision="def").offset == 0
    assert isinstance(AutoTokenizer.from_pretrained("some/model", subfolder="inner"), BertGenerationTokenizer)
    with pytest.raises(CheckpointError, match="some/other"):
        AutoTokenizer.from_pretrained("some/other")


AUTO_FILES = [
    ({"tokenizer_config.json": {"tokenizer_class": "BertGenerationTokenizer"}}, BertGenerationTokenizer),
    ({"tokenizer_config.json": {"tokenizer_class": "PegasusTokenizerFast"}}, PegasusTokenizer),
    ({"config.json": {"tokenizer_class": "PegasusTokenizer", "model_type": "bert-generation"}}, PegasusTokenizer),
    ({"config.json": {"model_type": "bigbird_pegasus"}}, PegasusTokenizer),
    ({"config.json": {"model_type": "pegasus_x"}, "tokenizer_config.json": {"offset": 103}}, PegasusTokenizer),
    (
        {
            "config.json": {"model_type": "bert-generation"},
            "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast"},
        },
        BertGenerationTokenizer,
    ),
    (
        {"config.json": {"model_type": "encoder-decoder", "encoder": {"model_type": "bert-generation"}}},
        BertGenerationTokenizer,
    ),
    ({}, PegasusTokenizer),
]


@pytest.mark.parametrize(("files", "expected"), AUTO_FILES)
def test_auto_class(files: dict[str, Any], expected: type, tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "bert_generation" / "spiece.model", tmp_path)
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    assert type(AutoTokenizer.from_pretrained(tmp_path, use_fast=True, local_files_only=True)) is expected
    with pytest.raises(TypeError, match="from_pretrained"):
        AutoTokenizer()


def test_arguments_go_before_files() -> None:
    tokenizer = fresh("bigbird_pegasus", model_max_length=7, padding_side="left", cls_token="<class>")
    assert tokenizer.model_max_length == 7
    assert tokenizer("a", padding="max_length").input_ids[0] == tokenizer.pad_token_id
    assert tokenizer.cls_token == "<class>"
    assert tokenizer.mask_token == "[MASK]"


def test_arguments_go_before_older_files(tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "pegasus" / "spiece.model", tmp_path)
    older = {"cls_token": {"content": "<one>", "lstrip": True}, "sep_token": "<two>", "bos_token": None}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(older))
    tokenizer = PegasusTokenizer.from_pretrained(tmp_path)
    assert tokenizer.special_tokens_map_extended["cls_token"] == AddedToken("<one>", lstrip=True, special=True)
    assert (tokenizer.sep_token, tokenizer.bos_token) == ("<two>", None)
    tokenizer = PegasusTokenizer.from_pretrained(tmp_path, cls_token="<mine>", sep_token=None)
    assert (tokenizer.cls_token, tokenizer.sep_token) == ("<mine>", "<two>")


def test_the_model_file_alone() -> None:
    for tokenizer in (
        PegasusTokenizer(GOLDEN / "pegasus" / "spiece.model"),
        PegasusTokenizer.from_pretrained(str(GOLDEN / "pegasus" / "spiece.model")),
    ):
        assert tokenizer.get_vocab() == PEGASUS.get_vocab()


def test_settings_survive_saving(tmp_path: Path) -> None:
    tokenizer = fresh(padding_side="left", truncation_side="left", split_special_tokens=True)
    tokenizer.model_max_length = 99
    tokenizer.add_special_tokens({"additional_special_tokens": [AddedToken("<x>", lstrip=True)]})
    tokenizer.save_pretrained(tmp_path, filename_prefix="a")
    assert {path.name for path in tmp_path.iterdir()} == {
        *("a-tokenizer_config.json", "a-special_tokens_map.json", "a-added_tokens.json", "a-spiece.model"),
    }
    tokenizer.save_pretrained(str(tmp_path))
    again = AutoTokenizer.from_pretrained(tmp_path)
    for name in ("padding_side", "truncation_side", "split_special_tokens", "model_max_length", "added_tokens_decoder"):
        assert getattr(again, name) == getattr(tokenizer, name)
    with pytest.raises(CheckpointError, match="cannot be made a folder: File exists"):
        tokenizer.save_pretrained(tmp_path / "spiece.model")
    with pytest.raises(TokenizerError, match="found none"):
        tokenizer.save_vocabulary(tmp_path / "nowhere")


def test_saving_writes_all_files_or_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot be made a folder"):
        PEGASUS.save_pretrained(tmp_path / "file" / "x")
    with pytest.raises(CheckpointError, match="cannot be written"):
        PEGASUS.save_pretrained(tmp_path / "new", filename_prefix="no/such")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    (tmp_path / "spiece.model").mkdir()
    for save in (PEGASUS.save_pretrained, PEGASUS.save_vocabulary):
        with pytest.raises(CheckpointError, match="cannot be written"):
            save(tmp_path)
        assert not list(tmp_path.glob(".*"))


def test_unknown_keys_of_the_configuration_are_kept(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "pegasus", tmp_path / "a")
    path = tmp_path / "a" / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": "x", "keep": [1]}))
    AutoTokenizer.from_pretrained(tmp_path / "a").save_pretrained(tmp_path / "b")
    saved = json.loads((tmp_path / "b" / "tokenizer_config.json").read_text())
    assert saved == json.loads(path.read_text())


def test_list_of_extra_special_tokens(tmp_path: Path) -> None:
    """Version 5 of transformers writes the additional special tokens under another name."""
    shutil.copytree(GOLDEN / "pegasus", tmp_path / "a")
    path = tmp_path / "a" / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config["extra_special_tokens"] = config.pop("additional_special_tokens")
    path.write_text(json.dumps(config))
    assert AutoTokenizer.from_pretrained(tmp_path / "a").all_special_ids == PEGASUS.all_special_ids


def test_copies() -> None:
    for tokenizer in TOKENIZERS.values():
        for again in (copy.deepcopy(tokenizer), pickle.loads(pickle.dumps(tokenizer))):
            assert all(again(text) == tokenizer(text) for text in ODD_TEXTS)
    encoded = PEGASUS(["a", "b"])
    assert copy.deepcopy(encoded) == pickle.loads(pickle.dumps(encoded)) == encoded


def test_importing_loads_no_library() -> None:
    code = (
        "import sys, minipegasus.tokenization; sys.exit('sentencepiece' in sys.modules or 'tokenizers' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=GOLDEN.parent.parent)


# -- small pieces


def test_batch_encoding() -> None:
    encoded = PEGASUS(["the man", "x"], padding=True, return_tensors="np")
    assert isinstance(encoded, BatchEncoding)
    assert isinstance(encoded, dict)
    assert encoded.input_ids is encoded["input_ids"] is encoded.data["input_ids"]
    assert encoded.input_ids.dtype == np.int64
    assert encoded[:1]["input_ids"].shape == (1, encoded.input_ids.shape[1])
    assert list(encoded) == ["input_ids", "attention_mask"]
    with pytest.raises(AttributeError, match="labels"):
        _ = encoded.labels
    assert PEGASUS("", return_tensors="np").input_ids.shape == (1, 1)
    nothing = TOKENIZERS["bert_generation"]("", return_tensors="np").input_ids
    assert nothing.shape == (1, 0)
    assert nothing.dtype == np.int64


def test_padding_keeps_masks() -> None:
    rows = {"input_ids": [[5, 6, 7], [5]], "attention_mask": [[1, 0, 1], [0]], "labels": [[1], [2]]}
    padded = PEGASUS.pad(rows)
    assert padded == {
        "input_ids": [[5, 6, 7], [5, 0, 0]],
        "attention_mask": [[1, 0, 1], [0, 0, 0]],
        "labels": [[1], [2]],
    }
    assert rows["input_ids"] == [[5, 6, 7], [5]]


def test_setting_special_tokens() -> None:
    tokenizer = fresh()
    tokenizer.cls_token = "\u2581the"
    assert tokenizer.cls_token_id == PEGASUS.convert_tokens_to_ids("\u2581the")
    tokenizer.cls_token_id = 105
    assert tokenizer.cls_token == "<unk>"
    tokenizer.cls_token_id = None
    assert tokenizer.cls_token is tokenizer.cls_token_id is None
    tokenizer.additional_special_tokens = ["<n>"]
    assert tokenizer.additional_special_tokens_ids == [PEGASUS.convert_tokens_to_ids("<n>")]
    tokenizer.additional_special_tokens_ids = [5, 6]
    assert tokenizer.additional_special_tokens == ["<unk_3>", "<unk_4>"]
    with pytest.raises(TokenizerError, match="cls_token"):
        tokenizer.cls_token = 5
    for wrong in (
        {"pad": "x"},
        {"pad_token": 5},
        {"additional_special_tokens": "x"},
        {"additional_special_tokens": [5]},
    ):
        with pytest.raises(InputError, match="special_tokens_dict"):
            tokenizer.add_special_tokens(wrong)
    with pytest.raises(InputError, match="new_tokens"):
        tokenizer.add_tokens([5])  # type: ignore[list-item]


def test_adding_tokens() -> None:
    tokenizer = fresh()
    size = len(tokenizer)
    assert tokenizer.add_tokens("\u2603") == 1
    assert tokenizer.add_tokens(["\u2603", "", AddedToken("\u2604"), "\u2581the"]) == 1
    assert tokenizer.add_tokens([]) == tokenizer.add_tokens("") == 0
    assert len(tokenizer) == size + 2 == len(tokenizer.get_vocab())
    assert tokenizer.convert_ids_to_tokens([size, size + 1]) == ["\u2603", "\u2604"]
    assert tokenizer.encode("x\u2603y")[1:3] == [PEGASUS.convert_tokens_to_ids("x"), size]


def test_older_file_of_added_tokens(tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "pegasus" / "spiece.model", tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"cls_token": "<one>"}')
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<one>": 900, "<two>": 901}))
    decoder = PegasusTokenizer.from_pretrained(tmp_path).added_tokens_decoder
    assert decoder[900] == AddedToken("<one>", special=True)
    assert decoder[901] == AddedToken("<two>")


def test_older_interfaces() -> None:
    with PEGASUS.as_target_tokenizer():
        assert PEGASUS("the man") == PEGASUS("the man")
    batch = PEGASUS.prepare_seq2seq_batch(["the man " * 50, "x"], ["a", "b c"], max_length=8, max_target_length=2)
    assert [len(row) for row in batch.input_ids] == [8, 8]
    assert [len(row) for row in batch.labels] == [2, 2]


# -- laws


@settings(deadline=None)
@given(st.lists(st.text(alphabet="ab<>", min_size=1, max_size=4)), st.text(alphabet="ab<>x", max_size=30))
def test_splitter(tokens: list[str], text: str) -> None:
    parts = TokenSplitter(tokens).split(text)
    expected: list[str] = []
    plain, position = "", 0
    while position < len(text):
        found = max((token for token in tokens if text.startswith(token, position)), key=len, default="")
        if found:
            expected += [plain, found]
            plain = ""
        else:
            plain += text[position]
        position += len(found) or 1
    assert parts == [part for part in [*expected, plain] if part]


@settings(deadline=None)
@given(tokenizers, st.lists(texts, min_size=1, max_size=5), st.integers(2, 20), st.sampled_from(["left", "right"]))
def test_batches(tokenizer: PreTrainedTokenizer, batch: list[str], length: int, side: str) -> None:
    """A row of a batch is the text alone, padded; truncation keeps a prefix; nothing given is changed."""
    before = copy.deepcopy(batch)
    alone = [tokenizer(text) for text in batch]
    together = tokenizer(batch, padding=True, padding_side=side)
    width = max(len(row.input_ids) for row in alone)
    for i, row in enumerate(alone):
        ids, mask = together.input_ids[i], together.attention_mask[i]
        assert len(ids) == len(mask) == width
        assert [index for index, shown in zip(ids, mask, strict=True) if shown] == row.input_ids
        assert mask == sorted(mask, reverse=side == "right")
    assert tokenizer.pad(alone, padding_side=side) == together
    ends = tokenizer.num_special_tokens_to_add()
    for row, cut in zip(alone, tokenizer(batch, truncation=True, max_length=length).input_ids, strict=True):
        assert len(cut) == min(length, len(row.input_ids))
        assert cut[: len(cut) - ends] == row.input_ids[: len(cut) - ends]
    assert batch == before


@settings(deadline=None)
@given(tokenizers, texts)
def test_encoding_is_tokenizing(tokenizer: PreTrainedTokenizer, text: str) -> None:
    tokens = tokenizer.tokenize(text)
    ids = tokenizer.convert_tokens_to_ids(tokens)
    assert tokenizer.encode(text) == tokenizer.build_inputs_with_special_tokens(ids)
    assert tokenizer.encode(text, add_special_tokens=False) == ids
    assert all(0 <= index < len(tokenizer) for index in ids)
    assert tokenizer.convert_tokens_to_ids(tokenizer.convert_ids_to_tokens(ids)) == ids
    assert tokenizer.decode(np.array(ids, dtype=np.int32)) == tokenizer.decode(ids)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["the", "man", "wrote", "one", "line", "day", "sea"]), max_size=12))
def test_known_words_come_back(words: list[str]) -> None:
    for tokenizer in TOKENIZERS.values():
        ids = tokenizer.encode(" ".join(words))
        assert tokenizer.decode(ids, skip_special_tokens=True) == " ".join(words)


def test_long_texts_take_linear_time() -> None:
    words = " ".join(["lighthouse keepers write one line a day"] * 6_000)
    special = "</s><mask_1> x <" * 20_000
    for text in (words, special):
        short = text[: len(text) // 8]
        spent = []
        for sample in (short, text):
            began = time.process_time()
            ids = PEGASUS.encode(sample)
            PEGASUS.decode(ids)
            spent.append(time.process_time() - began)
        assert spent[1] < 3
        assert spent[1] < 40 * spent[0]  # 8 for linear, 64 for quadratic
