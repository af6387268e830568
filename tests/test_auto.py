"""Configurations as files, and the classes that choose a class by ``config.json``."""

import json
from pathlib import Path

import numpy as np
import pytest

import minipegasus
from minipegasus import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    CheckpointError,
    ConfigError,
    InputError,
    PegasusConfig,
    PegasusForConditionalGeneration,
)
from minipegasus.models.configs import CONFIG_CLASSES, PretrainedConfig

GOLDEN = Path(__file__).parent.parent / "golden" / "pegasus"
SEQ2SEQ = {
    "vocab_size": 23,
    "d_model": 8,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 8,
    "decoder_ffn_dim": 8,
    "max_position_embeddings": 64,
}
BERT = {
    "vocab_size": 23,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "max_position_embeddings": 64,
}
SMALL = {
    **{name: dict(SEQ2SEQ) for name in ("pegasus", "bigbird_pegasus", "pegasus_x")},
    **{name: dict(BERT) for name in ("bert-generation", "bert", "roberta")},
    "encoder-decoder": {
        "encoder": {"model_type": "bert-generation", **BERT},
        "decoder": {"model_type": "bert-generation", **BERT, "is_decoder": True, "add_cross_attention": True},
    },
}
#: What each auto class makes of each model type: section 8.5 of the reference.
CLASSES = {
    "AutoModel": {
        "pegasus": "PegasusModel",
        "bigbird_pegasus": "BigBirdPegasusModel",
        "pegasus_x": "PegasusXModel",
        "bert-generation": "BertGenerationEncoder",
        "bert": "BertModel",
        "roberta": "RobertaModel",
    },
    "AutoModelForSeq2SeqLM": {
        "pegasus": "PegasusForConditionalGeneration",
        "bigbird_pegasus": "BigBirdPegasusForConditionalGeneration",
        "pegasus_x": "PegasusXForConditionalGeneration",
        "encoder-decoder": "EncoderDecoderModel",
    },
    "AutoModelForCausalLM": {
        "pegasus": "PegasusForCausalLM",
        "bigbird_pegasus": "BigBirdPegasusForCausalLM",
        "bert-generation": "BertGenerationDecoder",
        "bert": "BertLMHeadModel",
        "roberta": "RobertaForCausalLM",
    },
    "AutoModelForSequenceClassification": {"bigbird_pegasus": "BigBirdPegasusForSequenceClassification"},
    "AutoModelForQuestionAnswering": {"bigbird_pegasus": "BigBirdPegasusForQuestionAnswering"},
}


@pytest.mark.parametrize("model_type", sorted(SMALL))
def test_a_configuration_survives_its_file(model_type: str, tmp_path: Path) -> None:
    config = AutoConfig.for_model(model_type, **SMALL[model_type], num_beams=3, colour="red")
    config.save_pretrained(tmp_path / "new" / "folder")
    again = AutoConfig.from_pretrained(tmp_path / "new" / "folder")
    assert type(again) is type(config) is CONFIG_CLASSES[model_type]
    assert again == config
    assert (again.num_beams, again.colour) == (3, "red")
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["config.json"]


@pytest.mark.parametrize(("auto", "model_type"), [(auto, kind) for auto, kinds in CLASSES.items() for kind in kinds])
def test_auto_classes_open_what_the_file_says(auto: str, model_type: str, tmp_path: Path) -> None:
    auto_class = getattr(minipegasus, auto)
    alone = {"is_decoder": True} if auto == "AutoModelForCausalLM" else {}
    model = auto_class.from_config(AutoConfig.for_model(model_type, **SMALL[model_type], **alone), seed=3)
    assert type(model).__name__ == CLASSES[auto][model_type]
    model.save_pretrained(tmp_path)
    again = auto_class.from_pretrained(tmp_path, dtype="float64")
    assert type(again) is type(model)
    assert again.dtype == np.float64
    assert isinstance(again.config, PretrainedConfig)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], array)


def test_values_can_be_replaced_while_reading() -> None:
    config = AutoConfig.from_pretrained(GOLDEN, dropout=0.5, num_labels=3, local_files_only=True)
    assert (config.dropout, config.num_labels) == (0.5, 3)
    model = AutoModelForSeq2SeqLM.from_pretrained(GOLDEN, use_cache=False, device_map="cpu")
    assert isinstance(model, PegasusForConditionalGeneration)
    assert model.config.use_cache is False
    given = AutoModelForSeq2SeqLM.from_pretrained(GOLDEN, config=config)
    assert given.config.dropout == 0.5


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("auto", "float32"), (None, "float32"), (np.float64, "float64"), ("torch.float64", "float64")],
)
def test_dtypes(dtype: object, expected: str) -> None:
    for name in ("dtype", "torch_dtype"):
        assert AutoModel.from_pretrained(GOLDEN, **{name: dtype}).dtype == expected
    for wrong in ("bfloat16", np.float16, "torch.int8", 3):
        with pytest.raises(InputError, match="dtype: expected float32 or float64, found"):
            AutoModel.from_pretrained(GOLDEN, dtype=wrong)


def test_unknown_keywords_are_named() -> None:
    with pytest.raises(TypeError, match="'drop_out', 'colour'"):
        AutoConfig.from_pretrained(GOLDEN, drop_out=0.5, colour="red")
    with pytest.raises(TypeError, match="drop_out"):
        AutoModel.from_pretrained(GOLDEN, drop_out=0.5)


def test_unknown_types_are_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected one of .*bigbird_pegasus.*pegasus_x"):
        AutoModelForSeq2SeqLM.from_config(_of_type("opt"))
    for found in ('"t5"', "null", "3", '["pegasus"]'):
        (tmp_path / "config.json").write_text(f'{{"model_type": {found}}}')
        with pytest.raises(ConfigError, match=r"config\.json: model_type: expected one of .*pegasus.*, found"):
            AutoModel.from_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"AutoModelForCausalLM: .*expected one of .*bigbird_pegasus.*'pegasus_x'"):
        AutoModelForCausalLM.from_config(AutoConfig.for_model("pegasus_x", **SEQ2SEQ))


def _of_type(model_type: str) -> PretrainedConfig:
    return type("Other", (PretrainedConfig,), {"model_type": model_type})()


def test_what_is_wrong_in_a_file_is_named_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json"):
        PegasusConfig.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "pegasus", "d_model": "wide", "vocab_size": -1}))
    with pytest.raises(ConfigError, match=r"config\.json: PegasusConfig: 2 problem\(s\)\n.*vocab_size.*\n.*d_model"):
        PegasusConfig.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["to_dict", "copy", "contradictions", "aliases", "__class__", "__dict__"])
def test_a_file_cannot_replace_what_the_class_is_made_of(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "pegasus", name: {}}))
    with pytest.raises(ConfigError, match=rf"config\.json.*\n.*{name}: expected no key of this name"):
        AutoConfig.from_pretrained(tmp_path)


def test_what_every_configuration_answers_is_not_written_unasked() -> None:
    config = PegasusConfig(prefix="summarize: ")
    nothing = ("architectures", "task_specific_params", "dtype", "torch_dtype", "sep_token_id")
    assert {getattr(config, name) for name in nothing} == {None}
    assert (config.prefix, config._name_or_path, config.chunk_size_feed_forward) == ("summarize: ", "", 0)
    assert (config.torchscript, config.pruned_heads, config.cross_attention_hidden_size) == (False, {}, None)
    assert not {*nothing, "_name_or_path", "chunk_size_feed_forward", "pruned_heads"} & config.to_dict().keys()


def test_messages_are_in_plain_words() -> None:
    with pytest.raises(ConfigError, match=r"vocab_size: expected int in \[1, 16777216\], found -1"):
        PegasusConfig(vocab_size=-1)
    with pytest.raises(ConfigError, match=r"dropout: expected int or float in \[0, 1\], found 2"):
        PegasusConfig(dropout=2)


def test_keys_that_mean_something_elsewhere_are_kept() -> None:
    config = PegasusConfig(**SEQ2SEQ, decoder="x", encoder={}, self=3)
    assert PegasusForConditionalGeneration(config).config.to_dict()["self"] == 3


def test_another_family_is_worth_a_warning(tmp_path: Path) -> None:
    AutoConfig.for_model("pegasus_x", **SEQ2SEQ).save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match=r"expected model_type 'pegasus' for PegasusConfig, found 'pegasus_x'"):
        PegasusConfig.from_pretrained(tmp_path)


@pytest.mark.parametrize("model_type", ["pegasus", "bigbird_pegasus", "pegasus_x"])
def test_a_file_of_tied_weights_is_refused_where_the_configuration_unties_them(model_type: str, tmp_path: Path) -> None:
    whole, bare = tmp_path / "whole", tmp_path / "bare"
    AutoModelForSeq2SeqLM.from_config(AutoConfig.for_model(model_type, **SEQ2SEQ)).save_pretrained(whole)
    with pytest.raises(CheckpointError, match=r"lm_head\.weight: expected it in the file.*tie_word_embeddings = false"):
        AutoModelForSeq2SeqLM.from_pretrained(whole, tie_word_embeddings=False)
    assert AutoModel.from_pretrained(whole, tie_word_embeddings=False).load_report.missing == []
    AutoModel.from_pretrained(whole).save_pretrained(bare)
    with pytest.warns(UserWarning, match=r"are new: lm_head\.weight"):
        opened = AutoModelForSeq2SeqLM.from_pretrained(bare, tie_word_embeddings=False)
    opened.save_pretrained(whole)
    again = AutoModelForSeq2SeqLM.from_pretrained(whole)
    assert again.config.tie_word_embeddings is False
    assert again.load_report.missing == []


def test_a_hub_cache_name_is_found_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "models--someone--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc123")
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / "abc123").symlink_to(GOLDEN.resolve(), target_is_directory=True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert AutoConfig.from_pretrained("someone/tiny").d_model == 20
    for settings in ({}, {"revision": "abc123"}):
        found = minipegasus.GenerationConfig.from_pretrained("someone/tiny", **settings)
        assert found == minipegasus.GenerationConfig.from_pretrained(GOLDEN)
    assert AutoModel.from_pretrained("someone/tiny", revision="main").config.d_model == 20
