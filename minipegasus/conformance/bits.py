"""One answer: small fixed computations whose float32 bits are the same on every machine with the compiled kernels.

The models here have weights that are exact fractions made from integers, so nothing about them depends on a machine.
``RECORDED`` holds the SHA-256 of every result's bytes; ``tools/record_bits.py`` wrote it, together with the arrays
themselves in ``golden/native``.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import numpy as np

from .. import models, ops
from ..arrays import Array
from ..ops import backend

__all__ = ["CASES", "digest", "implementation", "recorded", "results"]

_SEED = 4711
_SIZES: dict[str, Any] = {
    "vocab_size": 61,
    "d_model": 20,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 37,
    "decoder_ffn_dim": 24,
    "max_position_embeddings": 80,
    "scale_embedding": True,
}
_BERT: dict[str, Any] = {
    "vocab_size": 61,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 33,
    "max_position_embeddings": 40,
    "layer_norm_eps": 1e-12,
}


def with_exact_weights(model: Any) -> Any:
    """Give a model weights that are integers over a power of two; norms lie around one."""
    tensors = {}
    for index, (name, old) in enumerate(sorted(model.state_dict().items())):
        values = np.random.default_rng([_SEED, index]).integers(-4096, 4097, old.shape).astype(np.float32)
        is_norm = name.lower().endswith(("norm.weight", "layernorm_embedding.weight"))
        spread = 8192.0 * max(1.0, old.shape[-1] ** 0.5 / 4)
        tensors[name] = 1 + values / np.float32(16384) if is_norm else values / np.float32(2 ** round(np.log2(spread)))
    model.load_state_dict(tensors)
    return model


def _ids(rows: int, length: int, seed: int, low: int = 3) -> Array:
    return np.random.default_rng([_SEED, seed]).integers(low, 61, (rows, length))


def _seq2seq(model: Any, length: int, mask_from: int) -> dict[str, Array]:
    """Return one forward pass with padding, and beams."""
    mask = np.ones((2, length), np.int64)
    mask[1, mask_from:] = 0
    out = model(input_ids=_ids(2, length, 1), attention_mask=mask, labels=_ids(2, 6, 2))
    beams = model.generate(
        _ids(2, length, 1),
        attention_mask=mask,
        num_beams=3,
        max_length=9,
        eos_token_id=1,
        return_dict_in_generate=True,
        output_scores=True,
    )
    return {
        "encoder": out.encoder_last_hidden_state,
        "logits": out.logits,
        "loss": out.loss,
        "sequences": beams.sequences,
        "sequences_scores": beams.sequences_scores,
    }


def _pegasus() -> dict[str, Array]:
    config = models.PegasusConfig(**_SIZES, activation_function="gelu")
    return _seq2seq(with_exact_weights(models.PegasusForConditionalGeneration(config)), 17, 11)


def _bigbird_pegasus() -> dict[str, Array]:
    config = models.BigBirdPegasusConfig(**_SIZES, block_size=4, num_random_blocks=1, use_bias=True)
    return _seq2seq(with_exact_weights(models.BigBirdPegasusForConditionalGeneration(config)), 45, 30)


def _pegasus_x() -> dict[str, Array]:
    config = models.PegasusXConfig(**_SIZES, block_size=8, num_global_tokens=3, activation_function="silu")
    return _seq2seq(with_exact_weights(models.PegasusXForConditionalGeneration(config)), 45, 30)


def _encoder_decoder() -> dict[str, Array]:
    encoder = models.BertGenerationConfig(**_BERT, hidden_size=24, hidden_act="gelu_new")
    decoder = models.BertGenerationConfig(
        **_BERT, hidden_size=20, is_decoder=True, add_cross_attention=True, position_embedding_type="relative_key_query"
    )
    config = models.EncoderDecoderConfig.from_encoder_decoder_configs(
        encoder, decoder, decoder_start_token_id=2, pad_token_id=0, eos_token_id=1
    )
    return _seq2seq(with_exact_weights(models.EncoderDecoderModel(config)), 13, 9)


def _full_width() -> dict[str, Array]:
    """One encoder layer as pegasus-large has it, over 24 tokens."""
    sizes: dict[str, Any] = {
        "d_model": 1024,
        "encoder_ffn_dim": 4096,
        "encoder_attention_heads": 16,
        "decoder_attention_heads": 16,
    }
    sizes |= {"encoder_layers": 1, "decoder_layers": 0, "activation_function": "relu"}
    model = with_exact_weights(models.PegasusModel(models.PegasusConfig(**{**_SIZES, **sizes})))
    return {"encoder": model.get_encoder()(_ids(1, 24, 3)).last_hidden_state}


def _positions() -> dict[str, Array]:
    """Both kinds of sinusoids, far positions included."""
    return {"table": ops.sinusoid_table(96, 32), "rows": ops.sinusoid_rows(16320, 64, 64)}


#: Name of a case -> what computes its arrays.
CASES: dict[str, Callable[[], dict[str, Array]]] = {
    "pegasus": _pegasus,
    "bigbird_pegasus": _bigbird_pegasus,
    "pegasus_x": _pegasus_x,
    "encoder_decoder": _encoder_decoder,
    "full_width_layer": _full_width,
    "positions": _positions,
}


def results(case: str) -> dict[str, Array]:
    """Compute a case, one of :data:`CASES`: its arrays by name, floats in float32.

    Raises:
        KeyError: there is no such case.

    >>> {name: array.shape for name, array in results("positions").items()}
    {'table': (96, 32), 'rows': (64, 64)}
    """
    return CASES[case]()


def digest(arrays: Mapping[str, Array]) -> str:
    """Return the SHA-256 over names, shapes and little-endian bytes of the arrays.

    >>> digest({"a": np.zeros(2, np.float32)})[:16]
    'ff5460a4c74920e5'
    """
    total = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        total.update(f"{name} {plain.dtype.str} {list(array.shape)}\n".encode())
        total.update(plain.tobytes())
    return total.hexdigest()


def recorded() -> dict[str, str]:
    """Return the recorded digest of every case.

    >>> from minipegasus import ops
    >>> ops.config()["ops"] == "numpy" or digest(results("pegasus")) == recorded()["pegasus"]
    True
    """
    loaded: dict[str, str] = json.loads(files(__package__).joinpath("bits.json").read_text(encoding="utf-8"))
    return loaded


@contextmanager
def implementation(isa: str, threads: int) -> Iterator[None]:
    """Compute with one instruction set and number of threads inside, and as before afterwards.

    Raises:
        BackendError: this CPU or build does not have the instruction set, or the NumPy twins are in use.
        InputError: ``threads`` is not a positive whole number.

    >>> for isa in ops.config()["isa_available"] if ops.config()["ops"] == "native" else []:
    ...     with implementation(isa, threads=1):
    ...         assert digest(results("pegasus")) == recorded()["pegasus"]
    """
    before = ops.config()
    backend.use_isa(isa)
    backend.set_num_threads(threads)
    try:
        yield
    finally:
        backend.use_isa(before["isa"])
        backend.set_num_threads(before["threads"])
