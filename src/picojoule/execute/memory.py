"""Values kept between evaluations, within a budget of memory."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any


class Memory:
    """What was worked out before, by key; the least recently used makes room for the new, up to `limit` bytes.

    `begin` begins a round, an evaluation. What this round or the one before used is not thrown away: a round that needs
    more than there is room for would else throw out, one after the other, exactly what it comes to next. What finds no
    room is simply not kept. Threads may share a memory.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._size, self._round = limit, 0, 0
        self._entries: OrderedDict[Hashable, tuple[Any, int, int]] = OrderedDict()  # value, bytes, last used in
        self._lock = Lock()

    def begin(self) -> None:
        """The next evaluation begins."""
        self._round += 1

    def get(self, key: Hashable) -> Any:
        """What is kept under a key; None where nothing is."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            value, size, _ = found
            self._entries[key] = (value, size, self._round)
            self._entries.move_to_end(key)
            return value

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keep a value of so many bytes, where there is room."""
        with self._lock:
            if key in self._entries or not self._room(size):
                return
            self._entries[key] = (value, size, self._round)
            self._size += size

    def _room(self, size: int) -> bool:
        while self._size + size > self._limit and self._entries:
            key, (_, freed, used) = next(iter(self._entries.items()))
            if used >= self._round - 1:
                return False
            del self._entries[key]
            self._size -= freed
        return self._size + size <= self._limit
