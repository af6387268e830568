"""The pairing model: any encoder and any decoder of these families."""

from pathlib import Path
from typing import Any, Self

import numpy as np

from ..checkpoints.folder import resolve_folder
from ..checkpoints.loading import initial
from ..errors import ConfigError, InputError, listing
from ..families.config import Config
from ..families.encoder_decoder import ENCODER_DECODER
from ..nn.heads import first_pooled
from . import inputs
from .bert import BertLMHeadModel, BertModel
from .bert_generation import BertGenerationDecoder, BertGenerationEncoder
from .bert_like import BareStack
from .bigbird_pegasus import BigBirdPegasusForCausalLM
from .calls import needs
from .causal import SingleStackLM
from .configs import IGNORED, EncoderDecoderConfig, read_config
from .outputs import Seq2SeqLMOutput
from .pegasus import PegasusForCausalLM
from .pretrained import Dtype, PreTrainedModel
from .roberta import RobertaForCausalLM, RobertaModel
from .seq2seq import ConditionalGeneration

__all__ = ["EncoderDecoderModel"]

_ENCODERS: dict[str, type[BareStack]] = {
    kind.family.model_type: kind for kind in (BertGenerationEncoder, BertModel, RobertaModel)
}
_DECODERS: dict[str, type[SingleStackLM]] = {
    kind.family.model_type: kind
    for kind in (
        *(BertGenerationDecoder, BertLMHeadModel, BigBirdPegasusForCausalLM),
        *(PegasusForCausalLM, RobertaForCausalLM),
    )
}
# Of from_encoder_decoder_pretrained's keywords, what belongs to the pair although it begins like a decoder's.
_OWN = frozenset({"decoder_start_token_id"})


class EncoderDecoderModel(ConditionalGeneration):
    """An encoder and a decoder with a vocabulary head, joined by cross-attention.

    Where the widths differ, ``enc_to_dec_proj`` brings the encoder's last states to the decoder's.

    Args:
        config: the pair's configuration; made from the halves' where None.
        encoder: a bare model whose weights to use; new ones where None.
        decoder: a model with a vocabulary head and cross-attention whose weights to use; new ones where None.
        dtype: as in :class:`~minipegasus.models.pretrained.PreTrainedModel`; the halves' where None.
        seed: of new weights.

    Raises:
        InputError: a half is of another class, has no cross-attention where it should or does not fit the
            configuration; halves of two dtypes; or neither a configuration nor two halves.
        ConfigError: the configuration contradicts itself.

    >>> from minipegasus import BertGenerationConfig, EncoderDecoderConfig
    >>> half = BertGenerationConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
    ...     intermediate_size=8, max_position_embeddings=16)
    >>> config = EncoderDecoderConfig.from_encoder_decoder_configs(half, half, decoder_start_token_id=2, pad_token_id=0)
    >>> model = EncoderDecoderModel(config)
    >>> out = model(input_ids=[[5, 6, 1]], labels=[[7, 1]])
    >>> out.logits.shape, model.generate([[5, 6, 1]], max_length=4).shape
    ((1, 2, 20), (1, 4))
    """

    family = ENCODER_DECODER
    encoder_inputs = frozenset({"head_mask", "position_ids", "token_type_ids"})
    decoder_inputs = {  # noqa: RUF012
        "decoder_head_mask": "head_mask",
        "decoder_cross_attn_head_mask": "cross_attn_head_mask",
    }
    positional_inputs = {  # noqa: RUF012
        "decoder_position_ids": "position_ids",
        "decoder_token_type_ids": "token_type_ids",
    }

    def __init__(
        self,
        config: Config | None = None,
        encoder: BareStack | None = None,
        decoder: SingleStackLM | None = None,
        *,
        dtype: Dtype | None = None,
        seed: int = 0,
    ) -> None:
        halves = [half for half in (encoder, decoder) if half is not None]
        self._check_halves(encoder, decoder)
        if config is None:
            if encoder is None or decoder is None:
                raise InputError("expected a configuration, or an encoder and a decoder, found neither")
            config = EncoderDecoderConfig.from_encoder_decoder_configs(encoder.config, decoder.config)
        self._configure(config, dtype or (halves[0].dtype if halves else "float32"))
        layout = self._layout.weights
        given = {name: array for half in halves for name, array in half._weights.items()}
        problems = [
            f"{name}: expected {list(layout[name].shape) if name in layout else 'none'}, found {list(array.shape)}"
            for name, array in given.items()
            if name not in layout or layout[name].shape != array.shape
        ]
        if problems:
            raise InputError(listing("encoder and decoder: weights that do not fit the configuration", problems))
        absent = {name: weight for name, weight in layout.items() if name not in given}
        given |= initial(absent, self.dtype, self._std, seed)
        # What both halves share (tie_encoder_decoder) is the decoder's.
        decoders_last = sorted(layout, key=lambda name: name.startswith(("decoder.", "lm_head.")))
        shared = {layout[name].sources: given[name] for name in decoders_last}
        self._set_weights({name: shared[weight.sources] for name, weight in layout.items()})

    @staticmethod
    def _check_halves(encoder: Any, decoder: Any) -> None:
        for side, half, kinds in (("encoder", encoder, _ENCODERS), ("decoder", decoder, _DECODERS)):
            if half is not None and not isinstance(half, tuple(kinds.values())):
                names = ", ".join(kind.__name__ for kind in kinds.values())
                raise InputError(f"{side}: expected one of {names}, found {type(half).__name__}")
        if decoder is not None:
            stack = decoder.spec.decoder
            if stack.attention != "causal" or not stack.cross_attention:
                raise InputError("decoder: expected a model with is_decoder and add_cross_attention, found one without")
        if encoder is not None and decoder is not None and encoder.dtype != decoder.dtype:
            raise InputError(f"expected halves of one dtype, found {encoder.dtype} and {decoder.dtype}")

    @property
    def _std(self) -> float:
        return float(getattr(self.config.decoder, "init_std", getattr(self.config.decoder, "initializer_range", 0.02)))

    # The halves

    @property
    def encoder(self) -> BareStack:
        """The encoder as a model of its own, over the same weights."""
        half: BareStack = self._half(_ENCODERS, self.config.encoder, ("encoder.", "pooler."))
        return half

    @property
    def decoder(self) -> SingleStackLM:
        """The decoder as a model of its own, over the same weights."""
        half: SingleStackLM = self._half(_DECODERS, self.config.decoder, ("decoder.", "lm_head."))
        return half

    def _half(self, kinds: Any, config: Any, prefixes: tuple[str, ...]) -> Any:
        weights = {name: array for name, array in self._weights.items() if name.startswith(prefixes)}
        return kinds[config.model_type]._over(config, self.dtype, weights, self.params.recorder)

    def get_encoder(self) -> BareStack:
        """Return the encoder, which is called like any model and whose output ``encoder_outputs`` takes."""
        return self.encoder

    def get_decoder(self) -> SingleStackLM:
        """Return the decoder, with its vocabulary head, as a model of its own over the same weights.

        >>> pair = EncoderDecoderModel.from_pretrained("golden/encoder_decoder")
        >>> type(pair.get_encoder()).__name__, type(pair.get_decoder()).__name__
        ('BertGenerationEncoder', 'BertGenerationDecoder')
        """
        return self.decoder

    @property
    def _input_tables(self) -> list[str]:
        return ["encoder.embed_tokens.weight"]

    @classmethod
    def from_encoder_decoder_pretrained(
        cls,
        encoder_pretrained_model_name_or_path: str | Path | None = None,
        decoder_pretrained_model_name_or_path: str | Path | None = None,
        *,
        dtype: Dtype = "float32",
        seed: int = 0,
        **values: Any,
    ) -> Self:
        """Make a pair of two checkpoint folders, of which the second becomes a decoder with cross-attention.

        Args:
            encoder_pretrained_model_name_or_path: folder or hub-cache name; or pass ``encoder_model``.
            decoder_pretrained_model_name_or_path: folder or hub-cache name; or pass ``decoder_model``. Weights that it
                lacks (cross-attention) are new and random, and a warning names them.
            dtype: of both halves.
            seed: of new weights.
            **values: with ``encoder_`` or ``decoder_`` in front, values of that half's configuration, or its
                ``config``, ``revision``, ``subfolder`` and ``ignore_mismatched_sizes``; others, and
                ``decoder_start_token_id``, are values of the pair's configuration.

        Raises:
            CheckpointError, ConfigError: as ``from_pretrained``.
            InputError: neither a folder nor a model is given for a half.

        >>> import warnings
        >>> folder = "golden/bert_generation"
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")  # of new weights
        ...     pair = EncoderDecoderModel.from_encoder_decoder_pretrained(folder, folder, decoder_start_token_id=2)
        >>> pair.config.decoder.add_cross_attention, pair.config.decoder_start_token_id
        (True, 2)
        """
        halves: dict[str, dict[str, Any]] = {"encoder": {}, "decoder": {}}
        own = {}
        for name, value in values.items():
            side, _, rest = name.partition("_")
            if side in halves and name not in _OWN:
                halves[side][rest] = value
            elif name not in IGNORED:
                own[name] = value
        common = {"dtype": "float32" if dtype == "auto" else dtype, "seed": seed}
        encoder = _open(
            "encoder",
            encoder_pretrained_model_name_or_path,
            _ENCODERS,
            {"is_decoder": False, "add_cross_attention": False},
            common | halves["encoder"],
        )
        decoder = _open(
            "decoder",
            decoder_pretrained_model_name_or_path,
            _DECODERS,
            {"is_decoder": True, "add_cross_attention": True},
            common | halves["decoder"],
        )
        config = EncoderDecoderConfig.from_encoder_decoder_configs(encoder.config, decoder.config, **own)
        return cls(config, encoder, decoder, seed=seed)

    # Calling

    def __call__(  # type: ignore[override]
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        decoder_input_ids: Any = None,
        decoder_attention_mask: Any = None,
        encoder_outputs: Any = None,
        past_key_values: Any = None,
        inputs_embeds: Any = None,
        decoder_inputs_embeds: Any = None,
        labels: Any = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **halves: Any,
    ) -> Any:
        """Run encoder and decoder.

        Args:
            input_ids: int ``[b, s]``; or ``inputs_embeds`` float ``[b, s, m]``; or ``encoder_outputs``.
            attention_mask: 0/1 ``[b, s]``; 0 hides a position of the input from both halves.
            decoder_input_ids: int ``[b, t]``; or ``decoder_inputs_embeds`` float ``[b, t, m]``.
            decoder_attention_mask: as the decoder's own ``attention_mask``.
            encoder_outputs: what :meth:`get_encoder` returned, in place of input ids.
            past_key_values: a cache to continue, which is extended in place.
            labels: int ``[b, t]``, -100 is ignored; adds the mean cross entropy as ``loss``, unshifted. Where no
                decoder inputs are given they are the labels, shifted right, and padding among them is hidden; their
                first position never is, even if it holds the padding id.
            use_cache: whether to return a cache; the decoder's configuration's by default.
            output_attentions, output_hidden_states: also return every layer's; by default what each half's own
                configuration says, as in the reference (the pair's has no say).
            return_dict: False returns a tuple.
            **halves: ``position_ids``, ``token_type_ids``, ``head_mask`` of the encoder; with ``decoder_`` in front,
                of the decoder, and ``decoder_cross_attn_head_mask`` for decoders that have one of its own.

        Returns:
            :class:`~minipegasus.models.outputs.Seq2SeqLMOutput`.

        Raises:
            InputError: an argument has the wrong shape, range or combination.
            TypeError: unknown keywords.
        """
        decoder_names = {**self.decoder_inputs, **self.positional_inputs}
        unknown = [name for name in halves if name not in decoder_names and name not in self.encoder_inputs]
        if unknown:
            raise TypeError(f"EncoderDecoderModel got unexpected keyword argument(s): {', '.join(map(repr, unknown))}")
        encoded = self._encoded(
            encoder_outputs,
            input_ids=input_ids,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            **needs(self.config.encoder, output_attentions, output_hidden_states),
            **{name: value for name, value in halves.items() if name in self.encoder_inputs},
        )
        if labels is not None:
            assert self._spec.decoder is not None
            labels = inputs.labels(labels, self._spec.decoder.vocab_size)
            if decoder_input_ids is None and decoder_inputs_embeds is None:
                pad_id = self.config.pad_token_id
                decoder_input_ids = self._shifted(labels)
                if decoder_attention_mask is None:
                    decoder_attention_mask = decoder_input_ids != pad_id
                    decoder_attention_mask[:, 0] = True
        out = self._decoded(
            encoded,
            past_key_values,
            self.config.decoder.use_cache if use_cache is None else use_cache,
            input_ids=decoder_input_ids,
            inputs_embeds=decoder_inputs_embeds,
            attention_mask=decoder_attention_mask,
            memory_mask=attention_mask,
            **needs(self.config.decoder, output_attentions, output_hidden_states),
            **{decoder_names[name]: value for name, value in halves.items() if name in decoder_names},
        )
        result = self._with_logits(out, labels)
        as_output = self.config.return_dict if return_dict is None else return_dict
        return result if as_output else self._as_tuple(result, whole=encoder_outputs is None)

    def _as_tuple(self, result: Seq2SeqLMOutput, whole: bool) -> tuple[Any, ...]:
        """Return what is present; the tuple of an encoder with a pooler has its result second, and so has this."""
        values = []
        for name, value in result.items():
            values.append(value)
            if name == "encoder_last_hidden_state" and whole and self._spec.pooler:
                values.append(first_pooled(self.params["pooler"], np.asarray(value)))
        return tuple(values)

    def _resize(self, changes: dict[str, int], seed: int) -> None:
        raise InputError(
            f"{', '.join(changes)}: a pair is not resized as a whole; resize a half (half = model.decoder; "
            "half.resize_token_embeddings(...)) and make a pair of both: EncoderDecoderModel(encoder=..., decoder=...)"
        )


def _open(side: str, name: str | Path | None, kinds: Any, role: dict[str, bool], values: dict[str, Any]) -> Any:
    """Return a half: the model given in ``values``, or a folder's, as an encoder or as a decoder."""
    model: PreTrainedModel | None = values.pop("model", None)
    if model is not None:
        return model
    if name is None:
        raise InputError(f"{side}_pretrained_model_name_or_path: expected a folder, or {side}_model, found neither")
    folder = resolve_folder(name, values.pop("revision", None), values.pop("subfolder", ""))
    arguments = {key: values.pop(key) for key in ("dtype", "seed", "ignore_mismatched_sizes") if key in values}
    config: Config | None = values.pop("config", None)
    if config is None:
        config = read_config(folder, values).copy(**role)
    if config.model_type not in kinds:
        expected = ", ".join(sorted(kinds))
        raise ConfigError(f"{folder}: model_type: expected one of {expected} for the {side}, found {config.model_type}")
    return kinds[config.model_type].from_pretrained(folder, config=config, **arguments)
