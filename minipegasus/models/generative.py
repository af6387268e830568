"""Generation as methods of the classes that have a vocabulary head."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from ..arrays import FloatArray
from ..errors import InputError
from ..generation.generate import generate, stream
from ..generation.protocols import Decoding, Start
from ..generation.transitions import compute_transition_scores
from ..nn.heads import vocabulary_logits
from .pretrained import PreTrainedModel

__all__ = ["Generative", "refuse_dictionary"]


def refuse_dictionary(generation: Mapping[str, Any]) -> None:
    """Refuse the setting under which ``generate`` returns more than ids, where only texts come out.

    Raises:
        InputError: ``return_dict_in_generate`` is set.

    >>> refuse_dictionary({"num_beams": 2})
    """
    if generation.get("return_dict_in_generate"):
        raise InputError("return_dict_in_generate: expected False (generate of the model returns more), found True")


class Generative(PreTrainedModel):
    """A model that generates. Subclasses say which keywords they take and how a decoding starts."""

    def _logits(self, states: FloatArray) -> FloatArray:
        """Return logits ``[..., v]`` of the last stack's states ``[..., m]``."""
        stack = self._spec.decoder
        assert stack is not None
        return vocabulary_logits(self.params, states, self._spec.head_transform, stack.eps)

    @property
    def position_limit(self) -> int | None:
        """How many positions the decoder has, or None where they are computed and any number goes.

        >>> from minipegasus import PegasusForConditionalGeneration
        >>> PegasusForConditionalGeneration.from_pretrained("golden/pegasus").position_limit
        48
        """
        stack = self._spec.decoder
        assert stack is not None
        return stack.positions.limit

    def model_keywords(self) -> AbstractSet[str]:
        """Return the names of the inputs that ``generate`` may pass on to the model."""
        raise NotImplementedError

    def start_decoding(self, start: Start) -> Decoding:
        """Run what runs once and return a decoding at its start."""
        raise NotImplementedError

    def generate(self, inputs: Any = None, **arguments: Any) -> Any:
        """Generate token ids.

        Args:
            inputs: int ``[b, s]``, also as ``input_ids``: what to summarise, or a decoder's prompt.
            **arguments: inputs of the model (``attention_mask``, ...), settings (``num_beams``, ``max_length``,
                ``length_penalty``, ...), ``rng``, ``streamer``, ``logits_processor``: everything that
                :func:`minipegasus.generation.generate.generate` takes.

        Returns:
            int64 ``[rows, length]``; an output object with ``return_dict_in_generate=True``.

        Raises:
            TypeError: unknown keywords.
            ConfigError: settings that are wrong or contradict each other.
            InputError: inputs that are wrong, settings that are not supported, or a position that the decoder has not.

        >>> from minipegasus import PegasusForConditionalGeneration, PegasusTokenizer
        >>> from minipegasus.demo import folder
        >>> tokenizer = PegasusTokenizer.from_pretrained(folder())
        >>> model = PegasusForConditionalGeneration.from_pretrained(folder())
        >>> encoded = tokenizer(["The bridge was opened in 1932."], return_tensors="np")
        >>> ids = model.generate(**encoded, num_beams=2, max_new_tokens=3)
        >>> ids.shape, ids.dtype.name, len(tokenizer.batch_decode(ids))
        ((1, 4), 'int64', 1)
        """
        return generate(self, inputs, **arguments)

    def stream(self, inputs: Any = None, **arguments: Any) -> Iterator[int]:
        """Yield one token id after the other as they are chosen (one row, greedy or sampling).

        Takes what :meth:`generate` takes, without beams.

        Raises:
            InputError: more than one row, or beams; raised by the call, not by the first iteration.

        >>> from minipegasus import PegasusForConditionalGeneration
        >>> model = PegasusForConditionalGeneration.from_pretrained("golden/pegasus")
        >>> ids = [[5, 6, 1]]
        >>> written = model.generate(ids, num_beams=1, length_penalty=1.0, max_length=4)
        >>> list(model.stream(ids, num_beams=1, length_penalty=1.0, max_length=4)) == written[0, 1:].tolist()
        True
        """
        return stream(self, inputs, **arguments)

    compute_transition_scores = staticmethod(compute_transition_scores)
