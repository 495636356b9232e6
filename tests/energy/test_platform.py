"""Platform files: every bundled one holds the laws, and a malformed one is refused by file and key."""

import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from picojoule.energy import Platform, platforms
from picojoule.energy.chip import Image
from picojoule.energy.platform import STATUSES
from picojoule.errors import FileError, PlatformError

WIDTHS = [1 + step / 4 for step in range(125)]


def test_bundled_names() -> None:
    assert {"envision", "eyeriss", "horowitz45", "moons2017"} <= set(platforms())


@pytest.mark.parametrize("name", platforms())
class TestBundled:
    """What every platform that lies in the folder must hold; a new one is covered by lying there."""

    def test_round_trip(self, name: str) -> None:
        platform = Platform.load(name)
        assert platform.name == name
        assert Platform.parse(platform.to_toml(), "again") == platform

    def test_text_is_kept_byte_for_byte(self, name: str, tmp_path: Path) -> None:
        path = tmp_path / "own.toml"
        path.write_bytes(Platform.load(name).to_toml().replace("\n", "\r\n").encode())
        assert Platform.load(str(path)).to_toml().encode() == path.read_bytes()

    def test_every_table_names_its_source(self, name: str) -> None:
        platform = Platform.load(name)
        tables = [key for key, value in tomllib.loads(platform.to_toml()).items() if isinstance(value, dict)]
        assert sorted(each.table for each in platform.provenance) == sorted(tables)
        assert all(len(each.source) > 20 and each.status in STATUSES for each in platform.provenance)

    def test_more_bits_never_cost_less(self, name: str) -> None:
        platform = Platform.load(name)
        for curve in (platform.mac_pj, platform.local.curve, platform.main, platform.dram):
            costs = [curve(bits) for bits in WIDTHS]
            assert min(costs) >= 0
            assert costs == sorted(costs)

    def test_float32_costs_more_than_16_bits(self, name: str) -> None:
        platform = Platform.load(name)
        assert platform.float32_mac_pj is None or platform.float32_mac_pj > platform.mac_pj(16)

    def test_wider_floats_never_cost_less(self, name: str) -> None:
        floats = Platform.load(name).small_floats
        costs = [floats.mac_pj(bits, 2 * bits) for bits in range(1, 25)] if floats else [0.0]
        assert min(costs) >= 0
        assert costs == sorted(costs)


BAD = {
    "other version": (
        ("version = 1", "version = 2"),
        "key 'version' is 2, expected 1, the version this picojoule reads",
    ),
    "version as a truth": (("version = 1", "version = true"), "key 'version' is True, expected 1"),
    "no version": (("version = 1\n", ""), "key 'version' is missing"),
    "duplicate key": (("pj = 7.4", "pj = 7.4\npj = 8"), "is not valid TOML: Cannot overwrite a value"),
    "unknown key": (("pj = 7.4", "pj = 7.4\ngain = 2"), "'main': unknown key 'gain'"),
    "unknown table": (("[input]", "[inputs]"), "unknown key 'inputs'"),
    "unknown top key": (("version = 1", "version = 1\nvendor = 1"), "unknown key 'vendor'"),
    "missing key": (("sum_bits = 16\n", ""), "'local': key 'sum_bits' is missing"),
    "wide sum": (("sum_bits = 16\n", "sum_bits = 65\n"), "'local': key 'sum_bits' is 65, expected a whole number"),
    "missing table": (("[dram]", "[input.dram]"), "key 'dram' is missing"),
    "negative energy": (("pj = 7.4", "pj = -7.4"), "'main': key 'pj' is -7.4, expected a finite number from 0"),
    "nan": (("pj = 7.4", "pj = nan"), "'main': key 'pj' is nan, expected a finite number from 0"),
    "infinite": (("pj = 473.6", "pj = inf"), "'dram': key 'pj' is inf, expected a finite number from 0"),
    "negative float": (("mac_pj = 19", "mac_pj = -19"), "'float32': key 'mac_pj' is -19.26793, expected a finite"),
    "text for a number": (("units = 64", 'units = "64"'), "'array': key 'units' is '64', expected a whole number"),
    "unknown status": (
        ('recalled"\nunits', 'guessed"\nunits'),
        "'array': key 'status' is 'guessed', expected one of 'read', 'recalled', 'derived'",
    ),
    "unknown datapath": (("common", "parallel"), "'mac': key 'datapath' is 'parallel', expected one of 'common', "),
    "unknown sharing": (('"square"', '"cube"'), "'array': key 'sharing' is 'cube', expected one of 'square', 'none'"),
    "empty source": (
        ('source = "Moons et al., arXiv 1711.00215: E_M = 2 E_MAC"', 'source = " "'),
        "'main': key 'source' is ' ', expected a text citing paper and table",
    ),
    "no source": (
        ('source = "Moons et al., arXiv 1711.00215: E_M = 2 E_MAC"\n', ""),
        "'main': key 'source' is missing (a text citing paper and table)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_malformed_platforms_are_refused(case: str, tmp_path: Path) -> None:
    (old, new), message = BAD[case]
    text = Platform.load("moons2017").to_toml()
    assert text.count(old) == 1
    path = tmp_path / "own.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(PlatformError) as caught:
        Platform.load(str(path))
    assert str(caught.value).startswith(f"'{path}'")
    assert message in str(caught.value)


BAD_FLOATS = {
    "one point": (("[11, 24], pj = [1.1, 3.7]", "[11], pj = [1.1]"), "'multiply': key 'bits' has 1 members, expected "),
    "three points": (("[16, 32], pj = [0.4, ", "[8, 16, 32], pj = [0.2, 0.4, "), "'add': key 'bits' has 3 members"),
    "falling": (("pj = [0.4, 0.9]", "pj = [0.9, 0.4]"), "'float': 'add': key 'pj' is [0.9, 0.4], expected positive"),
    "nothing": (("pj = [0.4, 0.9]", "pj = [0, 0.9]"), "'float': 'add': key 'pj' is [0.0, 0.9], expected positive"),
    "too steep": (("pj = [1.1, 3.7]", "pj = [1, 1e9]"), "'multiply': key 'pj' rises by the power 26.6 of the bits"),
    "unknown key": (("pj = [0.4, 0.9]", "pj = [0.4, 0.9], law = 1"), "'float': 'add': unknown key 'law'"),
    "no table": (("add = { bits = [16, 32], pj = [0.4, 0.9] }\n", ""), "'float': key 'add' is missing (a table)"),
    "no sum": (("sum_bits = 16\n", ""), "'float': key 'sum_bits' is missing"),
    "wide sum": (("sum_bits = 16\n", "sum_bits = 65\n"), "'float': key 'sum_bits' is 65, expected a whole number"),
    "look-up": (("lookup_pj = 0", "lookup_pj = -0"), "'codebook': key 'lookup_pj' is -0.8833, expected a finite"),
}


@pytest.mark.parametrize("case", BAD_FLOATS)
def test_malformed_floats_are_refused(case: str) -> None:
    (old, new), message = BAD_FLOATS[case]
    text = Platform.load("horowitz45").to_toml()
    assert text.count(old) == 1
    with pytest.raises(PlatformError) as caught:
        Platform.parse(text.replace(old, new), "own.toml")
    assert str(caught.value).startswith("own.toml: ")
    assert message in str(caught.value)


def test_sums_of_64_bits_are_the_widest() -> None:
    text = Platform.load("horowitz45").to_toml().replace("sum_bits = 16\n", "sum_bits = 64\n")
    wide = Platform.parse(text.replace("sum_bits = 32\n", "sum_bits = 64\n"), "own.toml")
    assert wide.local.sum_bits == 64
    assert wide.small_floats is not None
    assert wide.small_floats.sum_bits == 64


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(PlatformError, match=r"own\.toml is not valid TOML"):
        Platform.parse(b"\xff\xfe", "own.toml")


def test_unknown_names_list_the_bundled_ones() -> None:
    expected = f"no platform 'tpu'; choose one of {', '.join(platforms())}, or give a path ending in .toml"
    with pytest.raises(PlatformError) as caught:
        Platform.load("tpu")
    assert str(caught.value) == expected


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"cannot read '.*none\.toml': No such file"):
        Platform.load(str(tmp_path / "none.toml"))


def test_optional_tables_are_off_in_the_generic_platform() -> None:
    generic = Platform.load("moons2017")
    assert generic.guarded_fraction is generic.voltage_scaling is generic.capacity is None
    assert generic.image == Image(bits=8, passes=True)
    assert generic.mac.datapath == "common"


def test_voltage_scaling_multiplies_the_mac_alone(make: SimpleNamespace) -> None:
    table = '\n[voltage_scaling]\nsource = "a test"\nstatus = "derived"\nbits = [4, 16]\nfactor = [0.5, 1]\n'
    plain, scaled = make.edited("moons2017"), make.edited("moons2017", add=table)
    ratios = [scaled.mac_pj(bits) / plain.mac_pj(bits) for bits in (2, 4, 8, 16)]
    assert ratios == pytest.approx([0.5, 0.5, 0.5**0.5, 1])
    assert scaled.main(4) == plain.main(4)


@pytest.mark.parametrize(("bits", "ways"), [(16, 8), (1, 32), (32, 32**0.5), (64 * 16 * 2, 1)])
def test_a_square_array_shares_by_the_root_of_its_units(bits: int, ways: float) -> None:
    assert Platform.load("moons2017").array.shared_by(bits) == pytest.approx(ways)
    assert Platform.load("eyeriss").array.shared_by(bits) == 1
