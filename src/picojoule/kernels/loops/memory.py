"""What Python has no words for: addresses, the bits of numbers, and what is the largest of several at once.

On the disk, numba keeps the code of a loop for as long as the loop's own file stays as it is: after a change here, or
in a function that a loop calls from another file, the folders `__pycache__` of this room have to go.
"""

from llvmlite import ir
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic

_INFINITY = {32: 0xFF << 23, 64: 0x7FF << 52}
"""The bits of Inf."""


@intrinsic
def at(context, address, real):
    """The pointer to real numbers at an address, for `carray`."""
    pointer = types.CPointer(real.instance_type)

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(address, real), generate


@intrinsic
def cast(context, number, kind):
    """The number of another type of the same width that has the same bits."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(kind.instance_type))

    return kind.instance_type(number, kind), generate


@intrinsic(prefer_literal=True)
def peak(context, address, whole, count):
    """The bits of the largest magnitude of `count` floats at an address, whose bits are of type `whole`; NaN is 0.

    LLVM finds no good code of its own for the largest of 16 or 32 numbers.
    """

    def generate(context, builder, signature, arguments):
        lanes, kind = count.literal_value, context.get_value_type(whole.instance_type)
        vector = ir.VectorType(kind, lanes)

        def all_of(number):
            return ir.Constant(vector, [number] * lanes)

        values = builder.load(builder.inttoptr(arguments[0], vector.as_pointer()), align=kind.width // 8)
        values = builder.and_(values, all_of((1 << (kind.width - 1)) - 1))
        is_number = builder.icmp_signed("<=", values, all_of(_INFINITY[kind.width]))
        values = builder.select(is_number, values, all_of(0))
        name = f"llvm.vector.reduce.smax.v{lanes}i{kind.width}"
        return builder.call(get_or_insert_function(builder.module, ir.FunctionType(kind, [vector]), name), [values])

    return whole.instance_type(address, whole, count), generate


def _with_scale(operation):
    """What stores `count` floats of one address at another, after an operation of LLVM's with the scale."""

    @intrinsic(prefer_literal=True)
    def apply(context, source, target, scale, count):
        def generate(context, builder, signature, arguments):
            real, lanes = context.get_value_type(signature.args[2]), count.literal_value
            vector = ir.VectorType(real, lanes)
            align = signature.args[2].bitwidth // 8
            where = [builder.inttoptr(address, vector.as_pointer()) for address in arguments[:2]]
            one = builder.insert_element(
                ir.Constant(vector, ir.Undefined), arguments[2], ir.Constant(ir.IntType(32), 0)
            )
            scales = builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes))
            values = builder.load(where[0], align=align)
            builder.store(getattr(builder, operation)(values, scales), where[1], align=align)
            return context.get_dummy_value()

        return types.void(source, target, scale, count), generate

    return apply


divide, multiply = _with_scale("fdiv"), _with_scale("fmul")
