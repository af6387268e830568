"""The generation configuration, its precedence rules and the text streamer against transformers."""

import warnings
from typing import Any

import numpy as np
import pytest

import minipegasus
from minipegasus.generation.config import GenerationConfig
from minipegasus.generation.resolve import resolve_config
from minipegasus.generation.streaming import TextStreamer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    transformers.logging.set_verbosity_error()

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]

TINY = {"vocab_size": 20, "d_model": 4, "encoder_layers": 1, "decoder_layers": 1, "max_position_embeddings": 16}
TINY |= {"encoder_attention_heads": 1, "decoder_attention_heads": 1, "encoder_ffn_dim": 4, "decoder_ffn_dim": 4}
HALF = {"vocab_size": 20, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 4}


def plain(config: Any) -> dict[str, Any]:
    return {name: value for name, value in config.to_dict().items() if name != "_from_model_config"}


def test_defaults() -> None:
    assert plain(GenerationConfig()) == plain(transformers.GenerationConfig())
    changed = {"num_beams": 4, "colour": "red", "eos_token_id": [1, 2]}
    assert GenerationConfig(**changed).to_diff_dict() == transformers.GenerationConfig(**changed).to_diff_dict()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("PegasusConfig", {}),
        ("PegasusConfig", {"num_beams": 8, "length_penalty": 0.6, "max_length": 128, "forced_eos_token_id": None}),
        ("BigBirdPegasusConfig", {"min_length": 9}),
        ("PegasusXConfig", {"output_attentions": True, "attn_implementation": "eager"}),
        ("BertGenerationConfig", {"top_k": 7}),
    ],
)
def test_from_model_config(name: str, values: dict[str, Any]) -> None:
    sizes = HALF if name.startswith("Bert") else TINY
    theirs = transformers.GenerationConfig.from_model_config(getattr(transformers, name)(**sizes, **values))
    values.pop("attn_implementation", None)
    ours = GenerationConfig.from_model_config(getattr(minipegasus, name)(**sizes, **values))
    assert plain(ours) == plain(theirs)


@pytest.mark.parametrize("outer", [{}, {"eos_token_id": 3, "num_beams": 2, "decoder_start_token_id": 5}])
def test_from_composite_config(outer: dict[str, Any]) -> None:
    def composite(library: Any) -> Any:
        encoder, decoder = library.BertGenerationConfig(**HALF), library.BertGenerationConfig(**HALF, num_beams=3)
        return library.EncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder, **outer)

    theirs = transformers.GenerationConfig.from_model_config(composite(transformers))
    assert plain(GenerationConfig.from_model_config(composite(minipegasus))) == plain(theirs)


VALUES: dict[str, tuple[Any, ...]] = {
    "num_beams": (1, 2, 3),
    "max_length": (20, 12, 30),
    "length_penalty": (1.0, 0.6),
    "forced_eos_token_id": (None, 1, 4),
    "eos_token_id": (None, 1, [1, 2]),
    "no_repeat_ngram_size": (0, 3),
    "colour": ("red", "blue"),
}


@pytest.mark.parametrize("seed", range(40))
def test_precedence(seed: int) -> None:
    """Model's file, given configuration and keywords, each with some settings."""
    rng = np.random.default_rng(seed)

    def some(chance: float) -> dict[str, Any]:
        chosen = {name: values[int(rng.integers(len(values)))] for name, values in VALUES.items()}
        return {name: value for name, value in chosen.items() if rng.random() < chance}

    of_model, of_call, keywords = some(0.6), some(0.5), some(0.3)
    keywords.pop("colour", None)
    if seed % 4 == 0:
        of_model["transformers_version"] = "4.30.0"
    use_defaults = (None, True, False)[seed % 3]
    theirs = transformers.PegasusForConditionalGeneration(transformers.PegasusConfig(**TINY))
    theirs.generation_config = transformers.GenerationConfig(**of_model)
    ours = minipegasus.PegasusForConditionalGeneration(minipegasus.PegasusConfig(**TINY))
    ours.generation_config = GenerationConfig(**of_model)
    given = (None, None) if seed % 5 == 0 else (transformers.GenerationConfig(**of_call), GenerationConfig(**of_call))
    wanted, _ = theirs._prepare_generation_config(given[0], use_defaults, **keywords)
    found, rest = resolve_config(ours, given[1], use_defaults, keywords)
    assert plain(found) == plain(wanted)
    assert rest == {}


class Tokenizer:
    def decode(self, ids: list[int]) -> str:
        words = ["the ", "cat", " sat", "文", "\n", "s", " ", "字."]
        return "".join(words[index] for index in ids)


@pytest.mark.parametrize("skip_prompt", [False, True])
def test_text_streamer(skip_prompt: bool, capsys: pytest.CaptureFixture[str]) -> None:
    tokenizer = Tokenizer()
    for seed in range(20):
        shown = []
        for kind, wrap in ((TextStreamer, np.asarray), (transformers.TextStreamer, torch.tensor)):
            rng = np.random.default_rng(seed)
            streamer = kind(tokenizer, skip_prompt=skip_prompt)
            parts = []
            streamer.put(wrap([rng.integers(0, 8, 3).tolist()]))
            for token in rng.integers(0, 8, 15).tolist():
                parts.append(capsys.readouterr().out)
                streamer.put(wrap([token]))
            streamer.end()
            shown.append([*parts, capsys.readouterr().out])
        assert shown[0] == shown[1]
