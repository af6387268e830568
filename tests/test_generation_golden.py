"""Sequences that transformers 4.56.2 generated with models whose weights follow a formula."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from weight_rule import filled, ids, mask

import minipegasus

SHARED = {"vocab_size": 50, "encoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
SHARED |= {"d_model": 8, "encoder_ffn_dim": 24, "decoder_ffn_dim": 20, "scale_embedding": True}


@pytest.fixture(scope="module")
def pegasus(tmp_path_factory: pytest.TempPathFactory) -> Any:
    config = minipegasus.PegasusConfig(
        **SHARED, decoder_layers=2, max_position_embeddings=40, activation_function="relu"
    )
    return filled(minipegasus.PegasusForConditionalGeneration(config), tmp_path_factory.mktemp("pegasus"))


@pytest.mark.parametrize(
    ("settings", "sequences", "scores"),
    [
        ({}, [[0, 0, 0, 0, 0, 0, 0, 0, 1]] * 2, None),
        (
            {"num_beams": 4, "length_penalty": 0.8, "num_return_sequences": 2},
            [
                [0, 23, 23, 23, 23, 23, 23, 23, 1],
                [0, 0, 0, 0, 0, 0, 0, 0, 1],
                [0, 23, 23, 23, 23, 23, 23, 23, 1],
                [0, 23, 23, 23, 23, 23, 23, 27, 1],
            ],
            [-3.3207, -3.33669, -3.20668, -3.34269],
        ),
        (
            {"num_beams": 4, "no_repeat_ngram_size": 2, "min_length": 5},
            [[0, 0, 15, 15, 22, 22, 23, 23, 1], [0, 0, 10, 15, 15, 10, 23, 23, 1]],
            None,
        ),
    ],
)
def test_pegasus(
    pegasus: Any, settings: dict[str, Any], sequences: list[list[int]], scores: list[float] | None
) -> None:
    found = pegasus.generate(
        ids(2, 7),
        attention_mask=mask(2, 7, 4),
        max_length=9,
        output_scores=True,
        return_dict_in_generate=True,
        **settings,
    )
    assert found.sequences.tolist() == sequences
    if scores:
        np.testing.assert_allclose(found.sequences_scores, scores, atol=1e-5)


def test_pegasus_x(tmp_path: Path) -> None:
    config = minipegasus.PegasusXConfig(
        **{**SHARED, "encoder_layers": 3},
        decoder_layers=1,
        block_size=4,
        num_global_tokens=3,
        activation_function="gelu",
    )
    model = filled(minipegasus.PegasusXForConditionalGeneration(config), tmp_path)
    found = model.generate(ids(2, 10), attention_mask=mask(2, 10, 6), num_beams=3, max_length=8)
    assert found.tolist() == [[0, 27, 27, 27, 27, 27, 27, 1]] * 2
