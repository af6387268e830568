"""Make the bundled demo model, minipegasus/demo/, from scratch: python tools/train_demo.py --work FOLDER

Steps, in order; each leaves its result in the work folder, so a second run continues where the first stopped:

download   pip downloads the wheels of demo_corpus.txt; nothing is installed, imported or run
data       documents and their first lines out of the documentation strings, split by package
tokenizer  SentencePiece unigram model of the training text
copy       going on with a run of random pieces, from starting weights that make that easy
pretrain   gap sentences of the training text, some random runs between them
finetune   document -> first line
choose     beam settings, on the validation packages
export     the float16 folder
evaluate   ROUGE on the test packages, by the exported folder; the card
expected   token ids by transformers, for the tests

Needs tools/requirements-demo.txt. A GPU is used where there is one; else it takes under two hours on two cores.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import json
import os
import platform
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import sentencepiece
import torch
import transformers
from demo_model import (
    DEVICE,
    EOS,
    KEPT_IN_PLACE,
    PAD,
    PIECES,
    SEED,
    SOURCE_TOKENS,
    TARGET_TOKENS,
    Encoder,
    Example,
    Stage,
    copy_examples,
    cut,
    gap_examples,
    generate,
    in_processes,
    log,
    new_model,
    run_stage,
    start_copying,
    write,
    write_json,
)
from demo_text import (
    HELD_OUT_BAR,
    TRAIN_BAR,
    Pair,
    Seen,
    distinct,
    paragraphs,
    read_docstring,
    sentences,
    stdlib_docstrings,
    wheel_docstrings,
    wheel_pages,
)
from rouge_score.rouge_scorer import RougeScorer
from safetensors.torch import load_model, save_file
from transformers import AutoModelForSeq2SeqLM, GenerationConfig, PegasusForConditionalGeneration, PegasusTokenizer

TOOLS = Path(__file__).resolve().parent
DEMO = TOOLS.parent / "minipegasus" / "demo"
EXPECTED = TOOLS.parent / "tests" / "data" / "demo_expected.json"
PROSE = "prose.txt"

STDLIB = "python"
VALIDATION = ("nibabel", "optuna", "pyramid", "traits")
TEST = (
    "celery", "librosa", "metaflow", "networkx", "pyglet", "redis", "scikit-image", "shapely", "trio", "wagtail",
)  # fmt: skip
TRAIN_PER_PACKAGE, HELD_OUT_PER_PACKAGE = 1500, 120
TRAIN_PER_SUMMARY, HELD_OUT_PER_SUMMARY = 3, 1
SENTENCE_DROP = 0.2  # part of the fine-tuning documents that lose one sentence, anew in every pass
LABEL_SMOOTHING = 0.1
COPY_MINUTES = 6.0
GREEDY = {"num_beams": 1, "early_stopping": False}

EXPECTED_TEXTS = (
    "A connection pool keeps a number of open connections to a database and lends them out on request. A connection"
    " that is returned goes back to the pool and is used again. When all connections are lent, a request waits.",
    "Read the whole file into memory and split it into lines.",
    "The scheduler runs every job at the time that its rule gives. A job that fails is tried again after a pause,"
    " and the pause doubles with each failure. Jobs that fail five times are put aside, and a person has to look.",
    "Two arrays are equal when they have the same shape and the same elements. Missing values in the same place"
    " count as equal. Naïve comparison would say that they differ, because a missing value is unequal to itself.",
)
"""Texts of the recorded cases, besides the sample text."""


# ------------------------------------------------------------------------------------------------ text data


def corpus() -> dict[str, tuple[str, str]]:
    """Return {package: (version, licence)} of demo_corpus.txt."""
    lines = (TOOLS / "demo_corpus.txt").read_text().splitlines()
    rows = [re.fullmatch(r"([\w.-]+)==(\S+)\s+#\s*(.+)", line) for line in lines if line and line[0] != "#"]
    return {row[1]: (row[2], row[3]) for row in rows if row}


def wheel_key(name: str) -> str:
    """Return a package name as comparable text: lower case, one kind of dash."""
    return re.sub(r"[-_.]+", "-", name).lower()


def download(work: Path) -> None:
    """Download the wheel of every pinned package; wheels only, so no code of theirs runs."""
    folder = work / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    have = {wheel_key(path.name.split("-")[0]) for path in folder.glob("*.whl")}
    for name, (version, _) in corpus().items():
        if wheel_key(name) not in have:
            options = ["--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(folder)]
            subprocess.run([sys.executable, "-m", "pip", "download", *options, f"{name}=={version}"], check=True)


def read_package(package: str, wheel: Path | None) -> tuple[list[Pair], list[str]]:
    """Return the pairs of one package (None: the standard library) and all its prose, by documentation string."""
    bar = HELD_OUT_BAR if package in TEST + VALIDATION else TRAIN_BAR
    pairs: list[Pair] = []
    prose: list[str] = []
    for text in stdlib_docstrings() if wheel is None else wheel_docstrings(wheel):
        pair, whole = read_docstring(package, text, bar)
        prose.append(whole)
        if pair:
            pairs.append(pair)
    pages = wheel_pages(wheel) if wheel else ()
    prose.extend(" ".join(paragraphs(page)) for page in pages)
    return pairs, [text for text in prose if len(text.split()) >= 12]


def split(pairs: dict[str, list[Pair]]) -> dict[str, list[Pair]]:
    """Split the pairs by package; text that repeats held-out text or earlier text is dropped."""
    seen = Seen()
    rng = random.Random(SEED)
    parts: dict[str, list[Pair]] = {}
    training = tuple(sorted(set(pairs) - set(TEST + VALIDATION)))
    for part, names in {"test": TEST, "validation": VALIDATION, "train": training}.items():
        held_out = part != "train"
        mixed = [pair for name in names for pair in rng.sample(pairs[name], len(pairs[name]))]
        per_package = HELD_OUT_PER_PACKAGE if held_out else TRAIN_PER_PACKAGE
        per_summary = HELD_OUT_PER_SUMMARY if held_out else TRAIN_PER_SUMMARY
        parts[part] = list(distinct(mixed, seen, per_package, per_summary))
        rng.shuffle(parts[part])
    return parts


def training_prose(prose: dict[str, list[str]]) -> list[str]:
    """Return the texts of the training packages that repeat neither held-out text nor each other."""
    seen = Seen()
    for name in TEST + VALIDATION:
        for text in prose[name]:
            seen.repeats(text)
    training = sorted(set(prose) - set(TEST + VALIDATION))
    kept = [text for name in training for text in prose[name] if not seen.repeats(text)]
    random.Random(SEED).shuffle(kept)
    return kept


def make_data(work: Path) -> None:
    """Write train.json, validation.json, test.json (pairs) and prose.txt (one training text a line)."""
    wheels = {wheel_key(path.name.split("-")[0]): path for path in (work / "wheels").glob("*.whl")}
    sources: dict[str, Path | None] = {name: wheels[wheel_key(name)] for name in sorted(corpus())}
    sources[STDLIB] = None
    pairs: dict[str, list[Pair]] = {}
    prose: dict[str, list[str]] = {}
    for name, wheel in sources.items():
        pairs[name], prose[name] = read_package(name, wheel)
        log(f"{name}: {len(pairs[name])} pairs, {sum(len(text.split()) for text in prose[name])} words")
    write(work / PROSE, "\n".join(training_prose(prose)) + "\n")
    for part, items in split(pairs).items():
        write_json(work / f"{part}.json", [asdict(item) for item in items])
        log(f"{part}: {len(items)} pairs")


def pairs_of(work: Path, part: str) -> list[Pair]:
    """Return the pairs of one part: train, validation or test."""
    return [Pair(**item) for item in json.loads((work / f"{part}.json").read_text())]


# ---------------------------------------------------------------------------------------------- measuring


def rouge(references: list[str], outputs: list[str]) -> dict[str, float]:
    """Return the mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L in percent, with stemming."""
    names = ["rouge1", "rouge2", "rougeL"]
    scorer = RougeScorer(names, use_stemmer=True)
    scores = [scorer.score(reference, output) for reference, output in zip(references, outputs, strict=True)]
    return {name: round(100 * sum(score[name].fmeasure for score in scores) / len(scores), 2) for name in names}


def baseline(pairs: list[Pair]) -> dict[str, float]:
    """Return the ROUGE of the first sentence of each document."""
    return rouge([pair.summary for pair in pairs], [sentences(pair.document)[0] for pair in pairs])


# ----------------------------------------------------------------------------------------------- training


def make_tokenizer(work: Path) -> None:
    """Train the SentencePiece unigram model on the training text, with Pegasus's special pieces."""
    sentencepiece.set_random_generator_seed(SEED)
    lines = [line for text in (work / PROSE).read_text().splitlines() for line in sentences(text)]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, model_type="unigram", vocab_size=PIECES,
        normalization_rule_name="nmt_nfkc", character_coverage=0.9995, num_threads=1,
        input_sentence_size=300_000, shuffle_input_sentence=True, minloglevel=1,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, user_defined_symbols=["<n>"],
    )  # fmt: skip
    write(work / "spiece.model", model.getvalue())


def checker(model: PegasusForConditionalGeneration, work: Path) -> Callable[[], str]:
    """Return a function that measures the model on 200 validation pairs with greedy search."""
    pairs = pairs_of(work, "validation")[:200]
    encode = Encoder(work / "spiece.model")
    rows = [cut(encode(sentences(pair.document)), 0.0, random.Random()) for pair in pairs]
    first = baseline(pairs)

    def check() -> str:
        made = [encode.text(ids) for ids in generate(model, rows, max_length=48, **GREEDY)]
        samples = [f"\n    {pair.summary}  <-  {text}" for pair, text in zip(pairs[:5], made, strict=False)]
        return f"greedy {rouge([pair.summary for pair in pairs], made)}, first sentence {first}" + "".join(samples)

    return check


def train(work: Path, stage: Stage, model: PegasusForConditionalGeneration, processes: int) -> None:
    """Run one stage; its weights and facts go to the work folder."""
    log(
        f"{stage.name}: {len(stage.examples)} examples, {sum(value.numel() for value in model.parameters())} parameters"
    )
    in_processes(processes, lambda: run_stage(stage, model, work, checker(model, work)))


def trained(path: Path) -> PegasusForConditionalGeneration:
    """Return the model with the weights that a stage left."""
    model = new_model()
    load_model(model, str(path))
    return model


def copy(work: Path, options: argparse.Namespace) -> None:
    """Learn to go on with a run of the source."""
    model = new_model()
    start_copying(model)
    stage = Stage("copy", copy_examples(40_000), 2000, COPY_MINUTES, options.tokens, 0.6 * options.rate)
    train(work, stage, model, options.processes)


def pretrain(work: Path, options: argparse.Namespace) -> None:
    """Pretrain on gap sentences, with some copying between them so that it is not forgotten."""
    examples = gap_examples((work / PROSE).read_text().splitlines(), Encoder(work / "spiece.model"))
    examples += copy_examples(len(examples) // 10)
    minutes = options.pretrain_share * (options.minutes - COPY_MINUTES)
    stage = Stage("pretrain", examples, options.pretrain_steps, minutes, options.tokens, options.rate)
    train(work, stage, trained(work / "copy.safetensors"), options.processes)


def finetune(work: Path, options: argparse.Namespace) -> None:
    """Fine-tune on the pairs of the training packages."""
    encode = Encoder(work / "spiece.model")
    pairs = pairs_of(work, "train")
    log(f"first sentence on the test packages: {baseline(pairs_of(work, 'test'))}")
    targets = [ids[:TARGET_TOKENS] for ids in encode([pair.summary for pair in pairs])]
    sources = [encode(sentences(pair.document)) for pair in pairs]
    examples = [Example(*both) for both in zip(sources, targets, strict=True)]
    minutes = (1 - options.pretrain_share) * (options.minutes - COPY_MINUTES)
    stage = Stage("finetune", examples, options.finetune_steps, minutes, options.tokens, 0.7 * options.rate)
    stage.drop, stage.smoothing = SENTENCE_DROP, LABEL_SMOOTHING
    train(work, stage, trained(work / "pretrain.safetensors"), options.processes)


# ------------------------------------------------------------------------------------------------- export


def rounded(work: Path) -> PegasusForConditionalGeneration:
    """Return the fine-tuned model with its weights rounded to float16 (computing in float32)."""
    return trained(work / "finetune.safetensors").half().float().eval()


def choose(work: Path) -> None:
    """Search the beam settings on the validation packages; write the best by ROUGE-2 plus ROUGE-L."""
    model = rounded(work)
    encode = Encoder(work / "spiece.model")
    pairs = pairs_of(work, "validation")
    rows = [cut(encode(sentences(pair.document)), 0.0, random.Random()) for pair in pairs]
    tried = []
    fixed = {"max_length": 48, "no_repeat_ngram_size": 3, "early_stopping": True}
    for beams, penalty in itertools.product((4, 6), (0.6, 1.0, 1.4, 2.0)):
        settings = {"num_beams": beams, "length_penalty": penalty}
        made = [encode.text(ids) for ids in generate(model, rows, **settings, **fixed)]
        scores = rouge([pair.summary for pair in pairs], made)
        tried.append({"scores": scores, "settings": settings | fixed})
        log(f"{settings}: {scores}")
    best = max(tried, key=lambda item: item["scores"]["rouge2"] + item["scores"]["rougeL"])
    write_json(work / "generation.json", {"best": best, "tried": tried, "first sentence": baseline(pairs)})


def export(work: Path) -> None:
    """Write the folder: float16 weights without aliases and position tables, configurations, tokenizer."""
    model = rounded(work)
    chosen = json.loads((work / "generation.json").read_text())["best"]["settings"]
    part = work / "export"
    tokenizer = PegasusTokenizer(str(work / "spiece.model"), model_max_length=SOURCE_TOKENS)
    tokenizer.save_pretrained(part)
    model.config.save_pretrained(part)
    GenerationConfig(
        pad_token_id=PAD, eos_token_id=EOS, decoder_start_token_id=PAD, forced_eos_token_id=EOS, **chosen
    ).save_pretrained(part)
    config = json.loads((part / "config.json").read_text())
    write_json(part / "config.json", config | {"architectures": [type(model).__name__], "dtype": "float32"})
    unwanted = re.compile(r"embed_positions|embed_tokens|lm_head|final_logits_bias")
    state = {name: value.half().contiguous() for name, value in model.state_dict().items() if not unwanted.search(name)}
    save_file(state, str(part / "model.safetensors"), metadata={"format": "pt"})
    for path in sorted(part.iterdir()):
        write(DEMO / path.name, path.read_bytes())
    log(f"{DEMO}: {sum(path.stat().st_size for path in DEMO.iterdir() if path.is_file())} bytes")


def loaded() -> tuple[PegasusForConditionalGeneration, PegasusTokenizer]:
    """Return the exported model and its tokenizer, read by transformers."""
    model = AutoModelForSeq2SeqLM.from_pretrained(DEMO, dtype=torch.float32, attn_implementation="eager")
    return model.to(DEVICE).eval(), PegasusTokenizer.from_pretrained(DEMO)


def evaluate(work: Path) -> None:
    """Measure the exported folder on the test packages; write results.json and the card."""
    model, tokenizer = loaded()
    pairs = pairs_of(work, "test")
    rows = tokenizer([pair.document for pair in pairs], truncation=True)["input_ids"]
    made = tokenizer.batch_decode(generate(model, rows), skip_special_tokens=True)
    results = {
        "model": rouge([pair.summary for pair in pairs], made),
        "first sentence": baseline(pairs),
        "packages": dict(sorted(Counter(pair.package for pair in pairs).items())),
        "samples": [asdict(pairs[k]) | {"output": made[k]} for k in random.Random(SEED).sample(range(len(pairs)), 5)],
        "outputs": made,
    }
    write_json(work / "results.json", results)
    log(f"test: {results['model']}, first sentence {results['first sentence']}")
    write(DEMO / "README.md", card(work))


def record_expected() -> None:
    """Write token ids of the exported folder by transformers, greedy and with its own beams, for the tests."""
    model, tokenizer = loaded()
    texts = [(DEMO / "sample.txt").read_text(), *EXPECTED_TEXTS]
    cases = []
    for text in texts:
        ids = tokenizer(text, truncation=True)["input_ids"]
        greedy, beams = (generate(model, [ids], **settings)[0] for settings in (GREEDY, {}))
        summary = tokenizer.decode(beams, skip_special_tokens=True)
        cases.append({"text": text, "input_ids": ids, "greedy": greedy, "beams": beams, "summary": summary})
    weights = hashlib.sha256((DEMO / "model.safetensors").read_bytes()).hexdigest()
    versions = {"torch": torch.__version__.partition("+")[0], "transformers": transformers.__version__}
    write_json(EXPECTED, {"weights_sha256": weights, "versions": versions, "cases": cases})


# --------------------------------------------------------------------------------------------------- card


def table(header: list[str], rows: list[list[object]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def facts(work: Path, name: str) -> dict:
    """Return a JSON file of the work folder."""
    return json.loads((work / f"{name}.json").read_text())


def scores_table(results: dict) -> str:
    """Return the table of ROUGE on the test packages."""
    rows = [
        [name, *(f"{results[name][measure]:.2f}" for measure in ("rouge1", "rouge2", "rougeL"))]
        for name in ("model", "first sentence")
    ]
    return table(["", "ROUGE-1", "ROUGE-2", "ROUGE-L"], rows)


def samples_text(results: dict) -> str:
    """Return the five samples as Markdown."""
    return "\n\n".join(
        f"{k}. From {item['package']}:\n\n   > {item['document']}\n\n   first line: {item['summary']}\\\n"
        f"   **model: {item['output']}**"
        for k, item in enumerate(results["samples"], 1)
    )


def parts_table(work: Path) -> str:
    """Return the table of the three parts of the data."""
    names = {"train": "the others", "validation": ", ".join(VALIDATION), "test": ", ".join(TEST)}
    return table(
        ["part", "pairs", "packages"],
        [[part, len(pairs_of(work, part)), packages] for part, packages in names.items()],
    )


def card(work: Path) -> str:
    """Return the model card."""
    results, generation = facts(work, "results"), facts(work, "generation")["best"]["settings"]
    copied, first, second = (facts(work, f"{name}-facts") for name in ("copy", "pretrain", "finetune"))
    processes = second["processes"]
    sizes = {path.name: path.stat().st_size for path in sorted(DEMO.iterdir()) if path.is_file()}
    config = json.loads((DEMO / "config.json").read_text())
    parameters = sizes["model.safetensors"] / 2
    packages = corpus() | {STDLIB: (platform.python_version(), "PSF-2.0")}
    return (TOOLS / "demo_card.md").read_text().format(
        parameters=f"{parameters / 1e6:.1f}", megabytes=f"{sum(sizes.values()) / 1e6:.1f}",
        encoder=config["encoder_layers"], decoder=config["decoder_layers"], width=config["d_model"],
        ffn=config["encoder_ffn_dim"], heads=config["encoder_attention_heads"], pieces=PIECES,
        positions=config["max_position_embeddings"], source=SOURCE_TOKENS,
        scores=scores_table(results), samples=samples_text(results), parts=parts_table(work),
        words=f"{len((work / PROSE).read_text().split()) / 1e6:.1f}", seed=SEED,
        first_examples=first["examples"], first_steps=first["steps"], first_minutes=first["minutes"],
        copy_steps=copied["steps"], copy_minutes=copied["minutes"], kept=KEPT_IN_PLACE,
        second_examples=second["examples"], second_steps=second["steps"], second_minutes=second["minutes"],
        device="one GPU" if DEVICE == "cuda" else f"{processes} processor thread{'s' * (processes > 1)}",
        generation=", ".join(f"{name} {value}" for name, value in sorted(generation.items())),
        train_words=TRAIN_BAR.words, train_shared=f"{TRAIN_BAR.shared:.0%}",
        held_words=HELD_OUT_BAR.words, held_shared=f"{HELD_OUT_BAR.shared:.0%}",
        count=sum(results["packages"].values()), held_out=len(TEST),
        packages=table(["package", "version", "licence"], [[name, *packages[name]] for name in sorted(packages)]),
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------- main


def steps(work: Path, options: argparse.Namespace) -> dict[str, tuple[Path, Callable[[], None]]]:
    """Return the steps in order: the file that shows that a step is done, and the function that does it."""
    return {
        "download": (work / "download.done", lambda: download(work)),
        "data": (work / "train.json", lambda: make_data(work)),
        "tokenizer": (work / "spiece.model", lambda: make_tokenizer(work)),
        "copy": (work / "copy.safetensors", lambda: copy(work, options)),
        "pretrain": (work / "pretrain.safetensors", lambda: pretrain(work, options)),
        "finetune": (work / "finetune.safetensors", lambda: finetune(work, options)),
        "choose": (work / "generation.json", lambda: choose(work)),
        "export": (work / "export" / "model.safetensors", lambda: export(work)),
        "evaluate": (work / "results.json", lambda: evaluate(work)),
        "expected": (work / "expected.done", record_expected),
    }


def arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", nargs="*", help="steps to do, again if they are done already; default: what is left")
    parser.add_argument("--work", type=Path, required=True, help="folder for downloads and intermediate results")
    cores = 1 if DEVICE == "cuda" else min(2, os.cpu_count() or 1)
    parser.add_argument("--processes", type=int, default=cores, help=f"that train together (default here: {cores})")
    parser.add_argument("--minutes", type=float, default=86.0, help="training time at most (default 86)")
    parser.add_argument(
        "--pretrain-share", type=float, default=0.33, help="of the minutes after the copying (default 0.33)"
    )
    parser.add_argument("--pretrain-steps", type=int, default=6000, help="at most (default 6000)")
    parser.add_argument("--finetune-steps", type=int, default=20000, help="at most (default 20000)")
    parser.add_argument("--rate", type=float, default=5e-3, help="highest learning rate (default 5e-3)")
    parser.add_argument("--tokens", type=int, default=6000, help="ids in a batch (default 6000)")
    return parser.parse_args()


def main() -> None:
    """Do the asked steps, or those that are not done yet."""
    options = arguments()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    todo = steps(options.work, options)
    for name in options.step or todo:
        done, run = todo[name]
        if options.step or not done.exists():
            log(name)
            run()
            if done.suffix == ".done":
                write(done, "")


if __name__ == "__main__":
    main()
