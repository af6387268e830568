"""What importing costs: only NumPy and the standard library, and little time."""

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import minipegasus

ROOT = Path(__file__).resolve().parent.parent


def fresh(code: str) -> str:
    """Return what some code prints in a new interpreter."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


def foreign_modules(code: str) -> set[str]:
    """Return the packages from outside the standard library that some code loads, this one aside."""
    listing = "import sys, json; before = set(sys.modules)\n" + code
    listing += "\nprint(json.dumps([n.partition('.')[0] for n in sys.modules if n not in before]))"
    found = set(json.loads(fresh(listing))) - sys.stdlib_module_names - {"minipegasus"}
    # What the compiled kernels, a part of this package, put there.
    return {name for name in found if not name.startswith("_") and name != "cython_runtime"}


def test_the_package_loads_numpy_alone() -> None:
    assert foreign_modules("import minipegasus") <= {"numpy"}
    assert foreign_modules("from minipegasus import PegasusForConditionalGeneration") == {"numpy"}


def test_help_loads_nothing() -> None:
    for arguments in (["--help"], ["summarize", "--help"]):
        code = (
            "import contextlib, io\nfrom minipegasus.cli import main\n"
            f"with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): main({arguments})"
        )
        assert foreign_modules(code) == set()


def test_summarizing_loads_no_more_than_it_needs() -> None:
    code = "from minipegasus import summarize; summarize('the man', 'golden/pegasus', max_length=4)"
    assert foreign_modules(code) <= {"numpy", "sentencepiece", "safetensors"}
    heavy = {"asyncio", "multiprocessing", "unittest", "pickle", "http", "urllib.request", "argparse"}
    before = set(json.loads(fresh("import sys, json, numpy; print(json.dumps(list(sys.modules)))")))
    after = set(json.loads(fresh(f"{code}\nimport sys, json; print(json.dumps(list(sys.modules)))")))
    assert not heavy & (after - before)


def test_importing_costs_little_over_numpy() -> None:
    code = "import numpy, time; t = time.perf_counter(); import minipegasus; print(time.perf_counter() - t)"
    assert min(float(fresh(code)) for _ in range(5)) < 0.03


def test_every_public_name_is_there() -> None:
    assert sorted(minipegasus.__all__) == sorted(set(minipegasus.__all__))
    for name in minipegasus.__all__:
        assert getattr(minipegasus, name).__doc__ or name == "__version__", name
    assert set(minipegasus.__all__) <= set(dir(minipegasus))


def test_what_scripts_for_transformers_import_is_there() -> None:
    """Every name that both packages have for users of generation, models, tokenizers and pipelines."""
    names = """
        PhrasalConstraint DisjunctiveConstraint LogitsProcessor LogitsProcessorList MinLengthLogitsProcessor
        TemperatureLogitsWarper TopKLogitsWarper StoppingCriteria StoppingCriteriaList MaxLengthCriteria MaxTimeCriteria
        EosTokenCriteria StopStringCriteria TextStreamer TextIteratorStreamer BatchEncoding AddedToken GenerationConfig
        PreTrainedModel PreTrainedTokenizer PretrainedConfig Pipeline SummarizationPipeline Text2TextGenerationPipeline
        TranslationPipeline TextClassificationPipeline QuestionAnsweringPipeline
    """
    assert set(names.split()) <= set(minipegasus.__all__)
    for name in minipegasus.__all__:
        value = getattr(minipegasus, name)
        assert getattr(value, "__name__", name) == name


def test_type_checkers_see_the_same_names() -> None:
    """The imports that only they follow must lead to every public name."""
    seen = set()
    for node in ast.walk(ast.parse((ROOT / "minipegasus" / "__init__.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            module = import_module(f".{node.module}", "minipegasus")
            for alias in node.names:
                seen |= set(module.__all__) if alias.name == "*" else {alias.name}
    assert set(minipegasus.__all__) - {"__version__"} <= seen
