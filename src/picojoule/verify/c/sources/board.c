/* What a bare Cortex-M board needs to run the driver, and what is measured around each network_run.
 *
 * The linker puts __wrap_network_run in the driver's call. In an image with TRACED samples it takes the time at every
 * NETWORK_STEP; else it measures the stack, of the very code that ships. The figures are printed when main has ended. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define SYSTICK_CONTROL REGISTER(0xE000E010)
#define SYSTICK_RELOAD REGISTER(0xE000E014)
#define SYSTICK_VALUE REGISTER(0xE000E018)
#define INTERRUPT_STATE REGISTER(0xE000ED04)
#define CONFIGURATION REGISTER(0xE000ED14)
#define COPROCESSORS REGISTER(0xE000ED88)
#define FLOAT_CONTEXT REGISTER(0xE000EF34)

extern char data_image[], data_start[], data_end[], bss_start[], bss_end[];
void stack_top(void); /* an address */
void initialise_monitor_handles(void);
void reset(void);
void fault(const uint32_t *frame);
void faulted(void);
void tick(void);
int main(void);
int __wrap_network_run(const network_input_t *input, network_output_t *output);
int __real_network_run(const network_input_t *input, network_output_t *output);
static void report(void);

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    stack_top, reset, faulted, faulted, faulted, faulted, faulted, faulted, [15] = tick};

void reset(void)
{
    memcpy(data_start, data_image, (size_t)(data_end - data_start));
    memset(bss_start, 0, (size_t)(bss_end - bss_start));
#if __ARM_ARCH == 6
    CONFIGURATION |= 1U << 3; /* a Cortex-M0 has no unaligned accesses, but its code runs on an M3 here */
#endif
#if defined __ARM_FP || defined __ARM_FEATURE_MVE
    COPROCESSORS |= 0xFU << 20; /* vector registers */
    FLOAT_CONTEXT = 0; /* an interrupt saves none of them */
    __asm__ volatile("dsb\n isb");
#endif
    initialise_monitor_handles();
    const int status = main();
    if (status == 0)
        report();
    exit(status);
}

/* Goes on with a whole stack: the fault may be that of one that ran over. */
__attribute__((naked)) void faulted(void)
{
    __asm__("mov r0, sp\n ldr r1, =stack_top\n mov sp, r1\n bl fault\n .ltorg");
}

void fault(const uint32_t *frame)
{
    fprintf(stderr, "fault at 0x%lx\n", (unsigned long)frame[6]);
    exit(2);
}

#if TRACED

#define READINGS (2 + NETWORK_STEPS + 1) /* the first two tell what taking the time costs */

static struct reading {
    uint32_t wraps, value, state;
} readings[TRACED][READINGS];
static int samples, taken;
static volatile uint32_t wraps;

/* The counter's 24 bits have wrapped. Five instructions, as the reader of the report knows. */
__attribute__((naked)) void tick(void)
{
    __asm__("ldr r0, =wraps\n ldr r1, [r0]\n add r1, #1\n str r1, [r0]\n bx lr\n .ltorg");
}

/* As straight as it can be, so that it always takes the same number of instructions. A wrap while interrupts are off
 * shows as pending. */
void network_traced(void)
{
    __asm__ volatile("cpsid i" ::: "memory");
    const uint32_t value = SYSTICK_VALUE, state = INTERRUPT_STATE;
    if (taken < READINGS)
        readings[samples][taken] = (struct reading){wraps, value, state};
    taken++;
    __asm__ volatile("cpsie i" ::: "memory");
}

int __wrap_network_run(const network_input_t *input, network_output_t *output)
{
    SYSTICK_RELOAD = 0xFFFFFF;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = 7; /* the processor's clock, interrupts, on */
    taken = 0;
    network_traced();
    network_traced();
    const int status = __real_network_run(input, output);
    SYSTICK_CONTROL = 0;
    if (status == 0 && taken != READINGS) {
        fprintf(stderr, "NETWORK_STEP was called %d times, NETWORK_STEPS is %d\n", taken - 2, NETWORK_STEPS);
        exit(1);
    }
    samples++;
    return status;
}

static void report(void)
{
    for (int i = 0; i < samples; i++)
        for (int j = 0; j < READINGS; j++) {
            const struct reading *r = &readings[i][j];
            printf("%lu %lu %lu\n", (unsigned long)r->wraps, (unsigned long)r->value, (unsigned long)r->state);
        }
}

#else

#define PAINT 0x5AFEC0DEU
#define PAINTED 0x4000 /* words */

static uint32_t stack_bytes;

void tick(void)
{
}

int __wrap_network_run(const network_input_t *input, network_output_t *output)
{
    volatile uint32_t *top, *word;
    __asm__ volatile("mov %0, sp" : "=r"(top));
    for (word = top - PAINTED; word < top; word++)
        *word = PAINT;
    const int status = __real_network_run(input, output);
    for (word = top - PAINTED; word < top && *word == PAINT; word++)
        ;
    if (word == top - PAINTED) {
        fprintf(stderr, "network_run needs more than %d bytes of stack\n", 4 * PAINTED);
        exit(1);
    }
    const uint32_t used = (uint32_t)((const char *)top - (volatile const char *)word);
    stack_bytes = used > stack_bytes ? used : stack_bytes;
    return status;
}

static void report(void)
{
    printf("%lu\n", (unsigned long)stack_bytes);
}

#endif
