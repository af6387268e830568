"""Pegasus against what transformers computed: golden/pegasus."""

from pathlib import Path

import pytest
from golden_cases import case_id, case_paths, check


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("path", case_paths("pegasus"), ids=case_id)
def test_golden_case(path: Path, dtype: str) -> None:
    check(path, dtype)
