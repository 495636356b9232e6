"""Values that are kept: within the budget, the least recently used go first, and a round never eats its own."""

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from picojoule.execute.memory import Memory


def test_the_least_recently_used_makes_room() -> None:
    memory = Memory(30)
    for key in "abc":
        memory.put(key, key.upper(), 10)
    memory.begin()
    assert memory.get("a") == "A"
    memory.begin()
    memory.begin()
    memory.put("d", "D", 10)
    assert [memory.get(key) for key in "abcd"] == ["A", None, "C", "D"]


def test_what_this_round_or_the_last_used_stays() -> None:
    memory = Memory(20)
    memory.put("a", 1, 10)
    memory.put("b", 2, 10)
    memory.begin()
    memory.put("c", 3, 10)
    assert [memory.get(key) for key in "abc"] == [1, 2, None]
    memory.begin()
    memory.get("b")
    memory.begin()
    memory.put("c", 3, 10)
    assert [memory.get(key) for key in "abc"] == [None, 2, 3]


def test_what_is_larger_than_all_of_it_is_not_kept() -> None:
    memory = Memory(10)
    memory.put("a", 1, 4)
    memory.put("b", 2, 11)
    assert (memory.get("a"), memory.get("b")) == (1, None)
    assert Memory(0).put("a", 1, 1) is None
    assert Memory(0).get("a") is None


def test_the_first_value_under_a_key_stays() -> None:
    memory = Memory(10)
    memory.put("a", 1, 6)
    memory.put("a", 2, 6)
    assert memory.get("a") == 1


@given(st.lists(st.tuples(st.sampled_from("gpb"), st.integers(0, 9)), max_size=80), st.integers(0, 40))
def test_it_never_exceeds_its_budget_and_never_mistakes_a_value(ops: list[tuple[str, int]], limit: int) -> None:
    memory, held = Memory(limit), dict[int, int]()
    for op, key in ops:
        if op == "b":
            memory.begin()
        elif op == "p":
            memory.put(key, key * key, key + 1)
        else:
            assert memory.get(key) in (None, key * key)
        held = {key: key + 1 for key in range(10) if memory.get(key) is not None}
        assert sum(held.values()) <= limit


def test_threads_may_share_it() -> None:
    memory = Memory(1000)

    def work(start: int) -> bool:
        for key in range(start, start + 500):
            memory.put(key % 97, key % 97, 20)
            if memory.get(key % 89) not in (None, key % 89):
                return False
            memory.begin()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))
    assert sum(memory.get(key) is not None for key in range(97)) <= 50
