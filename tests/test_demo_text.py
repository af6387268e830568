"""What the demo model's text tool keeps of documentation strings."""

import sys
import zipfile
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "tools"
if not TOOLS.is_dir():
    pytest.skip("the tools are not in this tree", allow_module_level=True)
sys.path.insert(0, str(TOOLS))
import demo_text as text  # noqa: E402

NUMPYDOC = """Sort the rows of a table by one column.

The rows are compared by their value in the column. Rows with equal values
keep their order, see :func:`stable <rows.stable>` and ``compare``.

Parameters
----------
column : str
    The name of the column that decides about the order of the rows.

Notes
-----
Sorting takes time that grows a little faster than the number of rows.

>>> sort(table, "age")
A line of output that must not be kept at all.

.. note:: The table itself is not changed by sorting.

.. deprecated:: 2.0
   Use the other function for this from now on.
"""

GOOGLE = """Open a file and lock it for the time it is used.

Args:
    path: The path of the file that is to be opened here.

The lock is given back when the file is closed by the caller. Example::

    with locked(path) as file:
        file.write("a line that is code and not prose at all")
"""


def test_numpydoc_markup_goes_and_prose_stays():
    assert text.paragraphs(NUMPYDOC.partition("\n")[2]) == [
        "The rows are compared by their value in the column. Rows with equal values keep their order, see stable and"
        " compare.",
        "Sorting takes time that grows a little faster than the number of rows.",
        "The table itself is not changed by sorting.",
    ]


def test_google_sections_and_literal_blocks_go():
    assert text.paragraphs(GOOGLE.partition("\n")[2]) == [
        "The lock is given back when the file is closed by the caller."
    ]


def test_fields_lists_and_tables_go():
    body = ":param path: the path of the file\n@return: the name of the file\n- an item of a list\n=====  ====="
    assert text.paragraphs(body) == []


@pytest.mark.parametrize(
    ("doc", "summary"),
    [
        ("Sort the rows of a table\n\nMore about it.", "Sort the rows of a table."),
        ("Sort the rows of a table. It is fast.\n", "Sort the rows of a table."),
        ("Sort the rows of\na table.\n\nMore.", "Sort the rows of a table."),
        ("sort(table, column)\n\nSort the rows of a table.\n\nMore.", "Sort the rows of a table."),
        ("Too short.\n\nMore about it.", ""),
        ("sort the rows of the table without a capital\n\nMore.", ""),
    ],
)
def test_summary_is_the_first_sentence(doc, summary):
    assert text.split_docstring(doc)[0] == summary


def test_pair_needs_enough_words_in_common():
    pair, prose = text.read_docstring("tables", NUMPYDOC, text.HELD_OUT_BAR)
    assert pair is not None
    assert pair.summary == "Sort the rows of a table by one column."
    assert pair.document.startswith("The rows are compared")
    assert prose.startswith(pair.summary)
    assert text.read_docstring("tables", GOOGLE, text.HELD_OUT_BAR)[0] is None


def test_abbreviations_do_not_end_a_sentence():
    assert len(text.sentences("It takes a name, e.g. Anna. It returns a number, i.e. Nothing else.")) == 2


def test_clip_keeps_whole_sentences():
    assert text.clip("One two three. Four five six. Seven eight nine.", 6) == "One two three. Four five six."


def test_near_duplicates_and_frequent_summaries_go():
    words = "the quick brown fox jumps over the lazy dog and then it sleeps for a very long time"
    pairs = [
        text.Pair("a", words, "A first summary of it."),
        text.Pair("b", words + " again", "Another summary of it."),
        text.Pair("b", "one two three four five six seven eight nine", "A first summary of it."),
        text.Pair("c", "nine eight seven six five four three two one", "A third summary of it."),
    ]
    kept = list(text.distinct(pairs, text.Seen(), per_package=10, per_summary=1))
    assert [pair.package for pair in kept] == ["a", "c"]


def test_wheels_are_read_without_tests_and_vendored_copies(tmp_path):
    wheel = tmp_path / "thing-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("thing/a.py", "thing/tests/b.py", "thing/_vendor/c.py", "thing/test_d.py"):
            archive.writestr(name, f'"""About {name}."""\nraise SystemExit("never run")\n')
        archive.writestr("thing/broken.py", "def (:\n")
    assert list(text.wheel_docstrings(wheel)) == ["About thing/a.py."]
