"""Formats at hand keep the laws of `Format`: by torch's operations, and one of each kind by compiled loops."""

import re

import pytest
from tests.contracts.formats import TEXTS, FormatLaws


@pytest.mark.usefixtures("plain")
class TestEveryFormat(FormatLaws):
    """The laws as they stand, of long series at their ends and some between."""

    texts = tuple(text for text in TEXTS if not re.fullmatch(r"fixed([5-79]|1[0-5])|nf[367]", text))


@pytest.mark.usefixtures("compiled")
class TestCompiled(FormatLaws):
    """One format for each kernel, at its ends; every number of the others is tried in their own tests."""

    texts = (
        *("binary", "ternary", "fixed1", "fixed8", "fixed16", "float32", "fp16", "bf16", "e4m3", "e2m1", "e3m0"),
        *("float<2,1,bias=0>", "nf4"),
    )
