"""BertGeneration, BERT and RoBERTa against what transformers computed: golden/bert_generation."""

from pathlib import Path

import pytest
from golden_cases import case_id, case_paths, check


# A bare file opened with a head, or without a pooler, has new weights, which no case looks at.
@pytest.mark.filterwarnings("ignore:.*were not in the file and are new")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("path", case_paths("bert_generation"), ids=case_id)
def test_golden_case(path: Path, dtype: str) -> None:
    check(path, dtype)
