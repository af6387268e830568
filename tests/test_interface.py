"""What scripts written for transformers say beside calling and generating."""

import inspect
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minipegasus
from minipegasus import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    BertGenerationConfig,
    BertGenerationDecoder,
    BigBirdPegasusConfig,
    BigBirdPegasusForConditionalGeneration,
    CheckpointError,
    ConfigError,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    GenerationConfig,
    InputError,
    PegasusConfig,
    PegasusForConditionalGeneration,
    PegasusModel,
    PegasusTokenizer,
)
from minipegasus.nn.cache import Cache

GOLDEN = Path(__file__).parents[1] / "golden"
CONFIG = PegasusConfig(
    vocab_size=20,
    d_model=8,
    encoder_layers=1,
    decoder_layers=1,
    encoder_attention_heads=2,
    decoder_attention_heads=2,
    encoder_ffn_dim=8,
    decoder_ffn_dim=8,
    max_position_embeddings=16,
)
HALF = BertGenerationConfig(20, 8, 1, 2, 8, max_position_embeddings=16)
PAIR = EncoderDecoderConfig.from_encoder_decoder_configs(HALF, HALF, decoder_start_token_id=2, pad_token_id=0)


def table(seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(20, 8)).astype(np.float32)


def test_forward_is_the_call() -> None:
    model = PegasusForConditionalGeneration(CONFIG)
    called, forward = model([[5, 6]], labels=[[7, 1]]), model.eval().forward([[5, 6]], labels=[[7, 1]])
    assert called.loss == forward.loss
    assert model.device == "cpu"
    assert model.dtype == np.float32


def test_signatures_are_checked() -> None:
    with pytest.raises(TypeError, match=r"^Seq2SeqModel\.__call__\(\) got an unexpected .* 'labels'"):
        PegasusModel(CONFIG)(input_ids=[[5]], labels=[[5]])
    with pytest.raises(TypeError, match="takes from 1 to 17 positional arguments"):
        PegasusModel(CONFIG)(*[None] * 17)
    with pytest.raises(TypeError, match="multiple values for argument 'input_ids'"):
        PegasusModel(CONFIG)([[5]], input_ids=[[5]])


def test_the_input_matrix_is_replaced_with_what_is_tied_to_it() -> None:
    model = PegasusForConditionalGeneration(CONFIG)
    before = model.state_dict()
    model.set_input_embeddings(table())
    assert np.array_equal(model.get_input_embeddings(), table())
    assert np.array_equal(model.get_output_embeddings(), table())
    changed = [name for name, array in model.state_dict().items() if not np.array_equal(array, before[name])]
    assert changed == ["model.shared.weight"]
    same = PegasusForConditionalGeneration(CONFIG)
    same.load_state_dict(model.state_dict())
    ids = {"input_ids": [[5, 6, 1]], "decoder_input_ids": [[0, 7]]}
    assert np.array_equal(same(**ids).logits, model(**ids).logits)
    given = table(1)
    model.set_input_embeddings(given)
    given[:] = 0
    assert model.get_input_embeddings().any()
    with pytest.raises(InputError, match=r"value: expected shape \[20, 8\], found \[20, 4\]"):
        model.set_input_embeddings(table()[:, :4])


def test_the_head_alone_is_replaced_where_it_is_not_tied() -> None:
    model = BertGenerationDecoder(HALF.copy(is_decoder=True, tie_word_embeddings=False))
    inputs = model.get_input_embeddings()
    model.set_output_embeddings(table())
    assert np.array_equal(model.get_output_embeddings(), table())
    assert np.array_equal(model.get_input_embeddings(), inputs)
    assert PegasusModel(CONFIG).get_output_embeddings() is None
    with pytest.raises(InputError, match="set_output_embeddings: expected a vocabulary head, found PegasusModel"):
        PegasusModel(CONFIG).set_output_embeddings(table())


def test_both_stacks_of_an_untied_model_get_the_matrix() -> None:
    values = {**CONFIG.to_dict(), "tie_word_embeddings": False}
    del values["model_type"]
    model = BigBirdPegasusForConditionalGeneration(BigBirdPegasusConfig(**values))
    model.set_input_embeddings(table())
    changed = {name for name, array in model.state_dict().items() if np.array_equal(array, table())}
    assert changed == {"model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"}


def test_a_pairs_halves() -> None:
    model = EncoderDecoderModel(PAIR)
    model.set_input_embeddings(table())
    assert np.array_equal(model.encoder.get_input_embeddings(), table())
    assert not np.array_equal(model.decoder.get_input_embeddings(), table())
    model.set_output_embeddings(table(1))
    assert np.array_equal(model.get_decoder().get_output_embeddings(), table(1))
    assert np.array_equal(model.get_decoder().get_input_embeddings(), table(1))  # tied


def test_a_cache_as_tuples() -> None:
    model = PegasusForConditionalGeneration(CONFIG)
    cache = model([[5, 6, 1]], decoder_input_ids=[[0, 7]]).past_key_values
    legacy = cache.to_legacy_cache()
    assert [array.shape for array in legacy[0]] == [(1, 2, 2, 4), (1, 2, 2, 4), (1, 2, 3, 4), (1, 2, 3, 4)]
    given = {"input_ids": [[5, 6, 1]], "decoder_input_ids": [[8]]}
    continued = model(**given, past_key_values=Cache.from_legacy_cache(legacy)).logits
    assert np.array_equal(model(**given, past_key_values=legacy).logits, continued)
    assert np.array_equal(model(**given, past_key_values=cache).logits, continued)


@pytest.mark.parametrize("kind", [AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer, GenerationConfig])
def test_subfolders(kind: Any, tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "pegasus", tmp_path / "inner" / "model")
    PegasusTokenizer.from_pretrained(GOLDEN / "tokenizer" / "pegasus").save_pretrained(tmp_path / "inner" / "model")
    (tmp_path / "inner" / "model" / "generation_config.json").write_text('{"num_beams": 3}')
    found = kind.from_pretrained(tmp_path, subfolder="inner/model")
    if kind is AutoConfig:
        assert found == type(found).from_pretrained(tmp_path, subfolder="inner/model")
    elif kind is AutoModelForSeq2SeqLM:
        again = PegasusForConditionalGeneration.from_pretrained(tmp_path / "inner", subfolder="model")
        assert found.generation_config.num_beams == again.generation_config.num_beams == 3
    with pytest.raises(CheckpointError, match="subfolder 'outer'"):
        kind.from_pretrained(tmp_path, subfolder="outer")


def test_configurations_by_position() -> None:
    config = PegasusConfig(20, 16, 1, 8, 2, 1, 8, 2, d_model=8)
    assert (config.vocab_size, config.max_position_embeddings, config.encoder_ffn_dim) == (20, 16, 8)
    assert HALF.hidden_size == 8
    with pytest.raises(TypeError, match=r"PegasusConfig\(\) got multiple values for vocab_size"):
        PegasusConfig(20, vocab_size=21)
    with pytest.raises(TypeError, match=r"PegasusConfig\(\) takes 23 arguments by position, found 24"):
        PegasusConfig(*range(24))
    with pytest.raises(ConfigError, match="vocab_size: expected int"):
        PegasusConfig("20")


def test_tokenizers() -> None:
    tokenizer = PegasusTokenizer.from_pretrained(GOLDEN / "tokenizer" / "pegasus")
    ids = tokenizer.sp_model.encode("the man")
    assert [index + tokenizer.offset for index in ids] == tokenizer.encode("the man", add_special_tokens=False)
    encoded = tokenizer(["the man"], return_tensors="np")
    assert encoded.to(minipegasus.PegasusModel(CONFIG).device) is encoded
    with pytest.raises(InputError, match="to: expected 'cpu', found 'cuda'"):
        encoded.to("cuda")


PUBLIC = [getattr(minipegasus, name) for name in minipegasus.__all__]
MODELS = [value for value in PUBLIC if hasattr(value, "state_dict") and value is not minipegasus.PreTrainedModel]


@pytest.mark.parametrize("model_class", MODELS, ids=lambda cls: cls.__name__)
def test_help_explains_every_argument_of_a_call(model_class: type) -> None:
    shown = inspect.getdoc(model_class.__call__) or ""
    names = list(inspect.signature(model_class.__call__).parameters)[1:]
    assert [name for name in names if name not in shown] == []
    assert all(part in shown for part in ("\nArgs:\n", "\nReturns:\n", "\nRaises:\n"))
