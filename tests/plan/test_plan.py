"""Plans: expansion over patterns, aliases and shared values, and a file that is read strictly and written the same."""

import copy
import json
import pickle
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plan.networks import forked, twice
from torch import nn

from picojoule.errors import FileError, FormatError, PicojouleError, PlanError
from picojoule.formats import Binary, Fixed, Float32, classes
from picojoule.network import Network, capture
from picojoule.plan import Plan

quietly = settings(max_examples=200)
TEXTS = [text for each in classes() for text in each.examples]
SITES = ("stem.inputs", "stem.weights", "left.inputs", "left.weights", "right.weights", "fc.inputs", "fc.weights")
DOCUMENT = b'{"picojoule": "plan", "version": 1, "formats": {"*": "fixed8", "fc.weights": "binary"}}'


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(TEXTS)
keys = st.text(max_size=4)


@pytest.fixture(scope="module")
def network() -> Network:
    return forked()[1]


def texts(plan: Plan) -> dict[str, str]:
    return {site: str(format) for site, format in plan.formats.items()}


class TestExpand:
    def test_a_name_as_it_is_goes_before_a_pattern(self) -> None:
        model = nn.Sequential()
        for name in ("[ab]*", "a?", "ab"):
            model.add_module(name, nn.Linear(2, 2))
        network = capture(model, torch.zeros(1, 2))
        own = {site: f"fixed{k + 1}" for k, site in enumerate(network.sites)}
        assert texts(Plan.parse(own).expand(network)) == own
        assert texts(Plan.parse({"a?.weights": "fixed4"}).expand(network))["ab.weights"] == "float32"
        assert texts(Plan.parse({"a*.weights": "fixed4"}).expand(network))["ab.weights"] == "fixed4"

    def test_formats_are_formats(self) -> None:
        with pytest.raises(PlanError, match=r"^plan key 'fc' has 'fixed8', expected a Format; Plan.parse takes texts$"):
            Plan({"fc": "fixed8"})  # type: ignore[dict-item]

    def test_every_site_has_a_format_in_the_networks_order(self, network: Network) -> None:
        expanded = Plan.parse({"fc.*": "fixed4"}).expand(network)
        assert tuple(expanded.formats) == SITES
        assert texts(expanded) == {**dict.fromkeys(SITES, "float32"), "fc.inputs": "fixed4", "fc.weights": "fixed4"}
        assert texts(Plan({}).expand(network)) == dict.fromkeys(SITES, "float32")

    def test_expanding_again_changes_nothing(self, network: Network) -> None:
        expanded = Plan.parse({"*": "fixed8", "s*.weights": "fixed2", "right.inputs": "binary"}).expand(network)
        assert expanded.expand(network) == expanded
        assert expanded.expand(network).to_json() == expanded.to_json()

    def test_uniform_is_the_pattern_for_all(self, network: Network) -> None:
        assert Plan.uniform(network, "fixed5") == Plan.parse({"*": "fixed5"}).expand(network)
        assert Plan.uniform(network, Fixed(5)) == Plan.uniform(network, "fixed5")

    def test_later_keys_win(self, network: Network) -> None:
        general_first = texts(
            Plan.parse({"*": "fixed8", "*.weights": "fixed4", "fc.weights": "fixed2"}).expand(network)
        )
        assert [general_first[site] for site in SITES] == "fixed8 fixed4 fixed8 fixed4 fixed4 fixed8 fixed2".split()
        assert set(texts(Plan.parse({"fc.weights": "fixed2", "*": "fixed8"}).expand(network)).values()) == {"fixed8"}

    def test_patterns_are_those_of_a_shell_and_mind_case(self, network: Network) -> None:
        expanded = texts(Plan.parse({"[lr]*.weights": "fixed3", "f?.inputs": "fixed7"}).expand(network))
        assert {site for site in SITES if expanded[site] == "fixed3"} == {"left.weights", "right.weights"}
        assert expanded["fc.inputs"] == "fixed7"
        with pytest.raises(PlanError, match=r"plan key 'FC.weights' matches no site"):
            Plan.parse({"FC.weights": "fixed3"}).expand(network)

    def test_a_shared_value_answers_to_each_readers_name(self, network: Network) -> None:
        for key in ("left.inputs", "right.inputs", "r*.inputs"):
            expanded = texts(Plan.parse({key: "fixed6"}).expand(network))
            assert {site for site in SITES if expanded[site] != "float32"} == {"left.inputs"}
            assert expanded["left.inputs"] == "fixed6"

    def test_shared_weights_answer_to_each_calls_name(self) -> None:
        network = twice()
        assert tuple(network.sites) == ("fc.inputs", "fc.weights", "fc@2.inputs")
        assert texts(Plan.parse({"fc@2.weights": "fixed6"}).expand(network))["fc.weights"] == "fixed6"
        with pytest.raises(PlanError, match=re.escape("plan keys 'fc.weights' (fixed4) and 'fc@2.weights' (fixed5)")):
            Plan.parse({"fc.weights": "fixed4", "fc@2.weights": "fixed5"}).expand(network)

    def test_an_unknown_key_is_refused_with_what_there_is(self, network: Network) -> None:
        expected = (
            "plan key 'conv9.weights' matches no site of the network; its sites are stem.inputs, stem.weights, "
            "left.inputs, left.weights, right.weights, fc.inputs and 1 more"
        )
        with pytest.raises(PlanError, match=f"^{re.escape(expected)}$"):
            Plan.parse({"*": "fixed8", "conv9.weights": "fixed4"}).expand(network)

    def test_two_formats_for_one_value_are_refused(self, network: Network) -> None:
        expected = (
            "plan keys 'right.inputs' (fixed4) and 'left.inputs' (fixed5) are one value, which is quantised once: "
            "give both the same format"
        )
        with pytest.raises(PlanError, match=f"^{re.escape(expected)}$"):
            Plan.parse({"right.inputs": "fixed4", "left.inputs": "fixed5"}).expand(network)
        agreed = Plan.parse({"right.inputs": "fixed4", "left.inputs": "fixed4"}).expand(network)
        assert texts(agreed)["left.inputs"] == "fixed4"
        by_pattern = Plan.parse({"r*.inputs": "fixed4", "left.inputs": "fixed5"}).expand(network)
        assert texts(by_pattern)["left.inputs"] == "fixed5"

    @quietly
    @given(
        keys=st.lists(
            st.tuples(
                st.sampled_from([*SITES, "*", "*.weights", "*.inputs", "[fl]*", "right.inputs"]), st.sampled_from(TEXTS)
            ),
            max_size=5,
        )
    )
    def test_the_last_key_that_matches_decides(self, network: Network, keys: list[tuple[str, str]]) -> None:
        written = dict(keys)
        exact = {written[key] for key in ("left.inputs", "right.inputs") if key in written}
        if len(exact) == 2:
            with pytest.raises(PlanError, match="are one value, which is quantised once"):
                Plan.parse(written).expand(network)
            return
        expanded = texts(Plan.parse(written).expand(network))
        for name, site in network.sites.items():
            matching = [text for key, text in written.items() if any(fnmatchcase(a, key) for a in site.aliases)]
            assert expanded[name] == (matching[-1] if matching else "float32")


class TestValue:
    def test_equal_plans_hash_alike(self) -> None:
        one, other = Plan.parse({"a": "fixed8", "b": "binary"}), Plan({"a": Fixed(8), "b": Binary()})
        assert one == other
        assert hash(one) == hash(other)
        assert len({one, other, Plan.parse({"a": "fixed8"})}) == 2
        assert one != {"a": Fixed(8), "b": Binary()}

    def test_plans_whose_order_differs_are_different_plans(self) -> None:
        one, other = Plan.parse({"*": "fixed8", "a": "binary"}), Plan.parse({"a": "binary", "*": "fixed8"})
        assert one != other

    def test_what_it_was_made_from_may_change(self) -> None:
        source = {"a": Fixed(8)}
        plan = Plan(source)
        source["a"] = Fixed(2)
        assert plan.formats["a"] == Fixed(8)
        with pytest.raises(TypeError, match="does not support item assignment"):
            plan.formats["a"] = Fixed(2)  # type: ignore[index]

    def test_copies_are_equal(self) -> None:
        plan = Plan.parse({"a": "fixed8", "*": "binary"})
        assert pickle.loads(pickle.dumps(plan)) == copy.deepcopy(plan) == copy.copy(plan) == plan

    def test_replace_gives_another_plan_in_the_same_order(self) -> None:
        plan = Plan.parse({"a": "fixed8", "b": "fixed8"})
        assert str(plan.replace("a", Float32())) == "a=float32 b=fixed8"
        assert str(plan) == "a=fixed8 b=fixed8"

    def test_a_text_that_names_no_format(self) -> None:
        with pytest.raises(FormatError, match=r"^format 'fixed99' is not known; known are "):
            Plan.parse({"a": "fixed99"})


class TestFile:
    @quietly
    @given(
        st.dictionaries(
            st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8), st.sampled_from(TEXTS), max_size=6
        )
    )
    def test_any_plan_round_trips_byte_for_byte(self, formats: dict[str, str]) -> None:
        plan = Plan.parse(formats)
        content = plan.to_json().encode()
        assert Plan.from_json(content) == plan
        assert Plan.from_json(content).to_json().encode() == content
        assert tuple(Plan.from_json(content).formats) == tuple(formats)

    def test_a_saved_plan_is_the_text(self, tmp_path: Path) -> None:
        plan = Plan.parse({"*": "fixed8", "größe": "binary"})
        plan.save(tmp_path / "new" / "plan.json")
        assert (tmp_path / "new" / "plan.json").read_bytes() == plan.to_json().encode()
        assert Plan.load(str(tmp_path / "new" / "plan.json")) == plan

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ((b'"fc.weights"', b'"*"'), "{origin} is not a valid plan: duplicate key '*'"),
            ((b'"version": 1', b'"version": 1, "version": 1'), "{origin} is not a valid plan: duplicate key 'version'"),
            ((b'"version": 1', b'"version": 1, "bits": 4'), "{origin}: unknown key 'bits'"),
            ((b'"version": 1', b'"version": 2'), "{origin}: version 2 of a plan is not known; this picojoule reads 1"),
            (
                (b'"version": 1', b'"version": 1.0'),
                "{origin}: version 1.0 of a plan is not known; this picojoule reads 1",
            ),
            (
                (b'"version": 1', b'"version": true'),
                "{origin}: version True of a plan is not known; this picojoule reads 1",
            ),
            ((b'"version": 1, ', b""), "{origin}: version None of a plan is not known; this picojoule reads 1"),
            ((b'"plan"', b'"ranges"'), "{origin} is not a plan: its key 'picojoule' says 'ranges'"),
            ((b'"picojoule": "plan", ', b""), "{origin} is not a plan: its key 'picojoule' says None"),
            (
                (b'"binary"', b'"fixed0"'),
                "{origin}: format 'fixed0' is not known; known are e2m1/32:e8m0, ",
            ),
            ((b'"binary"', b"8"), "{origin}: site 'fc.weights' has 8, expected a format text such as \"fixed8\""),
            ((b'"binary"', b"null"), "{origin}: site 'fc.weights' has None, expected a format text such as \"fixed8\""),
            ((b'"binary"', b"NaN"), "{origin} is not a valid plan: NaN is not a JSON number"),
            ((b'"formats"', b'"format"'), "{origin}: key 'formats' is missing (a table)"),
            ((DOCUMENT, b"[1]"), "{origin} is not a plan: expected a JSON object, found list"),
            ((DOCUMENT, b""), "{origin} is not a valid plan: Expecting value: line 1 column 1 (char 0)"),
            ((b'"fc.weights"', b'"\\ud800"'), "{origin} is not a valid plan: 'utf-8' codec can't encode character"),
            ((b"binary", b"\xff"), "{origin} is not a valid plan: 'utf-8' codec can't decode byte 0xff"),
        ],
    )
    def test_what_is_wrong_is_named(self, change: tuple[bytes, bytes], message: str, tmp_path: Path) -> None:
        assert Plan.from_json(DOCUMENT) == Plan({"*": Fixed(8), "fc.weights": Binary()})
        path = tmp_path / "plan.json"
        path.write_bytes(DOCUMENT.replace(*change))
        with pytest.raises(FileError, match="^" + re.escape(message.format(origin=f"'{path}'"))):
            Plan.load(path)

    def test_a_key_that_takes_long_to_match(self) -> None:
        content = DOCUMENT.replace(b"fc.weights", b"[" * 1001)
        with pytest.raises(FileError, match=r"^plan: key '\[{40}\.\.\.' is longer than 1000 characters$"):
            Plan.from_json(content)

    def test_formats_that_are_no_table(self) -> None:
        with pytest.raises(FileError, match=r"^plan: key 'formats' is \['fixed8'\], expected a table$"):
            Plan.from_json('{"picojoule": "plan", "version": 1, "formats": ["fixed8"]}')

    def test_deep_nesting_is_refused(self) -> None:
        with pytest.raises(FileError, match=r"^plan is not a valid plan: "):
            Plan.from_json(b"[" * 100_000)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(
            FileError, match=re.escape(f"cannot read '{tmp_path / 'no.json'}': No such file or directory")
        ):
            Plan.load(tmp_path / "no.json")

    @quietly
    @given(st.binary(max_size=60))
    def test_bytes_of_any_kind_are_refused(self, content: bytes) -> None:
        with pytest.raises(FileError, match=r"^plan is not a "):
            Plan.from_json(content)

    @quietly
    @given(st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)))
    def test_any_json_for_the_formats_is_refused_or_a_plan(self, formats: object) -> None:
        content = json.dumps({"picojoule": "plan", "version": 1, "formats": formats})
        refusal = ""
        try:
            read = texts(Plan.from_json(content))
        except PicojouleError as error:
            read, refusal = {}, str(error)
        assert refusal.startswith(("plan: ", "plan is not a valid plan: ")) or read == formats
