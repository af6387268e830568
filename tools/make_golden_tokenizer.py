"""Make golden/tokenizer: six small tokenizer folders and what transformers' slow tokenizers do with them.

    pip install -r tools/requirements-golden.txt
    python tools/make_golden_tokenizer.py

Regenerates every byte. ``cases.json`` lists calls: a folder, a method or attribute of its tokenizer, the arguments, and
the result as JSON. Nothing in it is specific to Python, so a port in any language can replay it.
"""
# ruff: noqa: RUF001 (the text has many scripts)

import io
import json
import shutil
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import tokenizers
import transformers
from golden_common import GOLDEN, replace, write_sums

FOLDER = GOLDEN / "tokenizer"

# What the vocabularies are trained on. Several scripts, so that pieces of one and of several bytes occur.
TEXT = """The man who kept the lighthouse wrote one line a day.
On the first day he wrote: the lamp is lit, the sea is calm, and the birds have gone south.
On the second day the wind turned, and he wrote that the wind had turned.
A summary is a promise: it says less than the document, and nothing that the document does not say.
The reader of a summary wants to know who did what, where, when and why; how is for the document.
When the committee met in the spring, it asked for a shorter report, and when the shorter report arrived, it asked why.
Nobody had counted the pages. There were three hundred and twelve of them, with seventeen tables and four maps.
The engineers measured the bridge again in winter, because steel is shorter in winter than it is in summer.
They found a difference of eleven millimetres, which was what the tables said, and they went home.
Most of the water in the valley comes from the glacier; most of the rest comes from wells that are older than the town.
The town council voted on Tuesday to repair the old pumps, to close two of the wells and to read the meters every month.
"Do not read the meters every month," said the miller, "read them when it rains, for that is when they are wrong."
Researchers trained a model on the letters of the miller, which he had kept in boxes since the year of the flood.
The model wrote letters that sounded like his, about the price of flour, the state of the road and a horse.
It is not known whether the horse was real. The price of flour was not.
In this paper we describe a method that finds the longest sentence of a text and removes it.
We show that the method improves the text in four of five cases, and that in the fifth case the text was one sentence.
Our code and our data are available, and so are we: write to the second author, who answers on Fridays.
The patent describes a device for opening a window from the other side of a room, with a rope, a wheel and a bell.
The bell rings when the window is open, and rings again when it is closed, so that the sleeper knows of both.
Prices rose by 3.5% in May, by 2.1% in June and by 0.4% in July; in August they did not rise at all (see table 12).
She ran the 1,500 metres in 4:02.61, the fastest time of the year, and then ran back to catch the 17:45 train.
He said that he had not seen the cat. The cat said nothing. Both of them were sitting on the evidence.
The translation of the poem is longer than the poem, because the poem rhymes and the translation explains.
Der Leuchtturm steht am Ende der Straße, und die Straße führt nur zum Leuchtturm. Über dem Meer schreien die Möwen.
Le gardien du phare écrit une ligne par jour; l'été, il en écrit deux. La mer était calme, le café était prêt.
El farero escribe una línea al día. Mañana escribirá otra, si el viento no se lleva el papel. ¿Quién lo leerá?
Смотритель маяка пишет одну строку в день. Море спокойно, птицы улетели на юг, лампа горит.
灯台守は毎日一行だけ書く。海は静かで、鳥は南へ飛んで行った。灯りはついている。
灯塔的看守人每天写一行字。海很平静，鸟已经飞往南方，灯亮着。
등대지기는 하루에 한 줄을 쓴다. 바다는 고요하고 새들은 남쪽으로 날아갔다.
ο φύλακας του φάρου γράφει μια γραμμή την ημέρα. η θάλασσα είναι ήρεμη.
حارس المنارة يكتب سطرا واحدا كل يوم. البحر هادئ والطيور ذهبت إلى الجنوب.
שומר המגדלור כותב שורה אחת ביום. הים רגוע והציפורים עפו דרומה.
दीपगृह का रखवाला रोज़ एक पंक्ति लिखता है। समुद्र शांत है।
def summary(text): return text.split(". ")[0] + "." if text else ""  # the first sentence, more or less
for i in range(10): print(i, i ** 2, i % 3 == 0, [i, i + 1], {"key": "value"}, "https://example.org/?q=a&b=c#d")
"""

TEXTS = [
    "",
    " ",
    "\n",
    "the man",
    "The man wrote one line a day.",
    "  spaces   around \t and\u00a0within \u3000 ",
    "first line\nsecond line\r\n\nlast line",
    "zero\u200bwidth, joiner\u200d, mark\ufeff, \u2581 itself \u2581\u2581x",
    "control \x00\x01\x1f\x7f characters",
    "e\u0301 a\u030a combining, \u00e9 \u00e5 composed, \ufb01 \uff21\uff22 \u2460 \u00bd",
    "Stra\u00dfe, Stra\u00dfen, \u0130stanbul, \u039f\u0394\u039f\u03a3",
    "\u6d77\u5f88\u5e73\u9759\uff0c\u706f\u4eae\u7740\u3002 \u304b\u306a \uff76\uff85",
    "\ubc14\ub2e4\ub294 \uace0\uc694\ud558\ub2e4 \u1112\u1161\u11ab",
    "\u202b\u05d4\u05d9\u05dd \u05e8\u05d2\u05d5\u05e2\u202c \u0627\u0644\u0628\u062d\u0631",
    "\u0938\u092e\u0941\u0926\u094d\u0930 \u0936\u093e\u0902\u0924 \u0939\u0948\u0964",
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f\U0001f44d\U0001f3fd",
    "\u2603 unknown\u2603\u2604glued \u2605 \u2606",
    "</s>",
    "the</s>man <pad> <s>x</s>",
    "the <mask_1> of<mask_2>man, <mask_3> <unk_2> <unk_102><unk_103> <unk>",
    "<n> one<n>two <n><n>",
    "[MASK] a [MASK]b[SEP] [CLS] [UNK] <mask> x<::::>y",
    "\uff1c/s\uff1e and \uff1cpad\uff1e after normalisation",
    "don't , it's . we've ! he 's ? they 're ' x '",
    "https://example.org/?q=a&b=c#d 1,234.56 3.5% $5 #4 @x",
    'def f(x): return {"a": [1, 2]}  # <b>bold</b>',
    "x <both> y<both>z  <left>  x  <right>  y \u2604  x",
    "word words sword word. (word) a word word two words twowords two two words",
    "x" * 40,
    "the lighthouse " * 10,
]


def train(**options: Any) -> bytes:
    """Return a SentencePiece model of the text above."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT.splitlines()),
        model_writer=model,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
        **options,
    )
    return model.getvalue()


def make_folders() -> dict[str, transformers.PreTrainedTokenizer]:
    """Write the folders as the reference saves them; return its tokenizer for each, loaded again from there."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    pegasus_ids = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
    # The rules that Pegasus' own model has: NFKC with more spaces. Their table is most of the file.
    file = _file("pegasus", train(vocab_size=700, user_defined_symbols=["<n>"], **pegasus_ids))
    pegasus = transformers.PegasusTokenizer(file, model_max_length=64)
    symbols = {"control_symbols": ["<s>", "[CLS]", "[SEP]"], "user_defined_symbols": ["[MASK]"]}
    identity = {"normalization_rule_name": "identity"}
    file = _file("bigbird_pegasus", train(vocab_size=500, **symbols, **pegasus_ids, **identity))
    bigbird = transformers.PegasusTokenizer(
        file,
        offset=0,
        mask_token=transformers.AddedToken("[MASK]", lstrip=True, normalized=True),
        mask_token_sent=None,
        bos_token="<s>",
        sep_token="[SEP]",
        cls_token="[CLS]",
        additional_special_tokens=[],
        model_max_length=4096,
    )
    file = _file("added_tokens", Path(file).read_bytes())
    added = transformers.PegasusTokenizer(file, offset=9, additional_special_tokens=["<one>", "<two>"])
    added.add_tokens(
        [
            transformers.AddedToken("<both>", lstrip=True, rstrip=True),
            transformers.AddedToken("<left>", lstrip=True, special=True),
            transformers.AddedToken("<right>", rstrip=True),
            transformers.AddedToken("word", single_word=True),
            *("two words", "two", "\u2604", "lighthouse"),
        ]
    )
    ids = {"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3}
    names = {"user_defined_symbols": ["<::::>"], "byte_fallback": True}
    file = _file("bert_generation", train(vocab_size=700, **names, **ids, **identity))
    generation = transformers.BertGenerationTokenizer(file, model_max_length=512)
    folders = {
        "pegasus": pegasus,
        "bigbird_pegasus": bigbird,
        "added_tokens": added,
        "bert_generation": generation,
        **make_halves(),
    }
    for _ in range(2):  # what it loads it saves with more flags; what it then loads it saves the same
        for name, tokenizer in folders.items():
            tokenizer.save_pretrained(FOLDER / name)
            folders[name] = type(tokenizer).from_pretrained(FOLDER / name)
    return folders


def _file(name: str, content: bytes) -> str:
    path = FOLDER / name / "spiece.model"
    replace(path, content)
    return str(path)


def make_halves() -> dict[str, transformers.PreTrainedTokenizer]:
    """Return a BERT and a RoBERTa tokenizer trained on the text above."""
    # The library's WordPiece trainer changes from run to run: take every letter, and the words that occur twice.
    rules = tokenizers.normalizers.BertNormalizer(lowercase=True)
    split = tokenizers.pre_tokenizers.BertPreTokenizer()
    words = Counter(word for word, _ in split.pre_tokenize_str(rules.normalize_str(TEXT)))
    letters = sorted(set("".join(words)))
    common = sorted(word for word, count in words.items() if count > 1 and len(word) > 1)
    ends = [f"##{end}" for end in ("ed", "er", "es", "ing", "ly", "en", "on")]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters), *ends, *common]
    replace(FOLDER / "bert" / "vocab.txt", "".join(f"{piece}\n" for piece in pieces).encode())
    bert = transformers.BertTokenizer(str(FOLDER / "bert" / "vocab.txt"), model_max_length=64)
    pairs = tokenizers.Tokenizer(tokenizers.models.BPE())
    pairs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    pairs.train_from_iterator(TEXT.splitlines(), trainer)
    (FOLDER / "roberta").mkdir(parents=True)
    pairs.model.save(str(FOLDER / "roberta"))
    files = [str(FOLDER / "roberta" / name) for name in ("vocab.json", "merges.txt")]
    return {"bert": bert, "roberta": transformers.RobertaTokenizer(*files, model_max_length=64)}


ATTRIBUTES = [
    *("vocab_size", "model_max_length", "model_input_names", "padding_side", "truncation_side", "all_special_ids"),
    *("special_tokens_map", "pad_token_id", "eos_token_id", "unk_token_id", "mask_token_id", "bos_token_id"),
    *("clean_up_tokenization_spaces", "additional_special_tokens_ids", "max_len_single_sentence"),
]
PAIR = ["The lamp is lit, the sea is calm.", "Nobody had counted the pages of the report."]
BATCH = ["The man who kept the lighthouse wrote.", "", "one line", "day <mask_1> [SEP] <s>"]
CALLS: list[tuple[list[Any], dict[str, Any]]] = [
    ([BATCH], {"padding": True}),
    ([BATCH], {"padding": "max_length", "max_length": 12, "truncation": True}),
    ([BATCH], {"padding": True, "pad_to_multiple_of": 8, "padding_side": "left"}),
    ([BATCH], {"padding": True, "return_special_tokens_mask": True, "return_length": True}),
    ([BATCH], {"add_special_tokens": False}),
    ([BATCH, BATCH[::-1]], {"padding": True, "return_token_type_ids": True}),
    ([BATCH], {"padding": True, "return_tensors": "np"}),
    ([PAIR[0]], {"return_tensors": "np", "return_attention_mask": False}),
    (PAIR, {"truncation": True, "max_length": 11}),
    (PAIR, {"truncation": "longest_first", "max_length": 6}),
    (PAIR, {"truncation": "only_first", "max_length": 20, "stride": 2, "return_overflowing_tokens": True}),
    (PAIR, {"truncation": "only_second", "max_length": 22, "stride": 1, "return_overflowing_tokens": True}),
    ([PAIR[0]], {"truncation": True, "max_length": 5, "stride": 2, "return_overflowing_tokens": True}),
    ([PAIR[0]], {"truncation": True, "max_length": 4}),
    ([["The", "lighthouse", "wrote", ""]], {"is_split_into_words": True}),
    ([[["one", "line"], ["a day"]]], {"is_split_into_words": True, "padding": True}),
    ([[PAIR, PAIR[::-1]]], {"padding": True}),
    ([PAIR[0]], {"text_target": PAIR[1]}),
    ([], {"text_target": PAIR}),
]


def cases_of(name: str, tokenizer: transformers.PreTrainedTokenizer) -> Iterator[dict[str, Any]]:
    """Yield every case of one folder."""

    def case(method: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        given = json.loads(json.dumps([arguments, options]))  # the reference changes some of its arguments
        result = getattr(tokenizer, method)
        result = plain(result(*arguments, **options) if callable(result) else result)
        return {"folder": name, "method": method, "arguments": given[0], "options": given[1], "result": result}

    yield from (case(attribute) for attribute in ATTRIBUTES)
    yield case("get_added_vocab")
    for i, text in enumerate(TEXTS):
        tokens = tokenizer.tokenize(text)
        ids = tokenizer.encode(text)
        yield case("tokenize", text)
        yield case("__call__", text)
        if i % 3 == 0:
            yield case("convert_tokens_to_ids", tokens)
            yield case("convert_ids_to_tokens", ids)
            yield case("convert_tokens_to_string", tokens)
        yield case("decode", ids)
        yield case("decode", ids, skip_special_tokens=True, clean_up_tokenization_spaces=True)
        if name == "added_tokens":
            yield case("decode", ids, spaces_between_special_tokens=False)
        yield case("get_special_tokens_mask", ids, already_has_special_tokens=True)
    for arguments, options in CALLS:
        yield case("__call__", *arguments, **options)
    first, second = [tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text)) for text in PAIR]
    yield case("build_inputs_with_special_tokens", first)
    yield case("build_inputs_with_special_tokens", first, second)
    yield case("create_token_type_ids_from_sequences", first, second)
    yield case("get_special_tokens_mask", first, second)
    yield case("num_special_tokens_to_add", pair=True)
    yield case("batch_decode", [first, second, []])
    yield case("decode", list(range(0, tokenizer.vocab_size, 13)))
    yield case("prepare_for_model", first, second, truncation=True, max_length=10)
    yield case("truncate_sequences", first, second, 5, "longest_first")
    yield case("pad", {"input_ids": [first, second, [5]]}, return_attention_mask=True)


def plain(value: Any) -> Any:
    """Return a result as JSON has it: arrays as lists."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if hasattr(value, "items"):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def main() -> None:
    """Write the folders, the cases and the sums."""
    transformers.logging.set_verbosity(transformers.logging.CRITICAL)
    warnings.simplefilter("ignore")
    cases = [case for name, one in make_folders().items() for case in cases_of(name, one)]
    lines = ",\n".join(json.dumps(case, sort_keys=True, separators=(",", ":")) for case in cases)
    versions = {one.__name__: one.__version__ for one in (sentencepiece, tokenizers, transformers)}
    head = json.dumps(versions, sort_keys=True)
    replace(FOLDER / "cases.json", f'{{"cases": [\n{lines}\n], "versions": {head}}}\n'.encode())
    write_sums(FOLDER)


if __name__ == "__main__":
    main()
