/* seeds.h - between seeds.c (files and texts) and seeds_binary.c. */
#ifndef TESTS_FUZZ_SEEDS_H
#define TESTS_FUZZ_SEEDS_H

#include <stddef.h>

/* Write corpus/TARGET/NAME below the folder that was named to the program. */
void seed_write(const char *target, const char *name, const void *bytes, size_t n);

/* The seeds that are not text. */
void seeds_binary(void);

#endif
