"""Classes with one stack, which may be causal, keep a cache and look at an encoder's states."""

import warnings
from typing import Any

from ..errors import InputError
from ..nn.cache import Cache
from ..nn.coders import Coded
from ..nn.params import Params
from ..nn.stackspec import StackSpec
from . import inputs
from .calls import needs, run_decoder
from .pretrained import PreTrainedModel

__all__ = ["SingleStack"]


class SingleStack(PreTrainedModel):
    """The one stack of a class, be it an encoder or a decoder, and one call of it."""

    @property
    def _stack(self) -> tuple[Params, StackSpec]:
        """The stack's own view of the weights, and its spec."""
        side = "encoder" if self._spec.decoder is None else "decoder"
        stack = self._spec.decoder or self._spec.encoder
        assert stack is not None
        return self.params[side], stack

    def _run(
        self,
        *,
        encoder_hidden_states: Any = None,
        encoder_attention_mask: Any = None,
        past_key_values: Any = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **arguments: Any,
    ) -> tuple[Coded, Cache | None]:
        """Run the stack; further ``arguments`` are those of :func:`~minipegasus.models.calls.run_decoder`.

        A new cache is made for a causal stack only, and unless ``use_cache`` is False, or None and the configuration's
        is; a given one is extended and returned in any case, as in the reference.
        """
        p, spec = self._stack
        states = self._memory_states(encoder_hidden_states)
        cache = inputs.past(past_key_values, self.dtype)
        if cache is None and spec.attention == "causal" and (self.config.use_cache if use_cache is None else use_cache):
            cache = Cache(spec.layers)
        coded = run_decoder(
            p,
            spec,
            self.dtype,
            memory_states=states,
            memory_mask=encoder_attention_mask,
            cache=cache,
            **needs(self.config, output_attentions, output_hidden_states),
            **arguments,
        )
        return coded, cache

    def _memory_states(self, states: Any) -> Any:
        """Return checked encoder states ``[b, s, m]``, or None where there are none to look at."""
        spec = self._stack[1]
        if states is None:
            return None
        if spec.attention != "causal":
            warnings.warn("encoder_hidden_states have no effect with is_decoder=False", stacklevel=5)
            return None
        if not spec.cross_attention:
            raise InputError(
                "encoder_hidden_states: expected add_cross_attention=True in the configuration beside them"
            )
        return inputs.embeddings(states, "encoder_hidden_states", spec.width, self.dtype)
