"""What is read strictly: documents, headers, TOML."""

import io
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from picojoule import files
from picojoule.errors import FileError

quietly = settings(max_examples=200)
BEGINS = '{"picojoule": "thing"'


class TestReading:
    def test_what_cannot_be_read(self, tmp_path: Path) -> None:
        for path, why in ((tmp_path / "no.json", "No such file or directory"), (tmp_path, "Is a directory")):
            with pytest.raises(FileError, match=f"^{re.escape(f'cannot read {str(path)!r}: {why}')}$"):
                files.read_bytes(path)

    @quietly
    @given(
        st.dictionaries(
            st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=5).filter(
                lambda key: key not in ("picojoule", "version")
            ),
            st.recursive(
                st.none()
                | st.booleans()
                | st.integers(-(2**70), 2**70)
                | st.floats(allow_nan=False, allow_infinity=False)
                | st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=5),
                lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner),
                max_leaves=8,
            ),
            max_size=4,
        )
    )
    def test_a_document_round_trips_byte_for_byte(self, body: dict[str, Any]) -> None:
        text = files.dump("thing", 3, body)
        assert files.parse(text, "thing", 3, "it") == body
        assert files.parse(text.encode(), "thing", 3, "it") == body
        assert files.dump("thing", 3, files.parse(text, "thing", 3, "it")) == text
        assert text.endswith("}\n")
        assert list(json.loads(text))[:2] == ["picojoule", "version"]

    def test_lists_of_numbers_stand_in_one_line(self) -> None:
        text = files.dump("thing", 1, {"exponents": [1, -2, 3], "costs": [[0.5, 1e-30], []], "names": ["[\n1,\n2\n]"]})
        assert '"exponents": [1, -2, 3]' in text
        assert "[0.5, 1e-30]" in text
        assert files.parse(text, "thing", 1, "it")["names"] == ["[\n1,\n2\n]"]

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_what_is_not_finite_is_never_written(self, value: float) -> None:
        with pytest.raises(ValueError, match=r"^Out of range float values are not JSON compliant"):
            files.dump("thing", 1, {"x": value})

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", " is not a valid thing: Expecting value: line 1 column 1 (char 0)"),
            ("[]", " is not a thing: expected a JSON object, found list"),
            ("3", " is not a thing: expected a JSON object, found int"),
            (
                '{"picojoule": "plan", "version": 3}',
                " is not a thing: its key 'picojoule' says 'plan', expected 'thing'",
            ),
            ('{"version": 3}', " is not a thing: its key 'picojoule' says None, expected 'thing'"),
            (BEGINS + "}", ": version None of a thing is not known; this picojoule reads 3"),
            (BEGINS + ', "version": "3"}', ": version '3' of a thing is not known; this picojoule reads 3"),
            (BEGINS + ', "version": 3.0}', ": version 3.0 of a thing is not known; this picojoule reads 3"),
            (BEGINS + ', "version": 3, "a": [{"b": 1, "c": 2, "b": 1}]}', " is not a valid thing: duplicate key 'b'"),
            (BEGINS + ', "version": 3, "a": -Infinity}', " is not a valid thing: -Infinity is not a JSON number"),
        ],
    )
    def test_documents_that_are_refused(self, text: str, message: str) -> None:
        with pytest.raises(FileError, match=f"^it{re.escape(message)}$"):
            files.parse(text, "thing", 3, "it")

    @pytest.mark.parametrize("half", ['"\\ud800"', '"\\udfff"'])
    def test_half_a_surrogate_pair_is_refused(self, half: str) -> None:
        for text in (f'{{"a": {half}}}', f"{{{half}: 1}}"):
            with pytest.raises(FileError, match=r"^it is not a valid thing: 'utf-8' codec can't encode character"):
                files.parse(text, "thing", 3, "it")
        whole = files.parse('{"picojoule": "thing", "version": 3, "a": "\\ud83d\\ude00"}', "thing", 3, "it")
        assert whole == {"a": "😀"}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('{"a": "\\u001b[2J"}', "'\\x1b[2J' holds a control character"),
            ('{"a\\u0000": 1}', "'a\\x00' holds a control character"),
            ('[["\x7f"]]', "'\\x7f' holds a control character"),
            ('{"a": 1e999}', "Out of range float values are not JSON compliant"),
            (f'{{"a": {"9" * 400}}}', "a number has more digits than any 64-bit float"),
            (f'{{"a": {"9" * 5000}}}', "Exceeds the limit (4300 digits) for integer string conversion"),
            ("[" * 65 + "]" * 65, "its tables are nested too deep"),
            ('{"a": ' * 64 + "1" + "}" * 64, "its tables are nested too deep"),
            ("[" * 100_000, "its tables are nested too deep"),
            (" " * (2**26 + 1), "it is larger than 64 MiB"),
        ],
        ids=range(10),
    )
    def test_what_could_not_be_written_or_shown(self, text: str, message: str) -> None:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
            files.loads(text)

    def test_what_is_just_within_bounds(self) -> None:
        for value in ("[" * 64 + "]" * 64, '["a\\tb\\nc\\r"]', str(2**1024 - 1)):
            assert files.loads(value) == files.loads(value.encode()) == json.loads(value)

    def test_the_last_of_many_keys_twice(self) -> None:
        keys = [*map(str, range(200_000)), "17"]
        with pytest.raises(ValueError, match=r"^duplicate key '17'$"):
            files.loads("{" + ", ".join(f'"{key}": 0' for key in keys) + "}")

    def test_a_header_of_safetensors(self) -> None:
        content = save({"a": torch.zeros(2)}, {"b": "c"})
        assert files.header(io.BytesIO(content))["__metadata__"] == {"b": "c"}
        for wrong in (b"", content[:20], b"\xff" * 8 + b"{}", (12).to_bytes(8, "little") + b'{"a":1,"a":1}'):
            with pytest.raises(ValueError, match=r"Expecting|ends within its header|duplicate key"):
                files.header(io.BytesIO(wrong))

    @pytest.mark.parametrize("kind", ["pipe", "device"])
    def test_what_may_never_end(self, kind: str, tmp_path: Path) -> None:
        path = tmp_path / "plan.json"
        os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
        with pytest.raises(FileError, match=f"^{re.escape(f'cannot read {str(path)!r}: it is no regular file')}$"):
            files.read_bytes(path)

    def test_toml(self) -> None:
        assert files.parse_toml("a = 1\n[b]\nc = 'µ'\n".encode(), "it") == {"a": 1, "b": {"c": "µ"}}
        for text, message in (
            (b"a = 1\na = 2\n", "it is not valid TOML: Cannot overwrite a value (at line 2, column 6): 'a = 2'"),
            (b"b = 1\r\n\ta =\r\n", "it is not valid TOML: Invalid value (at line 2, column 5): 'a ='"),
            (b"a", "it is not valid TOML: Expected '=' after a key in a key/value pair (at end of document)"),
            (b"\xff", "it is not valid TOML: 'utf-8' codec can't decode byte 0xff"),
            (b"a = " + b"[" * 100_000, "it is not valid TOML: "),
            (b"a." * 100_000 + b"b = 1", "it is not valid TOML: a line has too many dots"),
            (b"a = '" + b"x" * 2**18 + b"'", "it is not valid TOML: it is larger than 256 KiB"),
            (b'a = "\\u001b"', "it is not valid TOML: '\\x1b' holds a control character"),
            (b"a = 0x" + b"f" * 5000, "it is not valid TOML: a number has more digits than any 64-bit float"),
        ):
            with pytest.raises(FileError, match=f"^{re.escape(message)}"):
                files.parse_toml(text, "it")
