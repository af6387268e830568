"""Numbers that transformers printed for Pegasus, BigBird-Pegasus and PEGASUS-X with weights by formula."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from weight_rule import assert_printed, filled, ids, mask

import minipegasus

SIZES = {"vocab_size": 50, "d_model": 8, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
SIZES |= {"encoder_ffn_dim": 24, "decoder_ffn_dim": 20, "decoder_layers": 1}
BLOCKS = {"encoder_layers": 2, "max_position_embeddings": 128, "block_size": 2, "num_random_blocks": 1}


def test_pegasus(tmp_path: Path) -> None:
    sizes = {**SIZES, "encoder_layers": 2, "decoder_layers": 2, "max_position_embeddings": 40}
    config = minipegasus.PegasusConfig(**sizes, activation_function="relu", scale_embedding=True)
    model = minipegasus.PegasusForConditionalGeneration(config)
    assert len(model.state_dict()) == 90 + 2  # and the two sinusoids, which keep their formula
    model = filled(model, tmp_path)
    given = {"input_ids": ids(2, 7), "attention_mask": mask(2, 7, 4)}
    out = model(**given, decoder_input_ids=ids(2, 5))
    encoded = out.encoder_last_hidden_state
    assert_printed(encoded, [-0.9966672, 1.513019, 1.015514, 0.04761866, -0.4671856], -3.631459, 90.99276)
    assert_printed(out.logits, [0.5448924, 0.3864121, -1.284364, 0.03583443, 0.3088239], 14.79546, 318.5399)
    assert model(**given, labels=ids(2, 5)).loss == pytest.approx(4.159514, abs=5e-6)


def test_pegasus_decoder_alone(tmp_path: Path) -> None:
    sizes = {**SIZES, "encoder_layers": 2, "decoder_layers": 2, "max_position_embeddings": 40}
    model = minipegasus.PegasusForCausalLM(minipegasus.PegasusConfig(**sizes, activation_function="gelu"))
    assert len(model.state_dict()) == 55 + 1
    out = filled(model, tmp_path)(ids(2, 5), labels=ids(2, 5))
    assert_printed(out.logits, [0.09572935, 0.6450889, -1.389156, -0.01315527, -1.198175], 59.41347, 324.8133)
    assert out.loss == pytest.approx(4.206352, abs=5e-6)


def bigbird(head: str, names: int, folder: Path, **options: Any) -> Any:
    config = minipegasus.BigBirdPegasusConfig(**SIZES, **BLOCKS, **options)
    model = getattr(minipegasus, f"BigBirdPegasus{head}")(config)
    assert len(model.state_dict()) == names
    return filled(model, folder, tables=True)


def with_eos() -> np.ndarray:
    values = ids(2, 9)
    values[:, 4] = 1
    return values


def test_block_sparse_and_full_attention(tmp_path: Path) -> None:
    model = bigbird("ForConditionalGeneration", 50, tmp_path)
    out = model(ids(2, 19), attention_mask=mask(2, 19, 12), decoder_input_ids=ids(2, 5))
    encoded = out.encoder_last_hidden_state
    assert_printed(encoded, [-0.8435278, 2.239021, 0.3539387, -1.600872, 0.106236], -52.25374, 252.8433)
    visible = encoded[1, :12]
    assert_printed(visible, [0.2193898, 1.193015, -0.4505098, -0.8654624, 1.42719], -16.6512, 81.33349)
    assert_printed(out.logits, [-0.8873776, 0.4152789, 0.4840538, -1.523744, 1.435587], 44.89329, 366.8213)
    short = model.get_encoder()(ids(2, 9)).last_hidden_state
    assert_printed(short, [-0.8218894, 2.205483, 0.4343625, -1.610142, 0.1160161], -24.77175, 121.0541)


def test_classification(tmp_path: Path) -> None:
    model = bigbird("ForSequenceClassification", 53, tmp_path, num_labels=3)
    out = model(with_eos(), labels=np.array([0, 2]))
    assert_printed(out.logits, [0.8994583, -0.3914412, -0.1161142, 1.25818, -0.05769053], 1.014637)
    assert out.loss == pytest.approx(1.342501, abs=5e-6)


def test_question_answering(tmp_path: Path) -> None:
    model = bigbird("ForQuestionAnswering", 51, tmp_path)
    out = model(with_eos(), start_positions=np.array([1, 2]), end_positions=np.array([3, 8]))
    assert_printed(out.start_logits, [0.09710497, -1.071606, -0.3399901, 0.01515499, -0.06333584], -4.009888)
    assert_printed(out.end_logits, [-1.652284, -0.651574, 0.3226995, -1.295445, -0.4092265], -16.86896)
    assert out.loss == pytest.approx(2.54722, abs=5e-6)


def test_globals_and_staggered_blocks(tmp_path: Path) -> None:
    blocks = {"encoder_layers": 3, "block_size": 4, "num_global_tokens": 3, "activation_function": "gelu"}
    model = minipegasus.PegasusXForConditionalGeneration(minipegasus.PegasusXConfig(**SIZES, **blocks))
    assert len(model.state_dict()) == 66
    given = {"attention_mask": mask(2, 10, 6), "decoder_input_ids": ids(2, 5), "output_hidden_states": True}
    out = filled(model, tmp_path)(ids(2, 10), **given)
    encoded = out.encoder_last_hidden_state
    assert_printed(encoded, [-0.5398245, -0.6799725, 0.09129124, -1.760787, 1.498687], -26.01041, 116.8456)
    globals_ = out.encoder_hidden_states[-1][1]
    assert_printed(globals_, [-1.007073, 0.01393276, -0.1915737, -0.6566825, 2.563543], 10.54287, 42.36798)
    assert_printed(out.logits, [-0.5073426, -0.4745603, 0.8718178, 0.67446, 0.332889], 13.32771, 311.6975)
