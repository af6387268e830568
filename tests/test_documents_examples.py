"""The examples of transformers' BertGeneration and EncoderDecoder pages, on tiny folders laid out as the real ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minipegasus
from minipegasus import (
    AutoTokenizer,
    BertConfig,
    BertGenerationConfig,
    BertGenerationDecoder,
    BertGenerationEncoder,
    BertTokenizer,
    EncoderDecoderConfig,
    EncoderDecoderModel,
)

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
# google-bert/bert-large-uncased as it was: bert.*, gamma and beta, token types, pooler, pre-training heads.
BERT = GOLDEN / "bert_generation" / "bert"
# google/bert_for_seq_generation_L-24_bbc_encoder
BBC = GOLDEN / "bert_generation"
# google/bert2bert_L-24_wmt_en_de
BERT2BERT = GOLDEN / "encoder_decoder"
# google/roberta2roberta_L-24_discofuse
DISCOFUSE = GOLDEN / "encoder_decoder" / "roberta"
# patrickvonplaten/bert2bert_cnn_daily_mail
CNN = GOLDEN / "encoder_decoder" / "bert"
NEW = "ignore:.*were not in the file and are new"


def test_bert2bert_of_a_bert_checkpoint() -> None:
    pytest.importorskip("tokenizers")
    encoder = BertGenerationEncoder.from_pretrained(BERT, bos_token_id=2, eos_token_id=3)
    with pytest.warns(UserWarning, match="are new: bert.encoder.layer.0.crossattention"):
        decoder = BertGenerationDecoder.from_pretrained(
            BERT, add_cross_attention=True, is_decoder=True, bos_token_id=2, eos_token_id=3
        )
    bert2bert = EncoderDecoderModel(encoder=encoder, decoder=decoder)
    tokenizer = BertTokenizer.from_pretrained(BERT)
    input_ids = tokenizer(
        "This is a long article to summarize", add_special_tokens=False, return_tensors="np"
    ).input_ids
    labels = tokenizer("This is a short summary", return_tensors="np").input_ids
    loss = bert2bert(input_ids=input_ids, decoder_input_ids=labels, labels=labels).loss
    assert np.isfinite(loss)
    assert bert2bert.generate(input_ids, max_length=8)[0, 0] == 2


def test_what_a_bert_checkpoint_leaves_over() -> None:
    encoder = BertGenerationEncoder.from_pretrained(BERT)
    assert not encoder.load_report.missing
    for name in ("cls.predictions.transform.dense.weight", "cls.seq_relationship.bias", "bert.pooler.dense.weight"):
        assert any(name.endswith(left) for left in encoder.load_report.unexpected), name


def test_sentence_fusion() -> None:
    pytest.importorskip("tokenizers")
    sentence_fuser = EncoderDecoderModel.from_pretrained(DISCOFUSE)
    tokenizer = AutoTokenizer.from_pretrained(DISCOFUSE)
    text = "This is the first sentence. This is the second sentence."
    input_ids = tokenizer(text, add_special_tokens=False, return_tensors="np").input_ids
    outputs = sentence_fuser.generate(input_ids, max_length=8)
    assert isinstance(tokenizer.decode(outputs[0]), str)


def test_decoder_alone() -> None:
    tokenizer = AutoTokenizer.from_pretrained(BBC)
    config = BertGenerationConfig.from_pretrained(BBC)
    config.is_decoder = True
    with pytest.warns(UserWarning, match="are new: lm_head.bias"):
        model = BertGenerationDecoder.from_pretrained(BBC, config=config)
    inputs = tokenizer("Hello, my dog is cute", return_token_type_ids=False, return_tensors="np")
    assert model(**inputs).logits.shape == (*inputs.input_ids.shape, 84)


def test_configuration() -> None:
    small: dict[str, Any] = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 9}
    config_encoder, config_decoder = BertConfig(**small), BertConfig(**small)
    config = EncoderDecoderConfig.from_encoder_decoder_configs(config_encoder, config_decoder)
    model = EncoderDecoderModel(config=config)
    config_encoder, config_decoder = model.config.encoder, model.config.decoder
    assert (config_decoder.is_decoder, config_decoder.add_cross_attention) == (True, True)
    assert not config_encoder.is_decoder


@pytest.mark.filterwarnings(NEW)
def test_fine_tuning(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    tokenizer = BertTokenizer.from_pretrained(BERT)
    model = EncoderDecoderModel.from_encoder_decoder_pretrained(BERT, BERT)
    model.config.decoder_start_token_id = tokenizer.cls_token_id
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.vocab_size = model.config.decoder.vocab_size
    input_ids = tokenizer("This is a really long text", return_tensors="np").input_ids
    labels = tokenizer("This is the corresponding summary", return_tensors="np").input_ids
    outputs = model(input_ids=input_ids, labels=labels)
    assert np.isfinite(outputs.loss)
    assert outputs.logits.shape == (*labels.shape, 90)
    model.save_pretrained(tmp_path / "bert2bert")
    config = EncoderDecoderConfig.from_pretrained(tmp_path / "bert2bert")
    again = EncoderDecoderModel.from_pretrained(tmp_path / "bert2bert", config=config)
    assert np.array_equal(again(input_ids=input_ids, labels=labels).logits, outputs.logits)
    assert again.generate(input_ids, max_length=6).shape[0] == 1


@pytest.mark.parametrize("folder", [BERT2BERT, CNN, DISCOFUSE], ids=["bert2bert", "bert", "roberta"])
def test_pipeline(folder: Path) -> None:
    if folder is not BERT2BERT:
        pytest.importorskip("tokenizers")
    made = minipegasus.pipeline("text2text-generation", model=folder)(["The model reads.", "a token"], max_new_tokens=6)
    assert [sorted(result) for result in made] == [["generated_text"]] * 2
