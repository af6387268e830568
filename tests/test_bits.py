"""One answer: every instruction set and thread count gives the recorded bits, and so does a mapped file."""

import mmap
from pathlib import Path

import numpy as np
import pytest
from golden_cases import GOLDEN, read

import minipegasus
from minipegasus import ops
from minipegasus.checkpoints import convert
from minipegasus.conformance import bits

pytestmark = pytest.mark.skipif(ops.config()["ops"] != "native", reason="the promise is the compiled path's")
WAYS = [(isa, threads) for isa in ops.config()["isa_available"] for threads in (1, 2, 3)]


@pytest.mark.parametrize("case", list(bits.CASES))
@pytest.mark.parametrize(("isa", "threads"), WAYS, ids=lambda value: str(value))
def test_recorded_bits(case: str, isa: str, threads: int) -> None:
    with bits.implementation(isa, threads):
        found = bits.results(case)
    assert bits.digest(found) == bits.recorded()[case]


@pytest.mark.parametrize("case", list(bits.CASES))
def test_the_record_is_the_golden_file(case: str) -> None:
    _, _, arrays = read(GOLDEN / "native" / f"{case}.safetensors", prefix="")
    assert bits.digest(arrays) == bits.recorded()[case]


def test_a_changed_bit_is_noticed() -> None:
    found = bits.results("positions")
    found["rows"] = found["rows"].copy()
    found["rows"][3, 5] = np.nextafter(found["rows"][3, 5], np.float32(2))
    assert bits.digest(found) != bits.recorded()["positions"]


def test_a_mapped_file_is_the_same_weights(tmp_path: Path) -> None:
    config = minipegasus.PegasusConfig(
        vocab_size=50, d_model=24, encoder_layers=1, decoder_layers=1, encoder_attention_heads=3,
        decoder_attention_heads=3, encoder_ffn_dim=40, decoder_ffn_dim=40, max_position_embeddings=32,
    )  # fmt: skip
    model = minipegasus.PegasusForConditionalGeneration(config)
    model.save_pretrained(tmp_path)
    mapped = minipegasus.PegasusForConditionalGeneration.from_pretrained(tmp_path)
    ids = np.array([[5, 6, 7, 1]])
    a, b = (m(input_ids=ids, decoder_input_ids=ids).logits for m in (model, mapped))
    assert np.array_equal(a, b)
    # Under every view lies the map itself.
    under: object = next(iter(mapped.state_dict().values()))
    while isinstance(under, np.ndarray | memoryview):
        under = under.base if isinstance(under, np.ndarray) else under.obj
    assert isinstance(under, mmap.mmap)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_read_where_it_lies(dtype: str, tmp_path: Path) -> None:
    convert(GOLDEN / "pegasus", tmp_path / "half", dtype=dtype)
    half = minipegasus.PegasusForConditionalGeneration.from_pretrained(tmp_path / "half")
    matrix = half.params["encoder"]["layers"]["0"]["fc1"]["weight"]
    assert matrix.dtype == (np.float16 if dtype == "float16" else np.uint16)
    # The same weights, widened in a file: the same bits come out.
    half.save_pretrained(tmp_path / "wide")
    wide = minipegasus.PegasusForConditionalGeneration.from_pretrained(tmp_path / "wide")
    assert wide.params["encoder"]["layers"]["0"]["fc1"]["weight"].dtype == np.float32
    ids = np.array([[120, 121, 1]])
    a, b = (m(input_ids=ids, decoder_input_ids=ids) for m in (half, wide))
    assert np.array_equal(a.logits, b.logits)
    assert np.array_equal(a.encoder_last_hidden_state, b.encoder_last_hidden_state)
    assert half.get_input_embeddings().dtype == np.float32
