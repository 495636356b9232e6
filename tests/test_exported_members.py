"""The public face: exactly these names, each of them what it says, whatever else is imported."""

import importlib
import inspect
import pkgutil
import subprocess
import sys
from importlib.metadata import version
from types import ModuleType

import picojoule

EXPECTED = [
    "Accuracy",
    "EnergyReport",
    "Format",
    "InputError",
    "Network",
    "OperatingPoint",
    "PicojouleError",
    "Plan",
    "Platform",
    "Ranges",
    "Result",
    "Samples",
    "Sparsity",
    "UnreachableFloorError",
    "calibrate",
    "capture",
    "cluster",
    "energy",
    "explore",
    "format",
    "load",
    "lower",
    "quantize",
    "search",
    "train",
]

WALK = """
import importlib, pkgutil, sys
importlib.import_module(sys.argv[1])
import picojoule
for found in pkgutil.walk_packages(picojoule.__path__, "picojoule."):
    importlib.import_module(found.name)
print(*(type(getattr(picojoule, name)).__name__ for name in ("search", "energy", "quantize", "explore")))
"""


def test_the_face_is_exactly_this_list() -> None:
    assert picojoule.__all__ == EXPECTED
    assert sorted(EXPECTED) == EXPECTED


def test_every_name_resolves_and_none_is_a_module() -> None:
    values = {name: getattr(picojoule, name) for name in picojoule.__all__}
    assert [name for name, value in values.items() if isinstance(value, ModuleType)] == []
    assert [name for name, value in values.items() if not callable(value)] == []
    assert [name for name, value in values.items() if not inspect.getdoc(value)] == []


def test_functions_win_over_the_rooms_of_the_same_name() -> None:
    rooms = [found.name for found in pkgutil.walk_packages(picojoule.__path__, "picojoule.")]
    for room in rooms:
        importlib.import_module(room)
    assert {"picojoule.search", "picojoule.energy", "picojoule.quantize", "picojoule.explore"} <= set(rooms)
    for name in ("search", "energy", "quantize", "explore"):
        assert inspect.isfunction(getattr(picojoule, name)), name


def test_functions_win_where_a_room_is_imported_first() -> None:
    for room in ("picojoule.search", "picojoule.energy", "picojoule.explore"):
        done = subprocess.run([sys.executable, "-c", WALK, room], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["function"] * 4, room


def test_the_rooms_stay_importable_by_their_names() -> None:
    from picojoule.energy import Platform
    from picojoule.quantize import Quantizer
    from picojoule.search import Result

    assert Result is picojoule.Result
    assert Platform is picojoule.Platform
    assert inspect.isclass(Quantizer)


def test_load_is_that_of_the_result() -> None:
    assert picojoule.load == picojoule.Result.load


def test_the_version_is_the_installed_one() -> None:
    assert picojoule.__version__ == version("picojoule")
