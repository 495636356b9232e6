"""What a search hands over: operating points with their proof, on disk as one folder that needs no data to be used."""

from picojoule.search.result.point import OperatingPoint, Waypoint, non_dominated
from picojoule.search.result.result import Result

__all__ = ["OperatingPoint", "Result", "Waypoint", "non_dominated"]
