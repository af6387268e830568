"""From texts to generated texts: summarisation, translation and the rest.

Source: ``pipelines/text2text_generation.py`` of transformers 4.56.2.
"""

import logging
import warnings
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

import numpy as np

from ...errors import ConfigError, InputError, quote
from ...generation.config import GenerationConfig
from ...generation.generate import prepare_task
from ...generation.resolve import resolve_config
from ...tokenization.base import NO_LIMIT
from ..generative import Generative, refuse_dictionary
from ..limits import input_limit
from ..pretrained import PreTrainedModel
from .base import Pipeline, keywords, meaningful

__all__ = ["SummarizationPipeline", "Text2TextGenerationPipeline", "TranslationPipeline"]

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Text2TextGenerationPipeline(Pipeline):
    """Texts in, generated texts out.

    Settings of generation are taken from the call, then the arguments of :func:`~minipegasus.pipeline`, then this
    pipeline's own 4 beams and 256 new tokens, then the model's. As in transformers 4.56.2 the pipeline's 4 beams go
    before the model's number of beams, while a ``max_length`` of the model goes before the 256; and a setting with the
    default value of :class:`~minipegasus.GenerationConfig` counts as not given, except in the call.

    >>> from minipegasus import pipeline
    >>> pipe = pipeline("text2text-generation", "golden/pegasus", max_length=6)
    >>> sorted(pipe("the man was here")[0]), Text2TextGenerationPipeline.fits(pipe.model)
    (['generated_text'], True)
    """

    needs = "a model with an encoder and a vocabulary head"
    #: First half of the keys of a result.
    name = "generated"
    defaults = GenerationConfig(max_new_tokens=256, num_beams=4)

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Any,
        task: str = "text2text-generation",
        batch_size: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(model, tokenizer, task, batch_size)
        config, rest = resolve_config(_generative(model), self.defaults, True, meaningful(options))
        self._options = self._accepted(rest)
        if config.max_new_tokens == self.defaults.max_new_tokens and config.max_length not in (
            None,
            GenerationConfig.max_length,
        ):
            config.max_new_tokens = None
        special = dict(_of_kind(_of_kind(vars(model.config), "task_specific_params", dict, {}), task, dict, {}))
        self.prefix: str = _of_kind(special, "prefix", str, _of_kind(vars(model.config), "prefix", str, ""))
        special.pop("prefix", None)
        config.update(**special)
        if config.pad_token_id is None:
            config.pad_token_id = tokenizer.pad_token_id
        self.generation_config = config

    @classmethod
    def fits(cls, model: PreTrainedModel) -> bool:
        """Tell whether the model generates from an encoder's input."""
        return isinstance(model, Generative) and bool(model.config.is_encoder_decoder)

    def __call__(self, inputs: Any, *, batch_size: int | None = None, num_workers: Any = None, **options: Any) -> Any:
        """Generate from one text or several.

        Args:
            inputs: a text, a list of texts, or an iterator of texts.
            batch_size: how many texts run together.
            num_workers: without effect.
            **options: ``truncation`` (False: a text that is too long is refused; True: cut to the tokenizer's
                ``model_max_length``), ``return_tensors`` (token ids in place of texts), ``return_text``,
                ``clean_up_tokenization_spaces``, ``stop_sequence``, and settings of generation.

        Returns:
            For a text a list of ``num_return_sequences`` dictionaries; for a list of texts one dictionary each, or one
            list each where several sequences return; for an iterator an iterator of such lists. The key is
            ``generated_text`` (``summary_text``, ``translation_text``), or ``..._token_ids`` with an int64 array.
        """
        results = super().__call__(inputs, batch_size=batch_size, num_workers=num_workers, **options)
        if isinstance(results, list) and isinstance(inputs, (list, tuple)) and all(len(one) == 1 for one in results):
            return [one[0] for one in results]
        return results

    def _option_names(self) -> AbstractSet[str]:
        own = keywords(self._generated) | keywords(prepare_task) | {"streamer"}
        return own | _generative(self.model).model_keywords() | vars(self.defaults).keys()

    def _run(self, batch: list[Any], size: int, options: dict[str, Any]) -> Iterable[Any]:
        return self._generated(batch, **options)

    def _generated(
        self,
        batch: list[Any],
        *,
        truncation: bool | str = False,
        return_tensors: bool | None = None,
        return_text: bool | None = None,
        clean_up_tokenization_spaces: bool = False,
        stop_sequence: str | None = None,
        **generation: Any,
    ) -> Iterable[list[dict[str, Any]]]:
        for text in batch:
            if not isinstance(text, str):
                raise InputError(f"inputs: expected a text or a list of texts, found {text!r:.80}")
        refuse_dictionary(generation)
        for name in ("min_length", "max_length"):
            if not isinstance(generation.get(name), int | np.integer | None):
                raise InputError(f"{name}: expected an integer, found {quote(generation[name])}")
        if stop_sequence is not None:
            generation["eos_token_id"] = self._first_id(stop_sequence)
        encoded = self._encoded([self.prefix + text for text in batch], truncation)
        self._check_lengths(
            encoded["input_ids"].shape[1],
            generation.get("min_length", self.generation_config.min_length),
            generation.get("max_length", self.generation_config.max_length),
        )
        # Stop strings, the call's or the model's own, are found with the tokenizer.
        generation = {"generation_config": self.generation_config, "tokenizer": self.tokenizer} | generation
        ids = _generative(self.model).generate(**encoded, **generation)
        for rows in np.split(ids, len(batch)):
            yield [self._record(row, bool(return_tensors), clean_up_tokenization_spaces) for row in rows]

    def _encoded(self, texts: list[str], truncation: bool | str) -> dict[str, Any]:
        limit = None
        if truncation not in (False, "do_not_truncate") and self.tokenizer.model_max_length >= NO_LIMIT:
            limit = input_limit(self.model)  # the reference would cut nothing, and fail
        encoded = self.tokenizer(
            texts, padding=len(texts) > 1, truncation=truncation, max_length=limit, return_tensors="np"
        )
        return {name: encoded[name] for name in encoded if name != "token_type_ids"}

    def _record(self, ids: Any, as_ids: bool, clean_up: bool) -> dict[str, Any]:
        if as_ids:
            return {f"{self.name}_token_ids": ids}
        text = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=clean_up)
        return {f"{self.name}_text": text}

    def _first_id(self, text: str) -> int:
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        if not ids:
            raise InputError(f"stop_sequence: expected a text of at least one token, found {text!r}")
        if len(ids) > 1:
            warnings.warn(f"stop_sequence: {text!r} has {len(ids)} tokens, only the first one stops", stacklevel=5)
        return int(ids[0])

    def _check_lengths(self, length: int, min_length: int | None, max_length: int | None) -> None:
        """Log what is likely to be a mistake."""


class SummarizationPipeline(Text2TextGenerationPipeline):
    """Texts in, summaries out: :class:`Text2TextGenerationPipeline` with the key ``summary_text``.

    >>> from minipegasus import pipeline
    >>> summaries = pipeline("summarization", "golden/pegasus", max_length=6)(["the man was here", "he left"])
    >>> [sorted(summary) for summary in summaries]
    [['summary_text'], ['summary_text']]
    """

    name = "summary"

    def _check_lengths(self, length: int, min_length: int | None, max_length: int | None) -> None:
        if max_length is None:
            return
        if max_length < (min_length or 0):
            logger.warning("min_length is %s, expected no more than max_length, which is %d", min_length, max_length)
        if length < max_length:
            logger.warning("max_length is %d although the input has only %d tokens", max_length, length)


class TranslationPipeline(Text2TextGenerationPipeline):
    """Texts in, translations out: :class:`Text2TextGenerationPipeline` with the key ``translation_text``.

    ``src_lang`` and ``tgt_lang`` are accepted; the tokenizers of these families have no use for them.

    >>> from minipegasus import pipeline
    >>> sorted(pipeline("translation_en_to_de", "golden/encoder_decoder", max_length=6)("the man was here")[0])
    ['translation_text']
    """

    name = "translation"

    def _translated(self, options: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in options.items() if name not in ("src_lang", "tgt_lang")}

    def _check_lengths(self, length: int, min_length: int | None, max_length: int | None) -> None:
        if max_length is not None and length > 0.9 * max_length:
            logger.warning("the input has %d tokens, which is much for a max_length of %d", length, max_length)


def _of_kind(values: Mapping[str, Any], name: str, kind: type[T], default: T) -> T:
    """Return a value of the configuration, the default where there is none."""
    value = values.get(name)
    if value is not None and not isinstance(value, kind):
        raise ConfigError(f"config.json: {name}: expected {kind.__name__}, found {quote(value)}")
    return default if value is None else value


def _generative(model: PreTrainedModel) -> Generative:
    assert isinstance(model, Generative)
    return model
