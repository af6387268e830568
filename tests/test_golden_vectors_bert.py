"""Numbers that transformers printed for BertGeneration and a pair with weights by formula."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weight_rule
from weight_rule import assert_printed

import minipegasus

HALF = {
    "vocab_size": 50,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 32,
}
IDS = np.array([[8, 18, 42, 33, 38, 10, 43], [19, 29, 6, 44, 49, 21, 7]])
MASK = np.array([[1] * 7, [1] * 4 + [0] * 3])


def filled(model: Any, names: int, folder: Path) -> Any:
    """Return the model with the formula's weights, which has so many tensors."""
    assert len(model.state_dict()) == names
    return weight_rule.filled(model, folder)


def test_encoder(tmp_path: Path) -> None:
    model = filled(minipegasus.BertGenerationEncoder(minipegasus.BertGenerationConfig(**HALF)), 36, tmp_path)
    state = model(IDS, attention_mask=MASK).last_hidden_state
    assert_printed(state, [-0.1422163, -0.1141526, -0.2172128, -1.471874, 1.604996], 1.659351, 94.83331)


def test_decoder(tmp_path: Path) -> None:
    config = minipegasus.BertGenerationConfig(**HALF, is_decoder=True)
    out = filled(minipegasus.BertGenerationDecoder(config), 37, tmp_path)(IDS[:, :5], labels=IDS[:, :5])
    assert_printed(out.logits, [0.82143, -1.197017, 1.127996, -0.82898, -0.4278804], -9.420446, 374.2765)
    assert out.loss == pytest.approx(4.602509, abs=5e-6)


def test_pair_of_different_widths(tmp_path: Path) -> None:
    encoder = minipegasus.BertGenerationConfig(**{**HALF, "hidden_size": 12, "intermediate_size": 20})
    decoder = minipegasus.BertGenerationConfig(**HALF)
    config = minipegasus.EncoderDecoderConfig.from_encoder_decoder_configs(
        encoder, decoder, decoder_start_token_id=2, pad_token_id=0
    )
    model = filled(minipegasus.EncoderDecoderModel(config), 95, tmp_path)
    logits = model(IDS, attention_mask=MASK, decoder_input_ids=IDS[:, :5]).logits
    assert_printed(logits, [0.285108, 0.3148712, 0.733445, -0.7552543, 0.971037], -47.78591, 303.8106)
    assert model(IDS, attention_mask=MASK, labels=IDS[:, :5]).loss == pytest.approx(4.271097, abs=5e-6)
    generated = model.generate(IDS, attention_mask=MASK, num_beams=3, max_length=8)
    assert generated.tolist() == [[2, 30, 30, 30, 36, 36, 36, 36]] * 2
