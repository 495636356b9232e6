"""How constants lie in a program's file: numbers or codes as a stream of bits, codes with their table and shifts."""

from collections.abc import Mapping
from math import prod

import torch
from torch import Tensor

from picojoule.files import Fields
from picojoule.integer.coding import ENTRY_BITS, MOST_ENTRIES, SHIFT_BITS, Coding, blocks_of
from picojoule.integer.packing import FORMS, pack, unpack
from picojoule.integer.types import Constant, shape_of


def packed(constant: Constant) -> Tensor:
    """A constant's bytes."""
    codes = pack(constant.codes, constant.bits, constant.form)
    return codes if constant.coding is None else torch.cat([codes, constant.coding.pack()])


def constant_of(name: str, fields: Fields, tensors: Mapping[str, Tensor]) -> Constant:
    """The constant of `Constant.to_table` and its bytes among those of a file."""
    shape, bits, form = shape_of(fields), fields.integer("bits", 1, 54), fields.text("form", FORMS)
    stated = fields.table("coding") if "coding" in fields else None
    fields.finish()
    parts: dict[str, tuple[tuple[int, ...], int]] = {"codes": (shape, bits)}
    if stated is not None:
        entries, block = _stated(stated, shape)
        parts["table"] = (entries,), ENTRY_BITS
        parts |= {"shifts": (blocks_of(shape, block), SHIFT_BITS)} if block else {}
    sizes = [-(-prod(counts) * width // 8) for counts, width in parts.values()]
    if name not in tensors or tensors[name].dtype != torch.uint8 or tensors[name].shape != (sum(sizes),):
        fields.fail(f"{list(shape)} codes of {bits} bits take {sum(sizes)} bytes, and the file has others")
    streams = dict(zip(parts, tensors[name].split(sizes), strict=True))
    codes = unpack(streams["codes"], prod(shape), bits, form).reshape(shape)
    if stated is None:
        return Constant(codes, bits, form)
    if form != "unsigned" or int(codes.max()) >= entries:
        fields.fail(f"has {form} codes up to {int(codes.max())} for a table of {entries}")
    coding = Coding(unpack(streams["table"], entries, ENTRY_BITS, "signed"))
    if block:
        blocks, width = parts["shifts"]
        coding = Coding(coding.table, block, unpack(streams["shifts"], prod(blocks), width, "unsigned").reshape(blocks))
    return Constant(coding.values(codes), bits, form, coding)


def _stated(fields: Fields, shape: tuple[int, ...]) -> tuple[int, int]:
    """Entries of the table, and the length of blocks, 0 without."""
    if len(shape) < 2:
        fields.fail(f"codes numbers of shape {list(shape)}; weights have outputs and inputs")
    entries, block = fields.integer("entries", 1, MOST_ENTRIES), fields.integer("block", 0, shape[1])
    fields.finish()
    return entries, block
