/* Included before anything of a network that is traced: every step begins with a call that takes the time. */
void network_traced(void);
#define NETWORK_STEP(step) network_traced()
