"""The short way: texts in, summaries out, with a policy for texts that are longer than the model reads."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, Self, overload

import numpy as np

from ..checkpoints.folder import resolve_folder
from ..demo import folder as demo_folder
from ..errors import InputError
from ..generation.config import GenerationConfig
from ..generation.streaming import TextStreamer
from ..tokenization import AutoTokenizer
from .auto import AutoModelForSeq2SeqLM
from .generative import Generative, refuse_dictionary
from .limits import chunks, input_limit, output_limit
from .pipelines.base import batches
from .pretrained import PreTrainedModel

__all__ = ["Long", "Progress", "Summarizer", "stream_summary", "summarize"]

#: What happens to a text that is longer than the model reads.
Long = Literal["truncate", "error", "chunk"]
_POLICIES = ("truncate", "error", "chunk")

#: Tokens of a summary at most, where neither the call nor the model says.
_USUAL_LENGTH = 256
#: What makes a greedy search of a search with beams.
_WITHOUT_BEAMS = {"num_beams": 1, "num_beam_groups": 1, "diversity_penalty": 0.0}

_ENCODER_LAYER = r"encoder\.layers\.\d+"


@dataclass(frozen=True)
class Progress:
    """How far a summary is.

    Attributes:
        document: index of the document, of the first one where several run together.
        part, parts: which of its pieces, counted from 0, and how many there are.
        stage: ``"reading"`` (the encoder: layers) or ``"writing"`` (the decoder: tokens).
        done, total: of this stage; writing may end before its total.

    >>> seen = []
    >>> summary = summarize("The man was here.", model="golden/pegasus", max_length=6, progress=seen.append)
    >>> seen[0]
    Progress(document=0, part=0, parts=1, stage='reading', done=1, total=2)
    """

    document: int
    part: int
    parts: int
    stage: Literal["reading", "writing"]
    done: int
    total: int


OnProgress = Callable[[Progress], object]


class Summarizer:
    """A model and its tokenizer, ready to summarise.

    Args:
        model: with an encoder and a vocabulary head.
        tokenizer: the model's.

    Attributes:
        limit: how many tokens the model reads at once, the special ones included; None where nothing limits it.

    Raises:
        InputError: the model has no encoder, or no vocabulary head.

    >>> summarizer = Summarizer.from_pretrained("golden/pegasus")
    >>> summarizer.limit, summarizer.count("The man was here.") > 4
    (48, True)
    >>> len(list(summarizer.summaries(["The man was here.", "He left."], max_length=6)))
    2
    >>> isinstance("".join(summarizer.stream("The man was here.", max_length=6)), str)
    True
    """

    def __init__(self, model: PreTrainedModel, tokenizer: Any) -> None:
        if not isinstance(model, Generative) or not model.config.is_encoder_decoder:
            raise InputError(f"model: expected one with an encoder and a vocabulary head, found {type(model).__name__}")
        self.model, self.tokenizer = model, tokenizer
        self.limit = input_limit(model)

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path | None = None, *, newline: str | None = None) -> Self:
        """Open a folder or a hub-cache name; the bundled model by default. ``newline`` is the tokenizer's option.

        Raises:
            CheckpointError, ConfigError, TokenizerError: the folder is not what it should be.
        """
        folder = demo_folder() if name_or_path is None else resolve_folder(name_or_path)
        settings = {} if newline is None else {"newline": newline}
        tokenizer = AutoTokenizer.from_pretrained(folder, **settings)
        return cls(AutoModelForSeq2SeqLM.from_pretrained(folder), tokenizer)

    def summaries(
        self,
        texts: Iterable[str],
        *,
        long: Long = "truncate",
        batch_size: int = 1,
        progress: OnProgress | None = None,
        **generation: Any,
    ) -> Iterator[str]:
        """Yield the summary of each text as soon as it is there; arguments as for :func:`summarize`.

        Raises:
            InputError: what is given is no text or texts, or another argument is wrong.
        """
        if not isinstance(texts, Iterable) or isinstance(texts, bytes):
            raise InputError(f"text: expected a string or several, found {texts!r:.80}")
        divided = (self._divided(text, _policy(long)) for text in texts)
        return self._results(batches(divided, batch_size), batch_size, progress, self._settings(generation))

    def _results(
        self,
        divided: Iterable[list[list[str]]],
        batch_size: int,
        progress: OnProgress | None,
        settings: dict[str, Any],
    ) -> Iterator[str]:
        document = 0
        for batch in divided:
            pieces = [piece for text_pieces in batch for piece in text_pieces]
            found: list[str] = []
            for rows in batches(pieces, batch_size):
                at = Progress(document, len(found), len(pieces), "reading", 0, 0)
                found += self._generate(rows, settings, progress and partial(_report, progress, at))
            for text_pieces in batch:
                own, found = found[: len(text_pieces)], found[len(text_pieces) :]
                yield " ".join(own)
            document += len(batch)

    def stream(
        self, text: str, *, long: Long = "truncate", progress: OnProgress | None = None, **generation: Any
    ) -> Iterator[str]:
        """Yield the summary of one text in pieces of whole words; arguments as for :func:`stream_summary`."""
        settings = _WITHOUT_BEAMS | self._settings(generation)
        return self._words(self._divided(text, _policy(long)), progress, settings)

    def _words(self, pieces: list[str], progress: OnProgress | None, settings: dict[str, Any]) -> Iterator[str]:
        for part, piece in enumerate(pieces):
            if part:
                yield " "
            at = Progress(0, part, len(pieces), "reading", 0, 0)
            model, encoded = self._prepared([piece], settings, progress and partial(_report, progress, at))
            words = _WholeWords(self.tokenizer, skip_special_tokens=True)
            for token in model.stream(**encoded, **settings):
                words.put(np.array([token]))
                yield from words.taken()
            words.end()
            yield from words.taken()

    def count(self, text: str) -> int:
        """Return the number of tokens of a text, the special ones included."""
        return len(self.tokenizer(text, verbose=False)["input_ids"])

    def _divided(self, text: str, long: str) -> list[str]:
        """Return what the model is to read of a text, in pieces that fit; nothing of a blank one."""
        if not isinstance(text, str):
            raise InputError(f"text: expected a string, found {text!r:.80}")
        if not text.strip():
            return []
        found, limit = self.count(text), self.limit
        if limit is None or found <= limit:
            return [text]
        if long == "error":
            raise InputError(f"text: expected at most {limit} tokens, found {found} (long='truncate' or 'chunk' helps)")
        if long == "chunk":
            return chunks(text, self.count, limit)
        lost = found - limit
        warnings.warn(
            f"the text has {found} tokens, the model reads {limit}: the last {lost} ({lost / found:.0%}) are dropped",
            stacklevel=2,
        )
        return [text]

    def _settings(self, generation: dict[str, Any]) -> dict[str, Any]:
        """Return the settings of a call: one text per document, one source of random numbers for all of them."""
        several = generation.get("num_return_sequences")
        if several not in (None, 1):
            raise InputError(f"num_return_sequences: expected 1 (a pipeline returns more), found {several}")
        refuse_dictionary(generation)
        # Stop strings, the call's or the model's own, are found with the tokenizer.
        usual = {"return_dict_in_generate": False, "num_return_sequences": 1, "tokenizer": self.tokenizer}
        settings = usual | generation
        own = self.model.generation_config
        if own.max_length == GenerationConfig.max_length and own.max_new_tokens is None:
            # The model does not say how long a summary is; 20 tokens would end most of them in mid-sentence.
            lengths = ("max_length", "max_new_tokens", "generation_config")
            if not any(name in generation for name in lengths):
                settings["max_length"] = min(_USUAL_LENGTH, output_limit(self.model) or _USUAL_LENGTH)
        if isinstance(settings.get("rng"), int):
            settings["rng"] = np.random.default_rng(settings["rng"])
        return settings

    def _prepared(
        self, texts: list[str], settings: dict[str, Any], report: Callable[..., object] | None
    ) -> tuple[Generative, dict[str, Any]]:
        """Return the model, watched where somebody wants to know, and its inputs."""
        assert isinstance(self.model, Generative)
        encoded = self.tokenizer(
            texts,
            padding=len(texts) > 1,
            truncation=self.limit is not None,
            max_length=self.limit,
            return_tensors="np",
            verbose=False,
        )
        inputs = {name: encoded[name] for name in encoded if name != "token_type_ids"}
        if report is None:
            return self.model, inputs
        spec = self.model.spec.encoder
        layers = spec.layers if spec is not None else 0

        def watch(path: str, value: Any) -> None:
            report("reading", int(path.rpartition(".")[2]) + 1, layers)

        inputs["on_step"] = partial(report, "writing")
        return self.model.traced(watch, only=_ENCODER_LAYER), inputs

    def _generate(self, texts: list[str], settings: dict[str, Any], report: Callable[..., object] | None) -> list[str]:
        model, inputs = self._prepared(texts, settings, report)
        ids = model.generate(**inputs, **settings)
        decoded: list[str] = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return decoded


def _policy(long: str) -> str:
    if long not in _POLICIES:
        raise InputError(f"long: expected one of {', '.join(map(repr, _POLICIES))}, found {long!r}")
    return long


class _WholeWords(TextStreamer):
    """Collects the words that are whole."""

    def __init__(self, tokenizer: Any, **decoding: Any) -> None:
        super().__init__(tokenizer, **decoding)
        self._ready: list[str] = []

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Keep some text."""
        if text:
            self._ready.append(text)

    def taken(self) -> list[str]:
        """Return what was kept since the last time."""
        ready, self._ready = self._ready, []
        return ready


def _report(progress: OnProgress, at: Progress, stage: Literal["reading", "writing"], done: int, total: int) -> None:
    progress(replace(at, stage=stage, done=done, total=total))


@lru_cache(maxsize=4)
def _opened(folder: Path, changed: frozenset[tuple[str, int]], newline: str | None) -> Summarizer:
    """Open a folder once per process; ``changed`` says when each of its files last did."""
    return Summarizer.from_pretrained(folder, newline=newline)


def _summarizer(model: Any, tokenizer: Any, newline: str | None) -> Summarizer:
    if model is not None and not isinstance(model, (str, Path)):
        if tokenizer is None or newline is not None:
            raise InputError("model: expected its tokenizer (and no newline) beside a model that is no folder")
        return Summarizer(model, tokenizer)
    if tokenizer is not None:
        raise InputError("tokenizer: expected only beside a model object; a folder has its own")
    folder = (demo_folder() if model is None else resolve_folder(model)).resolve()
    changed = frozenset((path.name, path.stat().st_mtime_ns) for path in folder.iterdir() if path.is_file())
    return _opened(folder, changed, newline)


@overload
def summarize(text: str, model: Any = None, **options: Any) -> str: ...
@overload
def summarize(text: list[str] | tuple[str, ...], model: Any = None, **options: Any) -> list[str]: ...
@overload
def summarize(text: Iterable[str], model: Any = None, **options: Any) -> Iterator[str]: ...
def summarize(
    text: str | Iterable[str],
    model: Any = None,
    *,
    tokenizer: Any = None,
    long: Long = "truncate",
    batch_size: int = 1,
    newline: str | None = None,
    progress: OnProgress | None = None,
    **generation: Any,
) -> str | list[str] | Iterator[str]:
    """Summarise one text, a list of texts, or any other iterable of texts, lazily.

    Args:
        text: what to summarise; a blank text has a blank summary.
        model: a checkpoint folder, a hub-cache name (opened once per process), or a model; by default the small model
            that comes with the package.
        tokenizer: needed beside a model object.
        long: what happens to a text of more tokens than the model reads: ``"truncate"`` drops its end, with a warning
            that says how much; ``"error"`` refuses it; ``"chunk"`` divides it between sentences, summarises each part
            and joins the summaries.
        batch_size: how many texts (or parts) run together: faster, with more memory.
        newline: the piece that stands for a line break in models that know one, ``"<n>"``.
        progress: called with a :class:`Progress` after every layer of the encoder and every token.
        **generation: settings of :meth:`~minipegasus.PegasusForConditionalGeneration.generate` (``num_beams``,
            ``max_length``, ...) in place of the model's own; ``rng`` seeds sampling.

    Returns:
        A string for a string, a list for a list or tuple, and for any other iterable an iterator that takes the next
        texts only when the next summary is asked for.

    Raises:
        InputError: a text is too long with ``long="error"``, or an argument is wrong.
        CheckpointError, ConfigError, TokenizerError: the folder is not what it should be.

    >>> isinstance(summarize("The man was here. The man was there.", model="golden/pegasus", max_length=6), str)
    True
    """
    summarizer = _summarizer(model, tokenizer, newline)
    texts = [text] if isinstance(text, str) else text
    summaries = summarizer.summaries(texts, long=long, batch_size=batch_size, progress=progress, **generation)
    if isinstance(text, str):
        return next(summaries)
    return list(summaries) if isinstance(text, (list, tuple)) else summaries


def stream_summary(
    text: str,
    model: Any = None,
    *,
    tokenizer: Any = None,
    long: Long = "truncate",
    newline: str | None = None,
    progress: OnProgress | None = None,
    **generation: Any,
) -> Iterator[str]:
    """Yield a summary word by word while it is written: greedily, or sampled with ``do_sample=True``.

    A search with beams knows its text only at the end, so the model's beams are not used. The arguments are those of
    :func:`summarize`; the pieces joined are the whole summary.

    >>> words = stream_summary("The man was here.", model="golden/pegasus", max_length=6)
    >>> "".join(words) == summarize("The man was here.", model="golden/pegasus", max_length=6, num_beams=1,
    ...     length_penalty=1.0)
    True
    """
    return _summarizer(model, tokenizer, newline).stream(text, long=long, progress=progress, **generation)
