"""From a question and a text to the part of the text that answers.

Source: ``pipelines/question_answering.py`` of transformers 4.56.2, as it is with the fast tokenizer that it picks by
default. That one reports where each token stands in the text; the tokenizers here do not, so the words of the text are
encoded one by one, which gives the same ids and says to which word each token belongs.
"""

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import ops
from ...arrays import FloatArray
from ...errors import InputError
from ..pretrained import PreTrainedModel
from .base import Pipeline, batches, keywords

__all__ = ["QuestionAnsweringPipeline"]

_MAX_WINDOW = 384
_STRIDE = 128
# The score of "no answer" before any window was looked at: larger than every probability.
_NO_NULL_SCORE = 1_000_000.0


@dataclass(frozen=True)
class _Token:
    """A token of the context: its id, where it stands in the text, and the number of its word."""

    id: int
    start: int
    end: int
    word: int


@dataclass(frozen=True)
class _Window:
    """One row for the model: the question's ids, then those of some tokens of the context."""

    question_ids: list[int]
    tokens: list[_Token]

    def place(self, first: int, last: int, align_to_words: bool) -> tuple[int, int]:
        """Return where in the text the tokens from ``first`` to ``last`` stand, or the words that they belong to.

        As in the reference, of a word that a window cuts only what is inside counts.
        """
        if not align_to_words:
            return self.tokens[first].start, self.tokens[last].end
        words = self.tokens[first].word, self.tokens[last].word
        inside = [token for token in self.tokens if words[0] <= token.word <= words[1]]
        return inside[0].start, inside[-1].end


class QuestionAnsweringPipeline(Pipeline):
    """Questions and texts in; spans of the texts with scores out.

    >>> from minipegasus import BigBirdPegasusForQuestionAnswering, PegasusTokenizer
    >>> model = BigBirdPegasusForQuestionAnswering.from_pretrained("golden/bigbird_pegasus/question_answering")
    >>> QuestionAnsweringPipeline.fits(model)
    True
    >>> tokenizer = PegasusTokenizer.from_pretrained("golden/bigbird_pegasus")
    >>> context = "the man was here"
    >>> found = QuestionAnsweringPipeline(model, tokenizer)(question="who", context=context)
    >>> found["answer"] == context[found["start"] : found["end"]]
    True
    """

    needs = "a model with a question-answering head"

    @classmethod
    def fits(cls, model: PreTrainedModel) -> bool:
        """Tell whether the model has a head for spans."""
        return model.role == "spans"

    def __call__(
        self,
        *args: Any,
        question: Any = None,
        context: Any = None,
        batch_size: int | None = None,
        num_workers: Any = None,
        **options: Any,
    ) -> Any:
        """Answer one question or several.

        Args:
            *args: in place of the two below: a dictionary with ``question`` and ``context``, a list of those, or the
                question and the context as two strings.
            question: a question or a list of them.
            context: the text for all questions, or a list of one text for each.
            batch_size: how many windows of a text run together.
            num_workers: without effect.
            **options: ``top_k`` (1), ``doc_stride`` (128: tokens that neighbouring windows share), ``max_answer_len``
                (15 tokens), ``max_seq_len`` (384: tokens of a window, the question's included), ``max_question_len``
                (cuts the question where it is given), ``handle_impossible_answer`` (False: an empty answer may win),
                ``align_to_words`` (True: an answer consists of whole words), ``padding`` (False).

        Returns:
            ``{"score", "start", "end", "answer"}``, where ``answer`` is ``context[start:end]``; a list of them with
            ``top_k``, the best first; a list over the questions where there are several.
        """
        examples = list(_examples(args, question, context))
        results = super().__call__(examples, batch_size=batch_size, num_workers=num_workers, **options)
        return results[0] if len(examples) == 1 else results

    def _option_names(self) -> AbstractSet[str]:
        return keywords(self._answers)

    def _run(self, batch: list[Any], size: int, options: dict[str, Any]) -> Iterable[Any]:
        return [self._answers(question, context, size, **options) for question, context in batch]

    def _answers(
        self,
        question: str,
        context: str,
        batch_size: int,
        *,
        top_k: int = 1,
        doc_stride: int | None = None,
        max_answer_len: int = 15,
        max_seq_len: int | None = None,
        max_question_len: int | None = None,
        handle_impossible_answer: bool = False,
        align_to_words: bool = True,
        padding: bool | str = False,
    ) -> Any:
        """Return the best answer, or a list of the best ``top_k``."""
        for name, value in (("top_k", top_k), ("max_answer_len", max_answer_len)):
            if value < 1:
                raise InputError(f"{name}: expected an integer from 1 on, found {value}")
        width = int(min(self.tokenizer.model_max_length, _MAX_WINDOW)) if max_seq_len is None else max_seq_len
        stride = min(width // 2, _STRIDE) if doc_stride is None else doc_stride
        # Spans that are the same words add up: some more are needed than are wanted.
        count = 2 * top_k + 10 if align_to_words else top_k
        answers: list[dict[str, Any]] = []
        null_score = _NO_NULL_SCORE
        for windows in batches(self._windows(question, context, width, stride, max_question_len), batch_size):
            for window, start_t, end_t in self._logits(windows, padding, width):
                spans, null = _best_spans(start_t, end_t, window, count, max_answer_len)
                null_score = min(null_score, null)
                for first, last, score in spans:
                    _add(answers, context, *window.place(first, last, align_to_words), score)
        if handle_impossible_answer:
            answers.append({"score": null_score, "start": 0, "end": 0, "answer": ""})
        answers.sort(key=lambda answer: answer["score"], reverse=True)
        return answers[0] if len(answers[:top_k]) == 1 else answers[:top_k]

    def _windows(
        self, question: str, context: str, width: int, stride: int, max_question_len: int | None
    ) -> Iterator[_Window]:
        """Yield the windows of a context; neighbours share ``stride`` tokens."""
        question_ids = self.tokenizer.encode(question, add_special_tokens=False)[:max_question_len]
        room = width - len(question_ids) - self.tokenizer.num_special_tokens_to_add(pair=True)
        if room <= stride:
            raise InputError(
                f"max_seq_len: expected room for more than doc_stride={stride} tokens of the context beside the "
                f"question's {len(question_ids)}, found {width}"
            )
        words = enumerate(re.finditer(r"\S+", context))
        tokens = [token for number, word in words for token in self._tokens(number, word)]
        for start in range(0, max(len(tokens), 1), room - stride):
            yield _Window(question_ids, tokens[start : start + room])
            if start + room >= len(tokens):
                return

    def _tokens(self, number: int, word: re.Match[str]) -> list[_Token]:
        """Return the tokens of a word, with their places where these are plain to see, else with the word's."""
        ids = self.tokenizer.encode(word[0], add_special_tokens=False)
        pieces = [str(piece).removeprefix("▁") for piece in self.tokenizer.convert_ids_to_tokens(ids)]
        if "".join(pieces) != word[0]:
            return [_Token(index, *word.span(), number) for index in ids]
        starts = [word.start(), *(word.start() + np.cumsum([len(piece) for piece in pieces])).tolist()]
        # A lone "▁" stands, as in the reference, for the character that follows it.
        return [
            _Token(index, start, start + max(len(piece), 1), number)
            for index, piece, start in zip(ids, pieces, starts, strict=False)
        ]

    def _logits(
        self, windows: list[_Window], padding: bool | str, width: int
    ) -> Iterator[tuple[_Window, FloatArray, FloatArray]]:
        """Run the model over some windows and yield each with its start and end logits ``[t]``."""
        rows = [
            self.tokenizer.build_inputs_with_special_tokens(window.question_ids, [token.id for token in window.tokens])
            for window in windows
        ]
        how = padding if padding or len(rows) == 1 else True
        encoded = self.tokenizer.pad({"input_ids": rows}, padding=how, max_length=width, return_tensors="np")
        model: Any = self.model
        out = model(**{name: encoded[name] for name in self.tokenizer.model_input_names}, use_cache=False)
        yield from zip(windows, out.start_logits, out.end_logits, strict=True)


def _examples(args: tuple[Any, ...], question: Any, context: Any) -> Iterator[tuple[str, str]]:
    """Yield the questions and contexts of a call."""
    if len(args) == 2 and all(isinstance(value, str) for value in args):
        question, context = args
    elif args:
        given = args[0] if len(args) == 1 else args
        items = [given] if isinstance(given, dict) else list(given)
        for item in items:
            if not isinstance(item, dict) or not {"question", "context"} <= item.keys():
                raise InputError(f"inputs: expected dictionaries with question and context, found {item!r:.80}")
            yield _example(item["question"], item["context"])
        return
    questions = question if isinstance(question, list) else [question]
    contexts = context if isinstance(context, list) else [context] * len(questions)
    if len(questions) != len(contexts):
        raise InputError(f"context: expected one for each of {len(questions)} questions, found {len(contexts)}")
    for pair in zip(questions, contexts, strict=True):
        yield _example(*pair)


def _example(question: Any, context: Any) -> tuple[str, str]:
    for name, value in (("question", question), ("context", context)):
        if not isinstance(value, str) or not value:
            raise InputError(f"{name}: expected a text that is not empty, found {value!r:.80}")
    return question, context


def _best_spans(
    start_t: FloatArray, end_t: FloatArray, window: _Window, count: int, max_answer_len: int
) -> tuple[list[tuple[int, int, float]], float]:
    """Return the ``count`` best spans of a window as (first token, last token, score), and the score of position 0."""
    first = len(window.question_ids)
    inside = slice(first, first + len(window.tokens))
    probabilities = []
    for logits_t in (start_t, end_t):
        hidden_t = np.full_like(logits_t, -10000.0)
        hidden_t[inside] = logits_t[inside]
        probabilities.append(ops.softmax(hidden_t))
    null_score = float(probabilities[0][0] * probabilities[1][0])
    start_s, end_s = (probability[inside] for probability in probabilities)
    if first == 0 and len(start_s):
        start_s[0] = end_s[0] = 0.0  # as in the reference: the first position stands for "no answer"
    starts = np.repeat(np.arange(len(start_s)), max_answer_len)
    ends = starts + np.tile(np.arange(max_answer_len), len(start_s))
    starts, ends = starts[ends < len(end_s)], ends[ends < len(end_s)]
    scores = start_s[starts] * end_s[ends]
    best = np.argsort(-scores, kind="stable")[:count]
    return [(int(starts[i]), int(ends[i]), float(scores[i])) for i in best], null_score


def _add(answers: list[dict[str, Any]], context: str, start: int, end: int, score: float) -> None:
    """Add an answer, or its score to the answer that is the same text but for the case of letters."""
    text = context[start:end]
    for answer in answers:
        if answer["answer"].lower() == text.lower():
            answer["score"] += score
            return
    answers.append({"score": score, "start": start, "end": end, "answer": text})
