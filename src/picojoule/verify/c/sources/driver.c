/* Runs a network on the samples of the file "inputs" and writes the file "outputs", on the host and on a board alike.
 *
 * Both files begin with two int32, how many samples and how many codes of each. Then come the codes, int32 of inputs and
 * int64 of outputs, whatever the network's own types are. */
#include <stdint.h>
#include <stdio.h>

#include "network.h"

static int32_t codes[NETWORK_INPUTS];
static network_input_t input[NETWORK_INPUTS];
static network_output_t output[NETWORK_OUTPUTS];

static int failed(int32_t sample, const char *why)
{
    fprintf(stderr, "sample %ld: %s\n", (long)sample, why);
    return 1;
}

static int run(FILE *inputs, FILE *outputs, int32_t sample)
{
    if (fread(codes, sizeof codes[0], NETWORK_INPUTS, inputs) != NETWORK_INPUTS)
        return failed(sample, "the file of inputs ends too soon");
    for (int32_t i = 0; i < NETWORK_INPUTS; i++) {
        input[i] = (network_input_t)codes[i];
        if ((int32_t)input[i] != codes[i])
            return failed(sample, "a code does not fit network_input_t");
    }
    const int status = network_run(input, output);
    if (status != 0)
        return failed(sample, status == -1 ? "network_run gives -1" : "network_run gives neither 0 nor -1");
    for (int32_t i = 0; i < NETWORK_OUTPUTS; i++) {
        const int64_t code = output[i];
        if (fwrite(&code, sizeof code, 1, outputs) != 1)
            return failed(sample, "outputs cannot be written");
    }
    return 0;
}

int main(void)
{
    FILE *inputs = fopen("inputs", "rb");
    FILE *outputs = fopen("outputs", "wb");
    int32_t shape[2];
    if (inputs == NULL || outputs == NULL || fread(shape, sizeof shape, 1, inputs) != 1)
        return failed(0, "the files of inputs and outputs cannot be opened");
    if (shape[1] != NETWORK_INPUTS)
        return failed(0, "has another number of codes than NETWORK_INPUTS");
    shape[1] = NETWORK_OUTPUTS;
    if (fwrite(shape, sizeof shape, 1, outputs) != 1)
        return failed(0, "outputs cannot be written");
    for (int32_t sample = 0; sample < shape[0]; sample++)
        if (run(inputs, outputs, sample) != 0)
            return 1;
    return fclose(outputs) == 0 ? 0 : failed(shape[0], "outputs cannot be written");
}
