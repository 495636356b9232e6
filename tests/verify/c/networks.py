"""Small networks by hand that keep the contract of exported C, and what the tests of running them need."""

from collections.abc import Mapping

HEADER = """
#include <stdint.h>
typedef {input} network_input_t;
typedef {output} network_output_t;
#define NETWORK_INPUTS {inputs}
#define NETWORK_OUTPUTS {outputs}
#define NETWORK_STEPS {steps}
#define NETWORK_ARENA_BYTES 0
int network_run(const network_input_t *input, network_output_t *output);
"""
SOURCE = """
#include "network.h"
#ifndef NETWORK_STEP
#define NETWORK_STEP(step) ((void)0)
#endif
{before}
int network_run(const network_input_t *input, network_output_t *output)
{{
    (void)input;
    output[0] = 0;
    {body}
    return 0;
}}
"""
BARE = "NETWORK_STEP(0); output[0] = input[0]; NETWORK_STEP(1);"
"""One step, which copies a code."""


def network(
    body: str = BARE, before: str = "", *, steps: int = 1, inputs: int = 2, outputs: int = 1, input: str = "int16_t",
    output: str = "int32_t",
) -> Mapping[str, bytes]:  # fmt: skip
    """The files of a network whose network_run does `body`."""
    header = HEADER.format(input=input, output=output, inputs=inputs, outputs=outputs, steps=steps)
    return {"network.h": header.encode(), "network.c": SOURCE.format(before=before, body=body).encode()}


DOT = network(
    """
    int64_t sum = 0;
    NETWORK_STEP(0);
    for (int i = 0; i < NETWORK_INPUTS; i++)
        sum += (int64_t)input[i] * weights[i];
    NETWORK_STEP(1);
    output[0] = sum > 0;
    output[1] = sum < -128 ? -128 : sum > 127 ? 127 : sum;
    output[2] = sum * 32749;
    NETWORK_STEP(2);
    """,
    "static const int32_t weights[NETWORK_INPUTS] = {-2147483647, 2147483647, 1, -3, 7, 0, 65536, 99};",
    steps=2, inputs=8, outputs=3, output="int64_t",
)  # fmt: skip
"""A sum of products, given in 1, in 8, and in up to 64 bits."""
DOT_WEIGHTS = (-2147483647, 2147483647, 1, -3, 7, 0, 65536, 99)


def dot(codes: list[list[int]]) -> list[list[int]]:
    """What DOT is to give, in Python's own integers."""
    sums = [sum(code * weight for code, weight in zip(each, DOT_WEIGHTS, strict=True)) for each in codes]
    return [[int(each > 0), max(-128, min(127, each)), each * 32749] for each in sums]
