"""The BERT and RoBERTa tokenizers against transformers': ids with both of its kinds, calls with the slow one."""

import logging
import unicodedata
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenization_corpus import LIVELY_TEXTS, ODD_TEXTS, random_texts, training_lines

from minipegasus import tokenization

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    library = pytest.importorskip("tokenizers")
    reference = pytest.importorskip("transformers")
    reference.logging.set_verbosity(reference.logging.CRITICAL)

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]
logging.getLogger("minipegasus").setLevel(logging.CRITICAL)

# The slow BERT tokenizer drops characters that Python's Unicode tables do not know and composes (NFC); the fast one,
# which here decides the ids, does neither.
UNASSIGNED = {"Cn", "Co", "Cs"}
FOLDERS = ["bert", "bert_cased", "roberta", "roberta_prefix"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("halves")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    for cased in (False, True):
        words = library.Tokenizer(library.models.WordPiece(unk_token="[UNK]"))
        words.normalizer = library.normalizers.BertNormalizer(lowercase=not cased)
        words.pre_tokenizer = library.pre_tokenizers.BertPreTokenizer()
        trainer = library.trainers.WordPieceTrainer(vocab_size=900, special_tokens=special, show_progress=False)
        words.train_from_iterator(training_lines(), trainer)
        pieces = sorted(words.get_vocab().items(), key=lambda item: item[1])
        path = root / ("bert_cased_vocab.txt" if cased else "bert_vocab.txt")
        path.write_text("".join(f"{piece}\n" for piece, _ in pieces), encoding="utf-8")
        slow = reference.BertTokenizer(path, do_lower_case=not cased, model_max_length=20)
        slow.save_pretrained(root / ("bert_cased" if cased else "bert"))
    pairs = library.Tokenizer(library.models.BPE())
    pairs.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = library.trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    pairs.train_from_iterator(training_lines(), trainer)
    pairs.model.save(str(root))
    for prefix, name in ((False, "roberta"), (True, "roberta_prefix")):
        slow = reference.RobertaTokenizer(root / "vocab.json", root / "merges.txt", add_prefix_space=prefix)
        slow.save_pretrained(root / name)
    return {name: root / name for name in FOLDERS}


def load(folders: dict[str, Path], name: str) -> tuple[Any, Any, Any]:
    """Return our tokenizer, their slow one and their fast one."""
    kind = "Roberta" if name.startswith("roberta") else "Bert"
    slow, fast = (getattr(reference, f"{kind}Tokenizer{suffix}") for suffix in ("", "Fast"))
    ours = getattr(tokenization, f"{kind}Tokenizer")
    return tuple(one.from_pretrained(folders[name]) for one in (ours, slow, fast))  # type: ignore[return-value]


def known(text: str) -> bool:
    composed = unicodedata.is_normalized("NFC", text)
    return composed and not any(unicodedata.category(char) in UNASSIGNED for char in text)


@pytest.mark.parametrize("name", FOLDERS)
def test_texts(folders: dict[str, Path], name: str) -> None:
    ours, slow, fast = load(folders, name)
    our_fast = getattr(tokenization, type(fast).__name__).from_pretrained(folders[name])
    for text in [*ODD_TEXTS, *random_texts(1500, name)]:
        ids = ours.encode(text)
        if name != "roberta_prefix":  # its fast one adds a space before newlines and after special tokens too
            assert ids == fast.encode(text), text
        if known(text) or name.startswith("roberta"):
            assert ids == slow.encode(text), text
        for options in ({}, {"skip_special_tokens": True}, {"clean_up_tokenization_spaces": False}):
            assert ours.decode(ids, **options) == slow.decode(ids, **options), text
            if name != "roberta_prefix":
                assert our_fast.decode(ids, **options) == fast.decode(ids, **options), text


TEXTS = st.sampled_from([text for text in LIVELY_TEXTS if known(text)]) | st.text(alphabet="the man, [MASK] x<mask>")
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "add_special_tokens": st.booleans(),
        "padding": st.sampled_from([True, False, "max_length"]),
        "truncation": st.sampled_from([True, False, "only_first", "only_second"]),
        "max_length": st.integers(5, 14),
        "return_token_type_ids": st.sampled_from([None, True]),
        "return_special_tokens_mask": st.booleans(),
        "return_overflowing_tokens": st.booleans(),
        "return_length": st.booleans(),
    },
)


@pytest.mark.parametrize("name", FOLDERS)
def test_calls(folders: dict[str, Path], name: str) -> None:
    ours, slow, _ = load(folders, name)

    @settings(deadline=None, max_examples=150)
    @given(st.lists(TEXTS, min_size=1, max_size=3), st.none() | TEXTS, st.booleans(), OPTIONS)
    def check(texts: list[str], second: str | None, words: bool, options: dict[str, Any]) -> None:
        for text, pair in (
            (texts, None if second is None else [second] * len(texts)),
            (texts[0], second),
        ):
            try:
                expected = dict(slow(text, pair, **options))
            except (ValueError, TypeError):
                with pytest.raises((ValueError, TypeError)):
                    ours(text, pair, **options)
            else:
                assert ours(text, pair, **options).data == expected
        if words:
            assert ours(texts, is_split_into_words=True).data == dict(slow(texts, is_split_into_words=True))

    check()


@pytest.mark.parametrize("name", FOLDERS)
def test_files(folders: dict[str, Path], name: str, tmp_path: Path) -> None:
    ours, slow, fast = load(folders, name)
    for tokenizer in (ours, slow):
        tokenizer.add_tokens(["Extra Token"])
    assert ours.get_vocab() == slow.get_vocab()
    assert ours.all_special_ids == slow.all_special_ids
    for text in ["an extra token", "an Extra Token here", "EXTRA TOKEN[MASK]<mask> \u03a3"]:
        assert ours.tokenize(text) == slow.tokenize(text)
    ours.save_pretrained(tmp_path / "ours")
    slow.save_pretrained(tmp_path / "slow")
    for path in (tmp_path / "slow").iterdir():
        if path.name != "tokenizer_config.json":
            assert (tmp_path / "ours" / path.name).read_bytes() == path.read_bytes(), path.name
    again = type(slow).from_pretrained(tmp_path / "ours")
    fast.save_pretrained(tmp_path / "fast")
    for file in ("vocab.txt", "vocab.json", "merges.txt"):
        (tmp_path / "fast" / file).unlink(missing_ok=True)
    from_fast = tokenization.AutoTokenizer.from_pretrained(tmp_path / "fast")
    for text in LIVELY_TEXTS:
        assert dict(again(text)) == dict(slow(text))
        assert from_fast(text).data == dict((slow if name == "roberta_prefix" else fast)(text))
