/* support.h - what the fuzz targets share.
 * A target is one file, fuzz_NAME.c, that defines LLVMFuzzerTestOneInput.  Linked with
 * libFuzzer it searches (make fuzz); linked with replay.c it runs the committed files of
 * corpus/NAME (make fuzz-replay).  A target asserts what its header promises, with HOLDS.
 * Threads: one.  State: the regions below, reused by each input. */
#ifndef TESTS_FUZZ_SUPPORT_H
#define TESTS_FUZZ_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zenith-sync/types.h>

#define FUZZ_INPUT_MAX ((size_t)65536) /* longer inputs are passed over */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* End the process, and say what did not hold, if it does not. */
#define HOLDS(condition) ((condition) ? (void)0 : fuzz_broken(#condition, __FILE__, __LINE__))
_Noreturn void fuzz_broken(const char *condition, const char *file, int line);

/* A copy that ends where readable memory ends, so that libraries built without a
 * sanitizer cannot read past it either; a few bytes in front are poisoned.  There are
 * FUZZ_SLOTS places; what was in one is gone. */
#define FUZZ_SLOTS 4
uint8_t *fuzz_bytes(unsigned slot, const void *data, size_t size);

/* The same as text: up to the first NUL, which it gets at its end. */
char *fuzz_text(unsigned slot, const void *data, size_t size);

/* Takes an input apart: a byte, or the text up to the next NUL (which is eaten), or all
 * that is left.  What is missing is 0 or empty. */
struct fuzz_input {
    const uint8_t *at;
    size_t left;
};
uint8_t fuzz_take_byte(struct fuzz_input *in);
char *fuzz_take_text(struct fuzz_input *in, unsigned slot);

/* An error before a call, filled with a pattern; and after it.  With ZS_OK it must be as
 * it was; else SQLSTATE and message must be set, all texts ended, and UTF-8 if every
 * text in the slots is (errors quote what was wrong).  Returns rc == ZS_OK. */
void fuzz_error_before(struct zs_error *e);
bool fuzz_error_after(int rc, const struct zs_error *e);

bool fuzz_is_utf8(const char *text);

#endif
