"""Where the settings and inputs of a call come from, and what is refused."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from generation_toy import EOS, PAD, START, ToyModel

from minipegasus import BertGenerationConfig, EncoderDecoderConfig
from minipegasus.errors import CheckpointError, ConfigError, InputError
from minipegasus.generation.config import GenerationConfig
from minipegasus.generation.generate import generate
from minipegasus.generation.resolve import resolve_config

IDS = np.array([[3, 4, 5], [6, 3, 0]])


# ---- the configuration object


def test_files_keep_unknown_keys(tmp_path: Path) -> None:
    values = {"num_beams": 4, "colour": "red", "transformers_version": "4.30.0", "_from_model_config": True}
    (tmp_path / "generation_config.json").write_text(json.dumps(values))
    config = GenerationConfig.from_pretrained(tmp_path, max_length=33)
    assert (config.num_beams, config.max_length, config.transformers_version) == (4, 33, "4.30.0")
    assert config.to_diff_dict()["colour"] == "red"
    config.save_pretrained(tmp_path / "new")
    assert GenerationConfig.from_pretrained(tmp_path / "new") == config


def test_sequence_bias_survives_a_file(tmp_path: Path) -> None:
    GenerationConfig(sequence_bias={(1, 2): -1.0}).save_pretrained(tmp_path)
    assert GenerationConfig.from_pretrained(tmp_path).sequence_bias == [[[1, 2], -1.0]]


def test_saving_writes_a_whole_file_or_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot be made a folder"):
        GenerationConfig().save_pretrained(tmp_path / "file" / "x")
    (tmp_path / "generation_config.json").mkdir()
    with pytest.raises(CheckpointError, match="cannot be written"):
        GenerationConfig().save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "generation_config.json"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "\xff", "[" * 10000])
def test_damaged_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "generation_config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"generation_config\.json"):
        GenerationConfig.from_pretrained(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"generation_config\.json"):
        GenerationConfig.from_pretrained(tmp_path / "empty")
    with pytest.raises(CheckpointError, match="no such folder"):
        GenerationConfig.from_pretrained(tmp_path / "missing")


def test_wrong_values_in_a_file_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "generation_config.json").write_text(json.dumps({"num_beams": 10**300, "top_k": "x"}))
    with pytest.raises(ConfigError, match=r"(?s)generation_config\.json.*top_k"):
        GenerationConfig.from_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="num_beams: expected at most"):
        GenerationConfig(num_beams=10**300)


@pytest.mark.parametrize("name", ["validate", "update", "to_dict", "_settings", "__class__", "__dict__", "self"])
def test_a_file_cannot_replace_what_the_class_is_made_of(tmp_path: Path, name: str) -> None:
    (tmp_path / "generation_config.json").write_text(json.dumps({name: {}}))
    if name == "self":
        assert GenerationConfig.from_pretrained(tmp_path).to_dict()["self"] == {}
    else:
        with pytest.raises(ConfigError, match=rf"generation_config\.json.*\n.*{name}: expected no key of this name"):
            GenerationConfig.from_pretrained(tmp_path)


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        GenerationConfig(num_beams="four", max_length=1.5, early_stopping="sometimes", do_sample=1, bad_words_ids=[3])
    for name in ("num_beams", "max_length", "early_stopping", "do_sample", "bad_words_ids"):
        assert f"- {name}: expected" in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"num_beams": 0},
        {"max_new_tokens": 0},
        {"num_return_sequences": 2},
        {"num_return_sequences": 3, "num_beams": 2},
        {"num_beams": 4, "num_beam_groups": 2},
        {"num_beams": 3, "num_beam_groups": 2, "diversity_penalty": 1.0},
        {"num_beams": 4, "diversity_penalty": 1.0},
        {"diversity_penalty": 1.0},
        {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 1.0, "do_sample": True},
        {"num_beams": 4, "force_words_ids": [[1]], "do_sample": True},
        {"force_words_ids": [[1]]},
        {"streamer": None},
        {"eos_token_id": "x"},
        {"length_penalty": None},
    ],
)
def test_wrong_values_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(reversed(values)) if len(values) == 1 else "expected"):
        GenerationConfig(**values)


def test_expected_types_are_in_plain_words() -> None:
    with pytest.raises(ConfigError, match="early_stopping: expected bool or 'never', found 'maybe'"):
        GenerationConfig(early_stopping="maybe")
    with pytest.raises(ConfigError, match="max_length: expected int or None, found 'x'"):
        GenerationConfig(max_length="x")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, np.float32("nan"), 1e39, 10**400])
@pytest.mark.parametrize(
    "name",
    [
        *("length_penalty", "temperature", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff", "max_time"),
        *("repetition_penalty", "encoder_repetition_penalty", "diversity_penalty", "guidance_scale"),
        "exponential_decay_length_penalty",
    ],
)
def test_numbers_are_finite(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"- {name}: expected finite numbers"):
        GenerationConfig(num_beams=2, **{name: [1, value] if name.startswith("exponential") else value})


@pytest.mark.parametrize("name", ["num_beams", "num_beam_groups", "num_return_sequences"])
def test_rows_beyond_all_use_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: expected at most 4096, found 16777216"):
        GenerationConfig(**{name: 2**24})


def test_update_touches_settings_only() -> None:
    config = GenerationConfig()
    assert config.update(num_beams=2, copy=3, validate=4) == {"copy": 3, "validate": 4}
    assert config.copy() == config
    assert config != GenerationConfig()


def test_strict_names_what_would_be_ignored() -> None:
    config = GenerationConfig(temperature=0.5, early_stopping=True)
    config.validate()
    with pytest.raises(ConfigError, match=r"(?s)temperature.*early_stopping"):
        config.validate(strict=True)


def model_config(**values: Any) -> Any:
    return SimpleNamespace(to_dict=lambda: values)


def test_a_decoder_part_gives_what_the_outer_part_leaves_unset() -> None:
    decoder = BertGenerationConfig(num_beams=5, eos_token_id=7, max_length=40)
    outer = {"num_beams": 3, "max_length": 20, "output_attentions": True, "hidden_size": 8}
    config = GenerationConfig.from_model_config(EncoderDecoderConfig(encoder=decoder, decoder=decoder, **outer))
    assert (config.num_beams, config.eos_token_id, config.max_length) == (3, 7, 40)
    assert config.return_dict_in_generate
    assert not hasattr(config, "hidden_size")


# ---- precedence


def resolved(model: Any, given: GenerationConfig | None = None, **keywords: Any) -> GenerationConfig:
    return resolve_config(model, given, keywords.pop("use_model_defaults", None), keywords)[0]


def test_keywords_win_also_with_none() -> None:
    model = ToyModel(num_beams=4, forced_eos_token_id=1)
    assert resolved(model).forced_eos_token_id == 1
    assert resolved(model, forced_eos_token_id=None).forced_eos_token_id is None
    assert resolved(model, GenerationConfig(num_beams=2), num_beams=3).num_beams == 3


def test_default_values_of_a_given_configuration_count_as_unset() -> None:
    model = ToyModel(num_beams=4, length_penalty=0.8)
    config = resolved(model, GenerationConfig(num_beams=2, length_penalty=1.0))
    assert (config.num_beams, config.length_penalty, config.eos_token_id) == (2, 0.8, EOS)
    config = resolved(model, GenerationConfig(num_beams=2), use_model_defaults=False)
    assert (config.num_beams, config.length_penalty, config.eos_token_id) == (2, 1.0, EOS)


def test_files_before_4_50_give_only_the_special_tokens() -> None:
    model = ToyModel(length_penalty=0.8, num_beams=2)
    model.generation_config.transformers_version = "4.30.2"
    config = resolved(model, GenerationConfig())
    assert (config.length_penalty, config.eos_token_id) == (1.0, EOS)
    assert resolved(model, GenerationConfig(), use_model_defaults=True).length_penalty == 0.8


def test_a_derived_configuration_follows_the_models_until_it_is_changed() -> None:
    model = ToyModel()
    values: dict[str, Any] = {"num_beams": 2}
    model.config.to_dict = lambda: dict(values)
    model.generation_config = GenerationConfig.from_model_config(model.config)
    values["num_beams"] = 3
    assert resolved(model).num_beams == 3
    model.generation_config.length_penalty = 0.5
    assert resolved(model).num_beams == 2


def test_a_file_is_not_thrown_away_for_legacy_values() -> None:
    model = ToyModel(_from_model_config=True, num_beams=2)
    model.config.to_dict = lambda: {"num_beams": 8, "forced_eos_token_id": 1}
    assert resolved(model).num_beams == 2


# ---- keywords


def test_unknown_keywords_are_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"'num_beam' \(did you mean 'num_beams'\?\), 'zzzz'"):
        generate(ToyModel(), IDS, num_beam=4, zzzz=1, attention_mask=None, nothing=None)


@pytest.mark.parametrize(
    "keyword",
    [
        "assistant_model",
        "synced_gpus",
        "negative_prompt_ids",
        "custom_generate",
        "prompt_lookup_num_tokens",
        "dola_layers",
        "watermarking_config",
        "token_healing",
        "guidance_scale",
        "low_memory",
    ],
)
def test_what_is_not_supported_is_named(keyword: str) -> None:
    value = 3 if keyword in ("prompt_lookup_num_tokens", "guidance_scale") else True
    value = "high" if keyword == "dola_layers" else value
    with pytest.raises(InputError, match=keyword):
        generate(ToyModel(), IDS, max_length=5, **{keyword: value})
    with pytest.raises(InputError, match="penalty_alpha"):
        generate(ToyModel(), IDS, max_length=5, penalty_alpha=0.6)


def test_neutral_values_are_accepted() -> None:
    generate(
        ToyModel(), IDS, max_length=5, synced_gpus=False, assistant_model=None, trust_remote_code=False, labels=IDS
    )


def test_keywords_without_effect_are_warned_of() -> None:
    with pytest.warns(UserWarning, match="temperature=0.5"):
        generate(ToyModel(), IDS, max_length=5, temperature=0.5)
    generate(ToyModel(length_penalty=0.5), IDS, max_length=5)
    for name in ("encoder_no_repeat_ngram_size", "encoder_repetition_penalty"):
        with pytest.warns(UserWarning, match=name):
            generate(ToyModel(), inputs_embeds=np.ones((1, 2, 3)), max_length=5, **{name: 2})


# ---- lengths


def longest(model: Any, *args: Any, **keywords: Any) -> int:
    return int(generate(model, *args, **keywords).shape[1])


def test_lengths_count_the_start_token() -> None:
    model = ToyModel(eos_token_id=None)
    assert longest(model, IDS, max_length=6) == 6
    assert longest(model, IDS, max_new_tokens=6) == 7
    assert longest(model, IDS, max_new_tokens=6, max_length=3) == 7
    assert longest(model, IDS, decoder_input_ids=[[START, 3], [START, 4]], max_new_tokens=6) == 8


def test_the_default_length_means_new_tokens() -> None:
    model = ToyModel(eos_token_id=None)
    assert longest(model, IDS) == 21
    assert longest(model, IDS, generation_config=GenerationConfig(max_length=20)) == 21
    assert longest(model, IDS, max_length=20) == 20
    assert longest(ToyModel(eos_token_id=None, max_length=9), IDS) == 9
    model.config.max_position_embeddings = 12
    assert longest(model, IDS) == 12


def test_lengths_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="max_length"):
        generate(ToyModel(), IDS, max_length=1)
    with pytest.raises(InputError, match="max_length"):
        generate(ToyModel(), IDS, max_length=None)
    with pytest.warns(UserWarning, match="min_length"):
        generate(ToyModel(), IDS, max_length=4, min_length=9)


@pytest.mark.parametrize("beams", [1, 3])
def test_minimum_lengths(beams: int) -> None:
    model = ToyModel()
    model.table[:, :, EOS] += 30
    assert longest(model, IDS, max_length=12, num_beams=beams, min_length=5) == 6
    assert longest(model, IDS, max_length=12, num_beams=beams, min_new_tokens=5) == 7


# ---- inputs


def started(model: ToyModel, *args: Any, **keywords: Any) -> dict[str, Any]:
    generate(model, *args, max_new_tokens=2, **keywords)
    return model.started[-1]


def test_the_mask_is_inferred_from_padding() -> None:
    assert started(ToyModel(), IDS)["inputs"]["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    given = [[1, 1, 1], [0, 1, 1]]
    assert started(ToyModel(), IDS, attention_mask=given)["inputs"]["attention_mask"].tolist() == given
    for model in (ToyModel(pad_token_id=None), ToyModel(pad_token_id=3, eos_token_id=3)):
        assert started(model, IDS)["inputs"]["attention_mask"].all()
    assert started(ToyModel(), inputs_embeds=np.ones((2, 4, 3)))["inputs"]["attention_mask"].shape == (2, 4)
    assert "attention_mask" not in started(ToyModel(), encoder_outputs=(np.ones((2, 4, 3)),))["inputs"]


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        (None, [[START], [START]]),
        ([[START, 5], [6, 7]], [[START, 5], [6, 7]]),
        ([[5], [6]], [[START, 5], [START, 6]]),
        ([[6, START], [5, START]], [[START, 6, START], [START, 5, START]]),
    ],
)
def test_the_start_token_is_put_before_prompts_of_which_none_has_it(prompt: Any, wanted: Any) -> None:
    keywords = {} if prompt is None else {"decoder_input_ids": prompt}
    assert started(ToyModel(9), IDS, **keywords)["prompt_ids_rt"].tolist() == wanted


def test_the_decoder_mask_grows_with_the_start_token_and_the_new_tokens() -> None:
    found = started(ToyModel(), IDS, decoder_input_ids=[[5, 6], [6, 5]], decoder_attention_mask=[[1, 1], [1, 0]])
    assert found["max_length"] == 5
    assert found["inputs"]["decoder_attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 1, 1]]


def test_one_start_token_per_item() -> None:
    found = started(ToyModel(), IDS, decoder_start_token_id=[4, 5], num_beams=2)
    assert found["prompt_ids_rt"].tolist() == [[4], [4], [5], [5]]
    assert found["rows_per_item"] == 2


def test_decoder_only_prompts_are_the_input() -> None:
    model = ToyModel(encoder_decoder=False)
    left = np.array([[0, 4, 5], [6, 3, 4]])
    found = started(model, left)
    assert found["prompt_ids_rt"].tolist() == left.tolist()
    assert found["max_length"] == 5
    assert found["inputs"]["attention_mask"].tolist() == [[0, 1, 1, 1, 1], [1, 1, 1, 1, 1]]
    assert found["inputs"]["position_ids"].tolist() == [[1, 0, 1, 2, 3], [0, 1, 2, 3, 4]]
    given = started(model, left, position_ids=[[0, 1, 2], [4, 5, 6]])["inputs"]["position_ids"]
    assert given.tolist() == [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8]]


def test_decoder_only_embeddings_stand_for_the_prompt() -> None:
    model = ToyModel(encoder_decoder=False, bos_token_id=3)
    with pytest.raises(IndexError):  # the toy cannot compute from embeddings
        generate(model, inputs_embeds=np.ones((2, 4, 3)), max_length=9, use_cache=False)
    found = model.started[-1]
    assert found["prompt_ids_rt"].shape == (2, 0)
    assert found["inputs"]["attention_mask"].shape == (2, 9)
    assert found["max_length"] == 9
    assert found["use_cache"]


def test_a_begin_token_stands_for_no_input() -> None:
    assert started(ToyModel(bos_token_id=4))["inputs"]["input_ids"].tolist() == [[4]]
    assert started(ToyModel(bos_token_id=4, encoder_decoder=False))["prompt_ids_rt"].tolist() == [[4]]
    with pytest.raises(InputError, match="bos_token_id"):
        generate(ToyModel())


@pytest.mark.parametrize(
    ("keywords", "name"),
    [
        ({"inputs": IDS, "input_ids": IDS}, "inputs, input_ids"),
        ({"inputs": IDS, "inputs_embeds": np.ones((2, 3, 4))}, "inputs_embeds"),
        ({"inputs": [[1, 2], [3]]}, "ragged"),
        ({"inputs": [1, 2]}, "input_ids"),
        ({"inputs": [[1.5]]}, "input_ids"),
        ({"inputs": np.empty((0, 3), int)}, "at least one row"),
        ({"inputs": IDS, "attention_mask": np.ones((2, 1, 3))}, "attention_mask"),
        ({"inputs": IDS, "decoder_input_ids": [[START]]}, "decoder_input_ids"),
        ({"inputs": IDS, "decoder_start_token_id": [1, 2, 3]}, "decoder_start_token_id"),
        ({"inputs": IDS, "decoder_start_token_id": None}, "decoder_start_token_id"),
        ({"inputs": IDS, "num_beams": 2, "streamer": object()}, "streamer"),
    ],
)
def test_wrong_inputs_are_named(keywords: dict[str, Any], name: str) -> None:
    with pytest.raises(InputError, match=name):
        generate(ToyModel(), **keywords)


def test_padding_is_the_end_token_where_there_is_none() -> None:
    found = generate(ToyModel(seed=3, pad_token_id=None), np.array([[3], [5], [6]]), max_length=12)
    assert PAD not in {token for row in found.tolist() if EOS in row for token in row[row.index(EOS) :]}
