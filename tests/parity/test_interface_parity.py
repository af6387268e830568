"""Names and numbers that scripts written for transformers count on beside calls and generation."""

import inspect
from typing import Any

import numpy as np
import pytest

import minipegasus

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

pytestmark = pytest.mark.parity

SEQ2SEQ = {
    "vocab_size": 20,
    "d_model": 8,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 8,
    "decoder_ffn_dim": 8,
    "max_position_embeddings": 32,
}
SINGLE = {
    "vocab_size": 20,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "max_position_embeddings": 16,
    "is_decoder": True,
}
CONFIGS = [
    name for name in minipegasus.__all__ if name.endswith("Config") and name not in ("AutoConfig", "GenerationConfig")
]
CLASSES = [
    (name, name.split(family)[0] + family + "Config")
    for family in ("BigBirdPegasus", "PegasusX", "Pegasus", "BertGeneration", "Bert", "Roberta")
    for name in minipegasus.__all__
    if name.startswith(family)
    and ("For" in name or name.endswith(("Model", "Encoder", "Decoder")))
    and not (family == "Pegasus" and name.startswith("PegasusX"))
    and not (family == "Bert" and name.startswith("BertGeneration"))
]


@pytest.mark.parametrize("name", CONFIGS)
def test_arguments_of_configurations_by_position(name: str) -> None:
    reference = inspect.signature(getattr(transformers, name).__init__).parameters.values()
    order = [one.name for one in reference if one.kind is one.POSITIONAL_OR_KEYWORD][1:]
    assert list(getattr(minipegasus, name).positional) == order


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(("name", "config"), CLASSES)
def test_what_a_model_says_of_itself(name: str, config: str, tied: bool) -> None:
    values: dict[str, Any] = (SINGLE if name.startswith(("Bert", "Roberta")) else SEQ2SEQ) | {
        "tie_word_embeddings": tied
    }
    ours = getattr(minipegasus, name)(getattr(minipegasus, config)(**values))
    theirs = getattr(transformers, name)(getattr(transformers, config)(**values))
    assert ours.can_generate() == theirs.can_generate()
    assert str(theirs.device) == ours.device
    assert str(theirs.dtype) == f"torch.{ours.dtype}"
    assert ours.get_input_embeddings().shape == tuple(theirs.get_input_embeddings().weight.shape)
    head = theirs.get_output_embeddings()
    assert (ours.get_output_embeddings() is None) == (head is None)
    if not tied and name.startswith("BigBirdPegasus") and "CausalLM" not in name:
        return  # both stacks may have tables of their own, which the reference does not count
    for trainable in (False, True):
        for embeddings in (False, True):
            assert ours.num_parameters(trainable, embeddings) == theirs.num_parameters(trainable, embeddings)


@pytest.mark.parametrize("name", [name for name, _ in CLASSES])
def test_the_order_of_a_calls_arguments(name: str) -> None:
    """What the reference takes by position this package takes in the same places."""
    reference = list(inspect.signature(getattr(transformers, name).forward).parameters.values())[1:]
    theirs = [one.name for one in reference if one.kind is one.POSITIONAL_OR_KEYWORD]
    ours = list(inspect.signature(getattr(minipegasus, name).__call__).parameters)[1:]
    assert ours[: len(theirs)] == theirs


@pytest.mark.parametrize("family", ["Pegasus", "BigBirdPegasus", "PegasusX"])
def test_a_decoder_alone(family: str) -> None:
    theirs = getattr(transformers, f"{family}Model")(getattr(transformers, f"{family}Config")(**SEQ2SEQ)).eval()
    ours = getattr(minipegasus, f"{family}Model")(getattr(minipegasus, f"{family}Config")(**SEQ2SEQ))
    state = {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}
    ours.load_state_dict({name: state[name] for name in ours.state_dict()})
    states = np.random.default_rng(0).normal(size=(1, 5, 8)).astype(np.float32)
    for given in ({}, {"encoder_hidden_states": states}):
        found = ours.get_decoder()([[2, 5, 6]], use_cache=True, output_attentions=True, **given)
        with torch.no_grad():
            tensors = {name: torch.from_numpy(value) for name, value in given.items()}
            expected = theirs.get_decoder()(
                torch.tensor([[2, 5, 6]]), use_cache=True, output_attentions=True, **tensors
            )
        assert list(found) == list(expected)
        np.testing.assert_allclose(found.last_hidden_state, expected.last_hidden_state.numpy(), atol=1e-5)
        legacy = expected.past_key_values.to_legacy_cache()
        assert len(found.past_key_values.to_legacy_cache()) == len(legacy)
        for mine, layer in zip(found.past_key_values.to_legacy_cache(), legacy, strict=True):
            assert len(mine) == len([tensor for tensor in layer if tensor is not None])
            for array, tensor in zip(mine, layer, strict=False):
                np.testing.assert_allclose(array, tensor.numpy(), atol=1e-5)
