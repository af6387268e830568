"""The demo model: ids, gap-sentence examples, batches, optimizer and training loop. Used by train_demo.py."""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sentencepiece
import torch
from demo_text import sentences
from golden_format import replace
from safetensors.torch import save_model
from torch import distributed, multiprocessing
from transformers import PegasusConfig, PegasusForConditionalGeneration

SEED = 20
PIECES = 5000
OFFSET = 103  # ids below are Pegasus's own: pad, eos, the two masks, <unk_2> ... <unk_102>
PAD, EOS, MASK_SENTENCE = 0, 1, 2
IGNORED = -100
SOURCE_TOKENS, TARGET_TOKENS = 256, 36
GAP_SOURCE_TOKENS, GAP_TARGET_TOKENS = 192, 72
KEPT_IN_PLACE = 0.5  # part of the gap sentences that stay visible, which rewards copying
SPAN_TOKENS = range(5, 21)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

Row = tuple[list[int], list[int]]
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def log(message: str) -> None:
    """Print a line with the time of day."""
    print(time.strftime("%H:%M:%S"), message, flush=True)


def write(path: Path, content: str | bytes) -> None:
    """Write a file, bytes or text, so that no half-written one is ever seen."""
    replace(path, content if isinstance(content, bytes) else content.encode())


def write_json(path: Path, value: object) -> None:
    """Write a value as indented JSON."""
    write(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


# ----------------------------------------------------------------------------------------------- examples


class Encoder:
    """Text to Pegasus ids without the end mark, and back."""

    def __init__(self, model: Path) -> None:
        self._model = sentencepiece.SentencePieceProcessor(model_file=str(model))

    def __call__(self, texts: list[str]) -> list[list[int]]:
        return [[piece + OFFSET for piece in pieces] for pieces in self._model.encode(texts)]

    def text(self, ids: list[int]) -> str:
        """Return the text of ids; special ids are left out."""
        return self._model.decode([token - OFFSET for token in ids if token > OFFSET + 2])


@dataclass
class Example:
    """Ids of a source, cut into sentences, and of its target; no end marks."""

    source: list[list[int]]
    target: list[int]


def unigram_f1(sentence: list[int], rest: Counter[int]) -> float:
    """Return the ROUGE-1 F1 of a sentence's ids against the counts of the rest of the document."""
    common = sum((Counter(sentence) & rest).values())
    return 2 * common / (len(sentence) + sum(rest.values()) or 1)


def gap_example(source: list[list[int]], rng: random.Random) -> Example | None:
    """Take out the principal sentences, about a quarter: they are the target, in their order."""
    counts = Counter(token for sentence in source for token in sentence)
    order = sorted(range(len(source)), key=lambda k: -unigram_f1(source[k], counts - Counter(source[k])))
    for number in (max(1, len(source) // 4), 1):
        chosen = sorted(order[:number])
        target = [token for k in chosen for token in source[k]]
        if 5 <= len(target) <= GAP_TARGET_TOKENS:
            masked = {k for k in chosen if rng.random() >= KEPT_IN_PLACE}
            return Example([[MASK_SENTENCE] if k in masked else source[k] for k in range(len(source))], target)
    return None


def windows(line: list[list[int]]) -> Iterator[list[list[int]]]:
    """Cut the sentences of one text into runs of at least three that fit the source limit."""
    run: list[list[int]] = []
    for sentence in line:
        if sum(map(len, run)) + len(sentence) > GAP_SOURCE_TOKENS - 1:
            if len(run) >= 3:
                yield run
            run = []
        run.append(sentence)
    if len(run) >= 3:
        yield run


def gap_examples(texts: list[str], encode: Encoder) -> list[Example]:
    """Return the gap-sentence examples of texts."""
    rng = random.Random(SEED)
    found = (gap_example(run, rng) for text in texts for run in windows(encode(sentences(text))))
    return [example for example in found if example]


def copy_examples(count: int) -> list[Example]:
    """Return rows of random pieces with a run of the row as the target: only the row tells how a run goes on."""
    rng = random.Random(SEED)
    found = []
    for _ in range(count):
        row = rng.choices(range(OFFSET + 3, OFFSET + PIECES), k=rng.randint(20, 120))
        start = rng.randrange(len(row) - SPAN_TOKENS.start)
        found.append(Example([row], row[start : start + rng.choice(SPAN_TOKENS)]))
    return found


def cut(source: list[list[int]], drop: float, rng: random.Random) -> list[int]:
    """Join a source's sentences, with chance `drop` without one of them, cut to the token limit and ended."""
    if len(source) > 2 and rng.random() < drop:
        gone = rng.randrange(len(source))
        source = source[:gone] + source[gone + 1 :]
    return [*list(itertools.chain.from_iterable(source))[: SOURCE_TOKENS - 1], EOS]


def grouped(rows: list[Row], tokens: int) -> Iterator[list[Row]]:
    """Sort rows by length and cut them into groups of about `tokens` padded ids (a target's count twice)."""
    group: list[Row] = []
    longest = 0
    for row in sorted(rows, key=lambda row: (len(row[0]) // 8, len(row[1]))):
        size = len(row[0]) + 2 * len(row[1])
        if group and max(longest, size) * (len(group) + 1) > tokens:
            yield group
            group, longest = [], 0
        group.append(row)
        longest = max(longest, size)
    if group:
        yield group


def padded(rows: list[list[int]], fill: int) -> torch.Tensor:
    """Return rows as one tensor, filled on the right."""
    width = max(map(len, rows))
    return torch.tensor([row + [fill] * (width - len(row)) for row in rows]).to(DEVICE)


def batches(examples: list[Example], tokens: int, drop: float, rng: random.Random) -> Iterator[Batch]:
    """Yield (ids, decoder ids, labels) without end; within 2000 shuffled examples, similar lengths go together."""
    while True:
        rows = [(cut(example.source, drop, rng), [*example.target, EOS]) for example in examples]
        rng.shuffle(rows)
        groups = [group for k in range(0, len(rows), 2000) for group in grouped(rows[k : k + 2000], tokens)]
        rng.shuffle(groups)
        for group in groups:
            targets = [target for _, target in group]
            shifted = padded([[PAD, *target[:-1]] for target in targets], PAD)
            yield padded([source for source, _ in group], PAD), shifted, padded(targets, IGNORED)


# ----------------------------------------------------------------------------------------------- training


def new_model() -> PegasusForConditionalGeneration:
    """Return the untrained model."""
    torch.manual_seed(SEED)
    config = PegasusConfig(
        vocab_size=PIECES + OFFSET, d_model=192, max_position_embeddings=512,
        encoder_layers=3, encoder_attention_heads=3, encoder_ffn_dim=768,
        decoder_layers=2, decoder_attention_heads=3, decoder_ffn_dim=768,
        activation_function="relu", scale_embedding=True, dropout=0.1,
    )  # fmt: skip
    model = PegasusForConditionalGeneration(config).to(DEVICE)
    model.set_attn_implementation("eager")  # on a CPU twice as fast as "sdpa" at these sizes
    return model


def start_copying(model: PegasusForConditionalGeneration) -> None:
    """Give two heads of an untrained model starting weights with which copying is learned in minutes, not hours.

    To go on with a phrase of the source, some head has to look for "the place after the last written piece". That
    takes two heads in a row: an encoder head that brings each position the piece before it, and a cross-attention
    head that looks for the last piece among those and fetches the piece that stands there. Sinusoidal positions make
    the first a rotation: the 32 fastest of them are left to the positions, the embeddings start on the others.
    Training is free to change all of it.
    """
    width, size = model.config.d_model, model.config.d_model // model.config.encoder_attention_heads
    half, waves = width // 2, size // 2
    frequencies = 10000.0 ** (-2 * torch.arange(waves) / width)
    sines, cosines = torch.arange(waves), half + torch.arange(waves)
    others = torch.tensor([k for k in range(width) if k % half >= waves])
    here = torch.zeros(size, width)
    here[sines, sines] = here[sines + waves, cosines] = 1.0
    after = torch.zeros(size, width)  # of a position: what `here` is at the next one
    after[sines, sines] = after[sines + waves, cosines] = frequencies.cos()
    after[sines, cosines], after[sines + waves, sines] = frequencies.sin(), -frequencies.sin()
    directions = torch.zeros(len(others), width)
    directions[:, others] = torch.linalg.qr(torch.randn(len(others), len(others)))[0]
    piece, previous = directions[:size], directions[size : 2 * size]
    embeddings = model.model.shared.weight
    before, fetch = model.model.encoder.layers[0].self_attn, model.model.decoder.layers[0].encoder_attn
    with torch.no_grad():
        embeddings.zero_()
        embeddings[:, others] = torch.randn(len(embeddings), len(others)) * len(others) ** -0.5
        embeddings[PAD] = 0.0
        for part, weight in {
            before.q_proj: 4 * here, before.k_proj: 4 * after, before.v_proj: piece,
            fetch.q_proj: piece, fetch.k_proj: previous, fetch.v_proj: piece,
        }.items():  # fmt: skip
            part.weight[:size] = weight
        before.out_proj.weight[:, :size] = 2 * previous.T
        fetch.out_proj.weight[:, :size] = 2 * piece.T


def batch_loss(model: PegasusForConditionalGeneration, batch: Batch, smoothing: float) -> torch.Tensor:
    """Return the mean label-smoothed cross-entropy of a batch; the layers run in bfloat16."""
    ids, shifted, labels = batch
    real = labels != IGNORED
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        hidden = model.model(ids, attention_mask=ids != PAD, decoder_input_ids=shifted, use_cache=False)[0]
        logits = model.lm_head(hidden[real])
    return torch.nn.functional.cross_entropy(logits.float(), labels[real], label_smoothing=smoothing)


class Optimizer:
    """Muon for the matrices of the layers, Adam for the rest; linear warm-up, then a cosine fall to zero."""

    def __init__(self, model: PegasusForConditionalGeneration, rate: float) -> None:
        named = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
        matrices = [value for name, value in named if value.ndim == 2 and ".layers." in name]
        others = [value for name, value in named if not (value.ndim == 2 and ".layers." in name)]
        self.values = matrices + others
        self._rates = (rate, rate / 2)
        self._parts = (
            torch.optim.Muon(matrices, lr=rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=rate / 2, betas=(0.9, 0.98), weight_decay=0.0),
        )

    def step(self, progress: float, warm: float) -> None:
        """Update; `progress` is the finished part of training, `warm` the finished part of the warm-up."""
        factor = min(1.0, warm) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        torch.nn.utils.clip_grad_norm_(self.values, 1.0)
        for part, rate in zip(self._parts, self._rates, strict=True):
            part.param_groups[0]["lr"] = factor * rate
            part.step()
            part.zero_grad(set_to_none=True)


@dataclass
class Stage:
    """One stage of training: it ends after `steps` steps, or after `minutes` if they run out first."""

    name: str
    examples: list[Example]
    steps: int
    minutes: float
    tokens: int
    rate: float
    drop: float = 0.0
    smoothing: float = 0.0
    warm: int = 200


def save(model: PegasusForConditionalGeneration, path: Path) -> None:
    """Save the weights under a temporary name, then rename."""
    part = path.with_name(path.name + ".part")
    save_model(model, str(part))
    os.replace(part, path)


def average(values: list[torch.Tensor], minutes: float) -> float:
    """Replace the gradients by their mean over the processes; return the mean of their minutes."""
    if not distributed.is_initialized():
        return minutes
    flat = torch.cat([value.grad.flatten() for value in values] + [torch.tensor([minutes])])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    parts = flat[:-1].split([value.numel() for value in values])
    for value, part in zip(values, parts, strict=True):
        value.grad.copy_(part.view_as(value))
    return flat[-1].item()


def run_stage(stage: Stage, model: PegasusForConditionalGeneration, work: Path, check: Callable[[], str]) -> None:
    """Train a model in place; check it after every quarter, save it now and then, write what was done at the end."""
    torch.manual_seed(SEED)
    supply = batches(stage.examples, stage.tokens, stage.drop, random.Random(SEED))
    rank, processes = 0, 1
    if distributed.is_initialized():
        rank, processes = distributed.get_rank(), distributed.get_world_size()
        supply = itertools.islice(supply, rank, None, processes)
    optimizer = Optimizer(model, stage.rate)
    model.train()
    start = saved = time.monotonic()
    step, progress, mean, quarter = 0, 0.0, 0.0, 1
    while progress < 1:
        loss = batch_loss(model, next(supply), stage.smoothing)
        loss.backward()
        step += 1
        minutes = average(optimizer.values, (time.monotonic() - start) / 60)
        progress = max(step / stage.steps, minutes / stage.minutes)
        optimizer.step(progress, step / stage.warm)
        if rank > 0:
            continue
        mean = loss.item() if step == 1 else 0.98 * mean + 0.02 * loss.item()
        if step % 50 == 0:
            log(f"{stage.name}: step {step}, {minutes:.1f} minutes, {progress:.0%}, loss {mean:.3f}")
        if time.monotonic() - saved > 240:
            save(model, work / f"{stage.name}-partial.safetensors")
            saved = time.monotonic()
        if quarter / 4 <= progress < 1:
            quarter += 1
            log(f"{stage.name}: {check()}")
    if rank == 0:
        save(model, work / f"{stage.name}.safetensors")
        facts = {"examples": len(stage.examples), "steps": step, "minutes": round(minutes, 1), "loss": round(mean, 3)}
        write_json(work / f"{stage.name}-facts.json", facts | {"processes": processes})


def _process(rank: int, processes: int, meeting: str, run: Callable[[], None]) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=processes)
    run()
    distributed.destroy_process_group()


def in_processes(processes: int, run: Callable[[], None]) -> None:
    """Run a function in several forks of this process that share their gradients, or here if it is one."""
    if processes == 1:
        run()
        return
    with tempfile.TemporaryDirectory() as folder:
        arguments = (processes, f"{folder}/meeting", run)
        multiprocessing.start_processes(_process, args=arguments, nprocs=processes, start_method="fork")


def generate(model: PegasusForConditionalGeneration, rows: list[list[int]], **settings: object) -> list[list[int]]:
    """Return the model's output ids for rows of input ids, in their order."""
    order = sorted(range(len(rows)), key=lambda k: len(rows[k]))
    found: list[list[int]] = [[] for _ in rows]
    training = model.training
    model.eval()
    for start in range(0, len(order), 32):
        chosen = order[start : start + 32]
        ids = padded([rows[k] for k in chosen], PAD)
        with torch.no_grad():
            made = model.generate(ids, attention_mask=(ids != PAD).long(), **settings)
        for k, output in zip(chosen, made.tolist(), strict=True):
            found[k] = output
    model.train(training)
    return found
