"""``pipeline(task, model)``: a folder behind one call, in the shapes that transformers had before version 5."""

from pathlib import Path
from typing import Any

from ...demo import folder as demo_folder
from ...errors import InputError
from ...tokenization import AutoTokenizer
from ..auto import AutoModelForQuestionAnswering, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification
from ..configs import AutoConfig
from .base import Pipeline, meaningful
from .classification import TextClassificationPipeline
from .question_answering import QuestionAnsweringPipeline
from .text2text import SummarizationPipeline, Text2TextGenerationPipeline, TranslationPipeline

__all__ = [
    "Pipeline",
    "QuestionAnsweringPipeline",
    "SummarizationPipeline",
    "Text2TextGenerationPipeline",
    "TextClassificationPipeline",
    "TranslationPipeline",
    "pipeline",
]

_TASKS: dict[str, tuple[type[Pipeline], Any]] = {
    "question-answering": (QuestionAnsweringPipeline, AutoModelForQuestionAnswering),
    "summarization": (SummarizationPipeline, AutoModelForSeq2SeqLM),
    "text-classification": (TextClassificationPipeline, AutoModelForSequenceClassification),
    "text2text-generation": (Text2TextGenerationPipeline, AutoModelForSeq2SeqLM),
    "translation": (TranslationPipeline, AutoModelForSeq2SeqLM),
}
_ALIASES = {"sentiment-analysis": "text-classification"}


def pipeline(
    task: str,
    model: Any = None,
    config: Any = None,
    tokenizer: Any = None,
    *,
    revision: str | None = None,
    dtype: Any = "float32",
    device: Any = None,
    framework: str | None = None,
    use_fast: bool = True,
    trust_remote_code: bool | None = None,
    local_files_only: bool = True,
    model_kwargs: dict[str, Any] | None = None,
    batch_size: int | None = None,
    **options: Any,
) -> Any:
    """Return a callable that does a task with a model.

    Args:
        task: ``"summarization"``, ``"text2text-generation"``, ``"translation"`` (or ``"translation_xx_to_yy"``),
            ``"text-classification"`` (or ``"sentiment-analysis"``), or ``"question-answering"``.
        model: a checkpoint folder, a hub-cache name, or a model. The first three tasks have a default: the small
            model that comes with the package.
        config: a configuration, a folder or a name, in place of the model's own.
        tokenizer: a tokenizer, a folder or a name; by default the model's folder.
        revision: which revision of a hub-cache name.
        dtype: ``"float32"`` or ``"float64"``.
        device, framework, use_fast, trust_remote_code, local_files_only: accepted for the sake of scripts written for
            transformers, as ``device_map`` and ``num_workers`` are and ``torch_dtype`` as the older name of ``dtype``;
            there is one device and one tokenizer, and no code comes from a checkpoint.
        model_kwargs: further arguments of the model's ``from_pretrained``.
        batch_size: how many inputs run together, unless a call says otherwise; 1 by default.
        **options: of all calls, such as settings of generation.

    Raises:
        InputError: an unknown task, or a model that has not the head for it.
        CheckpointError, ConfigError, TokenizerError: the folder is not what it should be.
        TypeError: options that no call takes.

    >>> summarizer = pipeline("summarization", model="golden/pegasus", max_length=8)
    >>> sorted(summarizer("the man was here")[0])
    ['summary_text']
    """
    pipeline_class, auto_class = _task(task)
    dtype = options.pop("torch_dtype", dtype)  # its older name
    options = meaningful({"device": device, "framework": framework, **options})
    if model is None:
        if auto_class is not AutoModelForSeq2SeqLM:
            raise InputError(f"model: expected a folder or a model for {task}, which has no default, found None")
        model = demo_folder()
    is_name = isinstance(model, (str, Path))
    if tokenizer is None:
        if not is_name:
            raise InputError("tokenizer: expected one beside a model that is no folder, found None")
        tokenizer = model
    if isinstance(tokenizer, (str, Path)):
        tokenizer = AutoTokenizer.from_pretrained(tokenizer, revision=revision)
    if is_name:
        if isinstance(config, (str, Path)):
            config = AutoConfig.from_pretrained(config, revision=revision)
        model = auto_class.from_pretrained(
            model, config=config, revision=revision, **{"dtype": dtype, **(model_kwargs or {})}
        )
    return pipeline_class(model, tokenizer, task, batch_size, **options)


def _task(task: str) -> tuple[type[Pipeline], Any]:
    name = "translation" if str(task).startswith("translation_") else _ALIASES.get(task, task)
    if name not in _TASKS:
        known = ", ".join(sorted([*_TASKS, *_ALIASES]))
        raise InputError(f"task: expected one of {known}, found {task!r:.80}")
    return _TASKS[name]
