"""Task heads on both stacks: one class per input, or the start and end of an answer."""

from typing import Any, ClassVar

import numpy as np

from ..arrays import FloatArray
from ..errors import InputError
from ..families.family import Role
from ..nn.heads import class_logits, span_logits
from ..nn.losses import binary_cross_entropy, cross_entropy, mean_squared_error
from . import inputs
from .declared import declared, explained_by
from .outputs import Seq2SeqQuestionAnsweringModelOutput, Seq2SeqSequenceClassifierOutput
from .seq2seq import Seq2SeqBase, Seq2SeqModel

__all__ = ["QuestionAnswering", "SequenceClassification"]


class SequenceClassification(Seq2SeqBase):
    """One class, several classes or a number per input, read off the decoder at the input's last eos."""

    role: ClassVar[Role] = "classification"

    @explained_by(Seq2SeqModel.__call__)
    @declared
    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        decoder_input_ids: Any = None,
        decoder_attention_mask: Any = None,
        head_mask: Any = None,
        decoder_head_mask: Any = None,
        cross_attn_head_mask: Any = None,
        encoder_outputs: Any = None,
        inputs_embeds: Any = None,
        decoder_inputs_embeds: Any = None,
        labels: Any = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        cache_position: Any = None,
    ) -> Any:
        """Run both stacks and the classification head.

        Args:
            input_ids: int ``[b, s]``, needed in any case, with one eos or more in every row, as many in each: the
                decoder's state at the last one is pooled, so that the decoder's input is as long (by default it is
                ``input_ids``, shifted).
            labels: add a ``loss`` and switch the cache off. Their meaning is the configuration's ``problem_type``;
                without one, a single label is a number to predict (``[b]``, squared error), integers are classes
                (``[b]``, cross entropy, -100 is ignored) and other numbers are one probability per label
                (``[b, labels]``, binary cross entropy). That choice is made per call.

        Returns:
            :class:`~minipegasus.models.outputs.Seq2SeqSequenceClassifierOutput`, ``logits`` float ``[b, labels]``.

        Raises:
            InputError: an argument has the wrong shape, range or combination.
        """

    def _call(
        self, *, input_ids: Any = None, labels: Any = None, return_dict: bool | None = None, **arguments: Any
    ) -> Any:
        if input_ids is None:
            raise InputError("input_ids: expected ids, in which the last eos is looked for, found none")
        ids = inputs.integers(input_ids, "input_ids")
        if labels is not None:
            arguments["use_cache"] = False
        rest = dict(self._run(input_ids=input_ids, **arguments).items())
        states_btm = rest.pop("last_hidden_state")
        if states_btm.shape[:2] != ids.shape:
            raise InputError(
                f"decoder input: expected the shape of input_ids {list(ids.shape)}, found {list(states_btm.shape[:2])}"
            )
        last = _last_position(ids, self.config.eos_token_id)
        logits = class_logits(self.params["classification_head"], states_btm[np.arange(len(ids)), last])
        loss = None if labels is None else self._loss(logits, np.asarray(labels))
        return self._returned(Seq2SeqSequenceClassifierOutput(loss=loss, logits=logits, **rest), return_dict)

    def _loss(self, logits_bn: FloatArray, labels: Any) -> FloatArray:
        b, n = logits_bn.shape
        problem = self.config.problem_type
        if problem is None and n == 1:
            problem = "regression"
        elif problem is None:
            problem = "single_label_classification" if labels.dtype.kind in "iu" else "multi_label_classification"
        if problem == "single_label_classification":
            return cross_entropy(logits_bn, inputs.labels(labels.reshape(-1), n, (1, b))[0])
        if labels.dtype.kind not in "biuf" or labels.size != logits_bn.size or (n > 1 and labels.shape != (b, n)):
            raise InputError(
                f"labels: expected numbers of shape {[b, n]} ({problem}), found {labels.dtype} {list(labels.shape)}"
            )
        targets = labels.reshape(b, n).astype(logits_bn.dtype)
        return (mean_squared_error if problem == "regression" else binary_cross_entropy)(logits_bn, targets)


class QuestionAnswering(Seq2SeqBase):
    """Where an answer starts and ends, as logits over the decoder's positions."""

    role: ClassVar[Role] = "spans"
    config_changes: ClassVar[dict[str, Any]] = {"num_labels": 2}

    @explained_by(Seq2SeqModel.__call__)
    @declared
    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        decoder_input_ids: Any = None,
        decoder_attention_mask: Any = None,
        head_mask: Any = None,
        decoder_head_mask: Any = None,
        cross_attn_head_mask: Any = None,
        encoder_outputs: Any = None,
        start_positions: Any = None,
        end_positions: Any = None,
        inputs_embeds: Any = None,
        decoder_inputs_embeds: Any = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        cache_position: Any = None,
    ) -> Any:
        """Run both stacks and the span head.

        Args:
            start_positions, end_positions: int ``[b]``; together they add the mean of the two cross entropies as
                ``loss`` and switch the cache off. A position at or beyond the decoder's length counts for nothing (NaN
                where all do); a negative one counts as 0.

        Returns:
            :class:`~minipegasus.models.outputs.Seq2SeqQuestionAnsweringModelOutput`, logits float ``[b, t]``.

        Raises:
            InputError: an argument has the wrong shape, range or combination.
        """

    def _call(
        self,
        *,
        start_positions: Any = None,
        end_positions: Any = None,
        return_dict: bool | None = None,
        **arguments: Any,
    ) -> Any:
        with_loss = start_positions is not None and end_positions is not None
        if with_loss:
            arguments["use_cache"] = False
        rest = dict(self._run(**arguments).items())
        start, end = span_logits(self.params["qa_outputs"], rest.pop("last_hidden_state"))
        loss = None
        if with_loss:
            losses = [
                _position_loss(logits, positions, name)
                for logits, positions, name in (
                    (start, start_positions, "start_positions"),
                    (end, end_positions, "end_positions"),
                )
            ]
            loss = np.asarray((losses[0] + losses[1]) / 2, start.dtype)
        out = Seq2SeqQuestionAnsweringModelOutput(loss=loss, start_logits=start, end_logits=end, **rest)
        return self._returned(out, return_dict)


def _last_position(ids_bt: Any, eos: Any) -> Any:
    """Return the position of each row's last eos; every row has as many of them, and one at least."""
    if not isinstance(eos, int):
        raise InputError(f"eos_token_id: expected one id, at which the decoder is read, found {eos}")
    is_eos = ids_bt == eos
    counts = sorted(set(is_eos.sum(axis=1).tolist()))
    if len(counts) > 1 or counts[0] == 0:
        raise InputError(f"input_ids: expected the eos id {eos} equally often in every row, found counts {counts}")
    return ids_bt.shape[1] - 1 - is_eos[:, ::-1].argmax(axis=1)


def _position_loss(logits_bt: FloatArray, positions: Any, name: str) -> FloatArray:
    b, t = logits_bt.shape
    where = inputs.integers(np.asarray(positions).reshape(-1), name)[0]
    if len(where) != b:
        raise InputError(f"{name}: expected shape {[b]}, found {list(np.shape(positions))}")
    return cross_entropy(logits_bt, np.clip(where, 0, t), ignored=t)
