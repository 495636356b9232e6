"""The loops themselves, in the Python that numba compiles. Imported by `machine` alone, where machine code is first
needed.

Each runs over `rows` rows of `n` numbers that lie one after the other; every row has parameters of its own. They are
written for LLVM to make vector code of: indices count from zero, nothing divides, numbers stay of one type, loads come
before choices, and writing in place (`here`) is machine code of its own, since a loop from one tensor to another is
made into vectors for the case that they lie apart.
"""

from collections.abc import Callable

Loop = Callable[..., None]
"""Machine code, called with addresses and numbers."""

PART, SMALL = 16, 4
"""Tables are passed so many members at a time, which registers hold; the smallest have no more entries than SMALL."""
