"""How figures are printed: energies in the SI prefix that fits, sizes in bits and bytes, counts with thin spaces.

Energies are picojoules everywhere inside picojoule; only this module turns them into text.
"""

_ENERGY = ((1e12, "J"), (1e9, "mJ"), (1e6, "µJ"), (1e3, "nJ"), (1.0, "pJ"))


def energy(energy_pj: float) -> str:
    """Print an energy given in pJ with three figures and the prefix that fits; 0 prints as `0 pJ`.

    >>> energy(3_279_000.0), energy(0.115625), energy(999.96)
    ('3.28 µJ', '0.116 pJ', '1.00 nJ')
    """
    if energy_pj == 0:
        return "0 pJ"
    rounded = float(f"{energy_pj:.2e}")  # before the prefix is chosen: 999.96 pJ are 1.00 nJ
    for scale, unit in _ENERGY:
        if abs(rounded) >= scale or unit == "pJ":
            return f"{_three(rounded / scale)} {unit}"
    raise AssertionError("unreachable: the last prefix takes every value")


def size(bits: int) -> str:
    """Print a size given in bits: whole bits below a byte's worth of eight, else bytes, KiB, MiB.

    >>> size(5), size(80), size(685_568)
    ('5 bit', '10 B', '83.7 KiB')
    """
    if bits < 8:
        return f"{bits} bit"
    if bits < 8 * 1024:
        return f"{_plain(bits / 8)} B"
    kib = bits / 8 / 1024
    return f"{_three(kib)} KiB" if kib < 1023.5 else f"{_three(kib / 1024)} MiB"


def count(number: int) -> str:
    """Print a count with its thousands apart.

    >>> count(13576192)
    '13 576 192'
    """
    return f"{number:,}".replace(",", " ")


def percent(fraction: float, digits: int = 2) -> str:
    """Print a fraction of one in per cent.

    >>> percent(0.9908), percent(0.5, 0)
    ('99.08 %', '50 %')
    """
    return f"{100 * fraction:.{digits}f} %"


def duration(seconds: float) -> str:
    """Print a duration: seconds below a minute, then minutes, then hours.

    >>> duration(3.21), duration(75), duration(7300)
    ('3.2 s', '1 min 15 s', '2 h 01 min')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def roughly(seconds: float) -> str:
    """Print an estimate of a duration, in as few figures as it deserves; the least is a second.

    >>> roughly(0.2), roughly(42), roughly(190), roughly(5000)
    ('1 s', '40 s', '3 min', '1 h 20 min')
    """
    if seconds < 9.5:
        return f"{max(1, round(seconds))} s"
    if seconds < 57.5:
        return f"{5 * round(seconds / 5)} s"
    if seconds < 57.5 * 60:
        return f"{max(1, round(seconds / 60))} min"
    hours, tens = divmod(round(seconds / 600), 6)
    return f"{hours} h {tens}0 min" if tens else f"{hours} h"


def _three(value: float) -> str:
    """Three significant figures, without an exponent; whole numbers from 100 on."""
    exponent = int(f"{value:.2e}".partition("e")[2])
    return f"{value:.{max(0, 2 - exponent)}f}"


def _plain(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.1f}"
