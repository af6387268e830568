"""Classification and question answering: losses by hand, what is inferred per call, what is refused."""

from typing import Any

import numpy as np
import pytest

import minipegasus
from minipegasus.errors import InputError

SIZES = {
    "vocab_size": 30,
    "d_model": 8,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 12,
    "decoder_ffn_dim": 12,
    "max_position_embeddings": 40,
    "block_size": 2,
    "num_random_blocks": 1,
    "init_std": 0.5,
}
EOS = 1
IDS = np.array([[5, EOS, 9, 7, EOS, 3], [8, 4, EOS, 6, 11, EOS]])


def classifier(**options: Any) -> Any:
    config = minipegasus.BigBirdPegasusConfig(**{**SIZES, "num_labels": 3, **options})
    return minipegasus.BigBirdPegasusForSequenceClassification(config, dtype="float64", seed=2)


def answerer() -> Any:
    config = minipegasus.BigBirdPegasusConfig(**SIZES, num_labels=5)
    model = minipegasus.BigBirdPegasusForQuestionAnswering(config, dtype="float64", seed=3)
    assert (model.config.num_labels, config.num_labels) == (2, 5)
    return model


def test_the_state_at_the_last_eos_is_pooled() -> None:
    model = classifier()
    logits = model(IDS).logits
    weights = model.state_dict()
    bare = minipegasus.BigBirdPegasusModel(model.config, dtype="float64")
    bare._set_weights({name: model._weights[name] for name in bare._weights})
    pooled = bare(IDS).last_hidden_state[[0, 1], [4, 5]]
    dense, out = ("classification_head.dense", "classification_head.out_proj")
    inner = np.tanh(pooled @ weights[f"{dense}.weight"].T + weights[f"{dense}.bias"])
    np.testing.assert_allclose(logits, inner @ weights[f"{out}.weight"].T + weights[f"{out}.bias"], atol=1e-14)


def test_problem_types_are_inferred_per_call() -> None:
    model = classifier()
    logits = model(IDS).logits
    log_probs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    probs = 1 / (1 + np.exp(-logits))
    several = np.array([[1.0, 0, 1], [0, 0, 1]])
    for _ in range(2):
        found = model(IDS, labels=[2, 0]).loss
        assert found == pytest.approx(-(log_probs[0, 2] + log_probs[1, 0]) / 2)
        found = model(IDS, labels=several).loss
        assert found == pytest.approx(-(several * np.log(probs) + (1 - several) * np.log(1 - probs)).mean())
    assert model.config.problem_type is None
    assert model(IDS, labels=[-100, 1]).loss == pytest.approx(-log_probs[1, 1])
    assert np.isnan(model(IDS, labels=[-100, -100]).loss)


def test_declared_problem_types() -> None:
    targets = np.array([[0.5, -1.0, 2.0], [0.0, 3.0, 1.0]], np.float32)
    model = classifier(problem_type="regression")
    out = model(IDS, labels=targets)
    assert out.loss == pytest.approx(((out.logits - targets) ** 2).mean())
    flags = classifier(problem_type="multi_label_classification")
    assert flags(IDS, labels=[[1, 0, 1], [0, 0, 1]]).loss == classifier()(IDS, labels=[[1.0, 0, 1], [0, 0, 1]]).loss
    one = classifier(num_labels=1)
    out = one(IDS, labels=[0.5, 2])
    assert out.loss == pytest.approx(((out.logits[:, 0] - [0.5, 2]) ** 2).mean())
    assert one(IDS, labels=[[0.5], [2]]).loss == out.loss


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_ids": None, "inputs_embeds": np.zeros((2, 6, 8))}, "input_ids: expected ids, in which the last eos"),
        ({"input_ids": [[5, 1, 1], [5, 6, 1]]}, r"equally often in every row, found counts \[1, 2\]"),
        ({"input_ids": [[5, 6], [5, 6]]}, r"found counts \[0\]"),
        ({"decoder_input_ids": [[2, 5], [2, 5]]}, r"decoder input: expected the shape of input_ids \[2, 6\]"),
        ({"labels": [1, 3]}, r"labels: expected ids in \[0, 3\), found 3"),
        ({"labels": [1]}, r"labels: expected shape \[2\]|labels: expected shape"),
        ({"labels": [[0.5, 1.0]]}, r"labels: expected numbers of shape \[2, 3\]"),
        ({"labels": np.array(["a", "b"])}, "labels: expected numbers"),
    ],
)
def test_what_a_classifier_refuses(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        classifier()(**{"input_ids": IDS, **arguments})


def test_several_eos_ids_are_refused() -> None:
    with pytest.raises(InputError, match="eos_token_id: expected one id"):
        classifier(eos_token_id=[1, 2])(IDS)


def test_spans() -> None:
    model = answerer()
    out = model(IDS, start_positions=[1, 2], end_positions=[[3], [5]])
    assert out.past_key_values is None

    def loss(logits: np.ndarray, rows: list[int], at: list[int]) -> float:
        logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        return -float(np.mean([logs[row, position] for row, position in zip(rows, at, strict=True)]))

    start, end = out.start_logits, out.end_logits
    assert out.loss == pytest.approx((loss(start, [0, 1], [1, 2]) + loss(end, [0, 1], [3, 5])) / 2)
    # Before the first position is the first, beyond the last is nowhere.
    found = model(IDS, start_positions=[-3, 6], end_positions=[3, 99]).loss
    assert found == pytest.approx((loss(start, [0], [0]) + loss(end, [0], [3])) / 2)
    assert np.isnan(model(IDS, start_positions=[9, 9], end_positions=[0, 0]).loss)


def test_one_position_alone_is_no_loss() -> None:
    out = answerer()(IDS, start_positions=[1, 2])
    assert out.loss is None
    assert out.past_key_values is not None
    with pytest.raises(InputError, match="end_positions: expected shape"):
        answerer()(IDS, start_positions=[1, 2], end_positions=[1])
