/* store_stub_driver.h - the in-memory store under the store contract.  Threads: one. */
#ifndef TESTS_STORE_STUB_DRIVER_H
#define TESTS_STORE_STUB_DRIVER_H

/* Run the contract over it, opened with these STUB_STORE_* options. */
int store_stub_main(const char *suite, unsigned options, int argc, char **argv);

#endif
