"""Pairs: configurations, halves, how arguments find theirs, tied files, the start position that is never masked."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import minipegasus
from minipegasus import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    BertConfig,
    BertGenerationConfig,
    BertGenerationDecoder,
    BertGenerationEncoder,
    ConfigError,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    InputError,
    RobertaConfig,
)

HALF = {
    "vocab_size": 40,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "max_position_embeddings": 32,
    "initializer_range": 0.4,
}
IDS = {"decoder_start_token_id": 2, "pad_token_id": 0, "eos_token_id": 1}
SOURCE, TARGET = np.array([[5, 6, 7, 8], [9, 10, 11, 12]]), np.array([[13, 14, 15], [16, 17, 18]])


def pair_config(of: Any = BertGenerationConfig, to: Any = BertGenerationConfig, **values: Any) -> Any:
    return EncoderDecoderConfig.from_encoder_decoder_configs(of(**HALF), to(**HALF), **IDS | values)


def pair(**values: Any) -> EncoderDecoderModel:
    return EncoderDecoderModel(pair_config(**values), seed=7)


# Configurations


def test_composing_changes_no_configuration_and_takes_over_no_id() -> None:
    of, to = BertConfig(**HALF), RobertaConfig(**HALF)
    config = EncoderDecoderConfig.from_encoder_decoder_configs(of, to)
    assert (to.is_decoder, config.decoder.is_decoder, config.decoder.add_cross_attention) == (False, True, True)
    assert (config.decoder_start_token_id, config.pad_token_id, config.eos_token_id) == (None, None, None)
    assert (config.is_encoder_decoder, config.encoder.model_type, config.decoder.model_type) == (
        True,
        "bert",
        "roberta",
    )


def test_dictionary_and_folder_round_trips(tmp_path: Path) -> None:
    config = pair_config(num_beams=4, made_up="kept")
    again = EncoderDecoderConfig.from_dict(config.to_dict())
    assert again == config
    assert again.made_up == "kept"
    assert type(again.encoder) is BertGenerationConfig
    config.save_pretrained(tmp_path)
    assert EncoderDecoderConfig.from_pretrained(tmp_path) == config
    assert AutoConfig.from_pretrained(tmp_path, num_beams=2).num_beams == 2


def test_all_that_is_wrong_about_a_pair_at_once() -> None:
    half = BertGenerationConfig(**HALF).to_dict()
    with pytest.raises(ConfigError) as caught:
        EncoderDecoderConfig(encoder={**half, "hidden_size": -1}, decoder={"model_type": "t5"}, use_cache=3)
    for part in (
        "encoder: ",
        "hidden_size: expected",
        "decoder: model_type: expected one of bert",
        "'t5'",
        "use_cache",
    ):
        assert part in str(caught.value)
    with pytest.raises(ConfigError, match="decoder: expected a configuration or its dictionary, found None"):
        EncoderDecoderConfig(encoder=half)
    with pytest.raises(ConfigError, match="encoder: model_type"):
        EncoderDecoderConfig(encoder=minipegasus.PegasusConfig(), decoder=half)


def test_halves_that_do_not_go_together() -> None:
    half = BertGenerationConfig(**HALF)
    with pytest.raises(ConfigError, match="is_decoder and add_cross_attention"):
        EncoderDecoderModel(EncoderDecoderConfig(encoder=half, decoder=half))
    wide = {**HALF, "hidden_size": 15}
    config = EncoderDecoderConfig.from_encoder_decoder_configs(BertGenerationConfig(**wide), half)
    assert EncoderDecoderModel(config).spec.bridge
    config.decoder.cross_attention_hidden_size = 15
    with pytest.raises(ConfigError, match="cross_attention_hidden_size"):
        EncoderDecoderModel(config)
    config = EncoderDecoderConfig.from_encoder_decoder_configs(
        BertGenerationConfig(**wide), half, tie_encoder_decoder=True
    )
    with pytest.raises(ConfigError, match="cannot share"):
        EncoderDecoderModel(config)


# Halves


def test_a_pair_of_given_models_uses_their_weights() -> None:
    encoder = BertGenerationEncoder(BertGenerationConfig(**HALF), seed=1)
    config = BertGenerationConfig(**HALF, is_decoder=True, add_cross_attention=True)
    decoder = BertGenerationDecoder(config, seed=2)
    model = EncoderDecoderModel(encoder=encoder, decoder=decoder)
    states = encoder(SOURCE).last_hidden_state
    expected = decoder(TARGET, encoder_hidden_states=states).logits
    assert np.array_equal(model(SOURCE, decoder_input_ids=TARGET).logits, expected)
    assert np.array_equal(model.get_encoder()(SOURCE).last_hidden_state, states)
    assert np.array_equal(model.decoder(TARGET, encoder_hidden_states=states).logits, expected)
    assert model.decoder.config is model.config.decoder


def test_models_that_are_no_halves() -> None:
    half = BertGenerationConfig(**HALF)
    encoder, decoder = BertGenerationEncoder(half), pair().decoder
    with pytest.raises(InputError, match="neither"):
        EncoderDecoderModel(encoder=encoder)
    with pytest.raises(
        InputError, match=r"encoder: expected one of BertGenerationEncoder, .* found BertGenerationDecoder"
    ):
        EncoderDecoderModel(encoder=decoder, decoder=decoder)
    with pytest.raises(InputError, match="decoder: expected a model with is_decoder"):
        EncoderDecoderModel(encoder=encoder, decoder=BertGenerationDecoder(half.copy(is_decoder=True)))
    with pytest.raises(InputError, match="dtype"):
        EncoderDecoderModel(encoder=BertGenerationEncoder(half, dtype="float64"), decoder=decoder)
    other = EncoderDecoderConfig.from_encoder_decoder_configs(half.copy(hidden_size=15), half)
    with pytest.raises(InputError, match="do not fit"):
        EncoderDecoderModel(other, encoder, decoder)


def test_a_pegasus_decoder_behind_a_bert_encoder() -> None:
    config = minipegasus.PegasusConfig(
        vocab_size=40, d_model=16, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=8
    )
    model = EncoderDecoderModel(EncoderDecoderConfig.from_encoder_decoder_configs(BertConfig(**HALF), config, **IDS))
    assert model.generate(SOURCE, num_beams=2, max_length=6).shape[0] == 2
    assert "decoder.model.decoder.layers.0.fc1.weight" in model.state_dict()
    masked = model(SOURCE, decoder_input_ids=TARGET, decoder_cross_attn_head_mask=np.zeros((1, 2))).logits
    assert not np.array_equal(masked, model(SOURCE, decoder_input_ids=TARGET).logits)


# From two checkpoints


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    BertGenerationEncoder(BertGenerationConfig(**HALF), seed=4).save_pretrained(tmp_path / "encoder")
    decoder = BertGenerationConfig(**HALF, is_decoder=True, add_cross_attention=True)
    BertGenerationDecoder(decoder, seed=5).save_pretrained(tmp_path / "decoder")
    return tmp_path / "encoder", tmp_path / "decoder"


def test_keywords_find_their_half(folders: tuple[Path, Path]) -> None:
    model = EncoderDecoderModel.from_encoder_decoder_pretrained(
        *folders,
        encoder_hidden_dropout_prob=0.3,
        decoder_bos_token_id=7,
        decoder_start_token_id=2,
        pad_token_id=0,
        num_beams=3,
        low_cpu_mem_usage=True,
    )
    assert (model.config.encoder.hidden_dropout_prob, model.config.decoder.hidden_dropout_prob) == (0.3, 0.1)
    assert (model.config.decoder.bos_token_id, model.config.num_beams) == (7, 3)
    assert (model.config.decoder_start_token_id, model.config.pad_token_id) == (2, 0)
    assert not hasattr(model.config, "low_cpu_mem_usage")
    assert np.isfinite(model(SOURCE, labels=TARGET).loss)


def test_ready_models_take_the_place_of_folders(folders: tuple[Path, Path]) -> None:
    encoder = BertGenerationEncoder.from_pretrained(folders[0])
    one = EncoderDecoderModel.from_encoder_decoder_pretrained(*folders)
    other = EncoderDecoderModel.from_encoder_decoder_pretrained(None, folders[1], encoder_model=encoder)
    logits = [model(SOURCE, decoder_input_ids=TARGET).logits for model in (one, other)]
    assert np.array_equal(*logits)
    with pytest.raises(InputError, match="decoder_pretrained_model_name_or_path"):
        EncoderDecoderModel.from_encoder_decoder_pretrained(folders[0])


def test_roles_are_set_whatever_the_files_say(folders: tuple[Path, Path]) -> None:
    with pytest.warns(UserWarning, match="are new"):
        swapped = EncoderDecoderModel.from_encoder_decoder_pretrained(folders[1], folders[0])
    assert not swapped.config.encoder.is_decoder
    assert swapped.config.decoder.add_cross_attention
    pair().save_pretrained(folders[0])
    with pytest.raises(ConfigError, match="model_type"):
        EncoderDecoderModel.from_encoder_decoder_pretrained(folders[0], folders[1])


def test_without_ids_it_generates_but_shifts_no_labels(folders: tuple[Path, Path]) -> None:
    model = EncoderDecoderModel.from_encoder_decoder_pretrained(*folders)
    assert model.generate(SOURCE, max_length=4)[0, 0] == 2
    with pytest.raises(InputError, match="decoder_start_token_id"):
        model(SOURCE, labels=TARGET)


# Calling


def test_arguments_find_their_half() -> None:
    model = EncoderDecoderModel(pair_config(of=BertConfig, to=BertConfig), seed=7)
    plain = model(SOURCE, decoder_input_ids=TARGET)
    encoders = {"position_ids": [[3, 2, 1, 0]], "token_type_ids": np.ones((2, 4), int), "head_mask": [0.0, 1.0, 1.0]}
    for name, value in encoders.items():
        out = model(SOURCE, decoder_input_ids=TARGET, **{name: value})
        assert not np.array_equal(out.encoder_last_hidden_state, plain.encoder_last_hidden_state), name
        first = model.get_encoder()(SOURCE, **{name: value}).last_hidden_state
        assert np.array_equal(out.encoder_last_hidden_state, first), name
        value = [[2, 1, 0]] if name == "position_ids" else np.ones((2, 3), int) if name == "token_type_ids" else value
        out = model(SOURCE, decoder_input_ids=TARGET, **{f"decoder_{name}": value})
        assert np.array_equal(out.encoder_last_hidden_state, plain.encoder_last_hidden_state), name
        assert not np.array_equal(out.logits, plain.logits), name
    with pytest.raises(TypeError, match="'decoder_mask', 'pixels'"):
        model(SOURCE, decoder_input_ids=TARGET, decoder_mask=1, pixels=2)


def greedily(model: Any, ids: np.ndarray, count: int, **arguments: Any) -> np.ndarray:
    """Choose the best token over and over, each time from the beginning."""
    name = "decoder_input_ids" if model.config.is_encoder_decoder else "input_ids"
    for _ in range(count):
        best = model(**arguments, **{name: ids}).logits[:, -1].argmax(-1)
        ids = np.concatenate([ids, best[:, None]], axis=1)
    return ids


def test_generation_passes_arguments_to_their_half() -> None:
    model = EncoderDecoderModel(pair_config(of=BertConfig, to=BertConfig), seed=7)
    given = {
        "input_ids": SOURCE,
        "position_ids": np.array([[3, 2, 1, 0]] * 2),
        "token_type_ids": np.ones((2, 4), int),
        "head_mask": np.array([0.0, 1.0, 1.0]),
        "decoder_head_mask": np.array([1.0, 0.0, 1.0]),
    }
    start = np.full((2, 1), 2)
    settings = {"max_length": 7, "eos_token_id": None}
    assert np.array_equal(model.generate(**given, **settings), greedily(model, start, 6, **given))
    # What the decoder is given per position counts on: positions by one, token types the last one again.
    places = {"decoder_position_ids": np.array([[5]] * 2), "decoder_token_type_ids": np.ones((2, 1), int)}
    found = model.generate(**given, **settings, **places)
    ids = start
    for length in range(1, 7):
        places = {
            "decoder_position_ids": np.arange(5, 5 + length)[None],
            "decoder_token_type_ids": np.ones((2, length), int),
        }
        ids = greedily(model, ids, 1, **given, **places)
    assert np.array_equal(found, ids)


def test_a_decoder_generates_from_states() -> None:
    model = pair()
    states = model.encoder(SOURCE).last_hidden_state
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0]])
    given = {"encoder_hidden_states": states, "encoder_attention_mask": mask}
    found = model.decoder.generate(TARGET, **given, max_new_tokens=4, eos_token_id=None, pad_token_id=0)
    assert np.array_equal(found, greedily(model.decoder, TARGET, 4, **given))
    assert not np.array_equal(found, greedily(model.decoder, TARGET, 4))


def test_tuples() -> None:
    model = EncoderDecoderModel(pair_config(of=BertConfig, to=BertConfig), seed=7)
    given = {"input_ids": SOURCE, "labels": TARGET, "output_hidden_states": True}
    out, (loss, logits, _cache, states, last, pooled, first_states) = model(**given), model(**given, return_dict=False)
    assert (loss, len(states), len(first_states)) == (out.loss, 3, 3)
    assert np.array_equal(logits, out.logits)
    assert np.array_equal(last, out.encoder_last_hidden_state)
    assert np.array_equal(pooled, model.encoder(SOURCE).pooler_output)


def test_the_start_position_is_never_masked() -> None:
    """Also where the start id is the padding id: nothing of the future reaches position 0."""
    model = pair(decoder_start_token_id=0)
    logits = [model(SOURCE[:1], labels=labels).logits[0, 0] for labels in ([[5, 6, 7]], [[5, 8, 9]])]
    assert np.array_equal(*logits)
    explicit = model(SOURCE[:1], decoder_input_ids=[[0, 5, 6]]).logits
    assert np.array_equal(model(SOURCE[:1], labels=[[5, 6, 7]]).logits, explicit)


def test_padding_among_labels_is_hidden() -> None:
    model = pair()
    labels = np.array([[5, -100, 7, 8]])
    assert np.array_equal(
        model(SOURCE[:1], labels=labels).logits,
        model(SOURCE[:1], decoder_input_ids=[[2, 5, 0, 7]], decoder_attention_mask=[[1, 1, 0, 1]]).logits,
    )
    assert model.prepare_decoder_input_ids_from_labels(labels).tolist() == [[2, 5, 0, 7]]


def test_reports_are_asked_for_by_the_call_or_a_half() -> None:
    """Never by the pair's own configuration: the reference passes what the call says on to the halves."""
    model = pair()
    model.config.encoder.output_hidden_states = True
    model.config.output_attentions = model.config.output_hidden_states = True
    out = model(SOURCE, decoder_input_ids=TARGET)
    assert "encoder_hidden_states" in out
    assert not {"decoder_hidden_states", "encoder_attentions", "cross_attentions"} & set(out)
    out = model(SOURCE, decoder_input_ids=TARGET, output_attentions=True, output_hidden_states=False)
    assert {"encoder_attentions", "decoder_attentions", "cross_attentions"} <= set(out)
    assert "encoder_hidden_states" not in out


def test_traces_have_the_paths_of_the_weights() -> None:
    seen = []
    model = EncoderDecoderModel(pair_config(of=BertConfig, to=RobertaConfig))
    model.traced(lambda path, value: seen.append(path))(SOURCE, decoder_input_ids=TARGET)
    for path in ("encoder.embed_norm", "encoder.layers.1.final_layer_norm", "decoder.layers.0.encoder_attn.out_proj"):
        assert path in seen
    assert seen[-1] == "lm_head"
    names = model._layout.names
    assert names.theirs("decoder.layers.0.encoder_attn.out_proj.weight") == (
        "decoder.roberta.encoder.layer.0.crossattention.output.dense.weight"
    )
    assert names.ours("decoder.lm_head.layer_norm.bias") == "lm_head.layer_norm.bias"


# Files


def test_a_tied_pair_is_written_once(tmp_path: Path) -> None:
    model = pair(tie_encoder_decoder=True)
    model.save_pretrained(tmp_path)
    names = load_file(tmp_path / "model.safetensors").keys()
    assert not any(name.startswith("encoder.") for name in names)
    again = AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    assert again.load_report.missing == []
    assert np.array_equal(
        again(SOURCE, decoder_input_ids=TARGET).logits, model(SOURCE, decoder_input_ids=TARGET).logits
    )
    table = again.decoder.get_input_embeddings()
    assert np.shares_memory(table, again.encoder.get_input_embeddings())
    # Given models: the decoder's weights are both halves'.
    halves = pair()
    tied = EncoderDecoderModel(pair_config(tie_encoder_decoder=True), halves.encoder, halves.decoder)
    assert np.array_equal(tied.encoder.get_input_embeddings(), halves.decoder.get_input_embeddings())


def test_resizing_a_pair_says_how_it_is_done() -> None:
    model = pair()
    with pytest.raises(InputError, match="resize a half"):
        model.resize_token_embeddings(50)
    half = model.decoder
    half.resize_token_embeddings(50)
    larger = EncoderDecoderModel(encoder=model.encoder, decoder=half)
    assert larger(SOURCE, decoder_input_ids=TARGET).logits.shape[-1] == 50
    assert model.config.decoder.vocab_size == 40
