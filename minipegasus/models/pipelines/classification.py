"""From texts to labels with scores. Source: ``pipelines/text_classification.py`` of transformers 4.56.2."""

import warnings
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from inspect import signature
from typing import Any

from ... import ops
from ...arrays import FloatArray
from ...errors import InputError
from ..pretrained import PreTrainedModel
from .base import Pipeline, keywords

__all__ = ["TextClassificationPipeline"]


class TextClassificationPipeline(Pipeline):
    """Texts, or pairs of texts, in; labels with scores out.

    >>> from minipegasus import BigBirdPegasusForSequenceClassification, PegasusTokenizer
    >>> model = BigBirdPegasusForSequenceClassification.from_pretrained("golden/bigbird_pegasus/classification")
    >>> TextClassificationPipeline.fits(model)
    True
    >>> tokenizer = PegasusTokenizer.from_pretrained("golden/bigbird_pegasus")
    >>> found = TextClassificationPipeline(model, tokenizer)(["the man", "was here"], top_k=2)
    >>> [(len(labels), sorted(labels[0])) for labels in found]
    [(2, ['label', 'score']), (2, ['label', 'score'])]
    """

    needs = "a model with a classification head"

    @classmethod
    def fits(cls, model: PreTrainedModel) -> bool:
        """Tell whether the model has a classification head."""
        return model.role == "classification"

    def __call__(self, inputs: Any, *, batch_size: int | None = None, num_workers: Any = None, **options: Any) -> Any:
        """Classify one text or several.

        Args:
            inputs: a text, a dictionary with ``text`` and ``text_pair``, a list of those, or an iterator.
            batch_size: how many texts run together.
            num_workers: without effect.
            **options: ``top_k`` (how many labels return, None for all), ``function_to_apply`` (``"softmax"``,
                ``"sigmoid"``, ``"none"``; by default what fits the model's ``problem_type``), and options of the
                tokenizer (``truncation``, ``max_length``, ...).

        Returns:
            ``{"label": ..., "score": ...}`` for each input, in a list of one for a single text; with ``top_k`` a list
            of such dictionaries for each input, the best first.
        """
        result = super().__call__(inputs, batch_size=batch_size, num_workers=num_workers, **options)
        # As in the reference: a lone text without top_k in the call comes back in a list.
        return [result] if isinstance(inputs, str) and "top_k" not in options else result

    def _translated(self, options: dict[str, Any]) -> dict[str, Any]:
        """Mark a ``top_k`` that was asked for, which sorts the labels; ``return_all_scores`` does not."""
        options = dict(options)
        all_scores = options.pop("return_all_scores", None)
        if "top_k" in options:
            return options | {"ranked": True}
        if all_scores is None:
            return options
        warnings.warn("return_all_scores: top_k=None replaces True, top_k=1 replaces False", stacklevel=4)
        return options | {"top_k": None if all_scores else 1}

    def _option_names(self) -> AbstractSet[str]:
        tokenizing = signature(self.tokenizer).parameters.keys() - {"text", "text_pair"}
        return keywords(self._classified) | tokenizing

    def _run(self, batch: list[Any], size: int, options: dict[str, Any]) -> Iterable[Any]:
        return self._classified(batch, **options)

    def _classified(
        self,
        batch: list[Any],
        *,
        top_k: int | None = 1,
        ranked: bool = False,
        function_to_apply: str | None = None,
        **tokenizing: Any,
    ) -> Iterable[Any]:
        if function_to_apply is None:
            function_to_apply = self._usual_function()
        if function_to_apply.lower() not in _FUNCTIONS:
            raise InputError(
                f"function_to_apply: expected one of {', '.join(_FUNCTIONS)} or None, found {function_to_apply!r}"
            )
        encoded = self._encoded(batch, tokenizing)
        model: Any = self.model
        logits_bv = model(**encoded, use_cache=False).logits
        for scores_v in _FUNCTIONS[function_to_apply.lower()](logits_bv):
            yield self._labels(scores_v, top_k, ranked)

    def _usual_function(self) -> str:
        config = self.model.config
        if config.problem_type == "regression":
            return "none"
        if config.problem_type == "multi_label_classification" or config.num_labels == 1:
            return "sigmoid"
        return "softmax"

    def _encoded(self, batch: list[Any], tokenizing: dict[str, Any]) -> dict[str, Any]:
        texts, pairs = zip(*map(_text_and_pair, batch), strict=True)
        if any(pair is None for pair in pairs) and any(pair is not None for pair in pairs):
            raise InputError("inputs: expected only texts or only pairs in one batch, found both")
        given = {"padding": len(batch) > 1, **tokenizing, "return_tensors": "np"}
        encoded = self.tokenizer(list(texts), None if pairs[0] is None else list(pairs), **given)
        return {name: encoded[name] for name in self.tokenizer.model_input_names}

    def _labels(self, scores_v: FloatArray, top_k: int | None, ranked: bool) -> Any:
        names = self.model.config.id2label
        if top_k == 1 and not ranked:
            return {"label": names[int(scores_v.argmax())], "score": float(scores_v.max())}
        found = [{"label": names[i], "score": float(score)} for i, score in enumerate(scores_v)]
        if ranked:
            found.sort(key=lambda one: one["score"], reverse=True)
        return found[:top_k]


def _text_and_pair(item: Any) -> tuple[str, str | None]:
    if isinstance(item, dict) and item.keys() <= {"text", "text_pair"}:
        item, pair = item.get("text"), item.get("text_pair")
    else:
        pair = None
        if isinstance(item, list) and len(item) == 1 and isinstance(item[0], list) and len(item[0]) == 2:
            item, pair = item[0]
    if isinstance(item, str) and isinstance(pair, str | None):
        return item, pair
    raise InputError(f'inputs: expected a text or {{"text": ..., "text_pair": ...}}, found {item!r:.80}')


_FUNCTIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "softmax": ops.softmax,
    "sigmoid": lambda logits_bv: ops.activate(logits_bv, "sigmoid"),
    "none": lambda logits_bv: logits_bv,
}
