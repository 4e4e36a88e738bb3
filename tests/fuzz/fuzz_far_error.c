/* fuzz_far_error.c - what a far server, or libpq, said of a login that failed and of a
 * connection that broke (transport/libpq/far_error.h).
 * Input: a byte (bit 1: a password is needed), then the text.
 * Holds: the error is whole, with one of the SQLSTATEs that its header names. */
#include "support.h"

#include "transport/libpq/far_error.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zs_error e;
    if (size < 1 || size > FUZZ_INPUT_MAX)
        return 0;
    const char *text = fuzz_text(0, data + 1, size - 1);
    fuzz_error_before(&e);
    HOLDS(!fuzz_error_after(far_error_login(text, data[0] & 1u, "db.example:5432", &e), &e));
    HOLDS(strcmp(e.sqlstate, ZS_CANNOT_CONNECT) == 0 || strcmp(e.sqlstate, "28P01") == 0 ||
          strcmp(e.sqlstate, "28000") == 0);
    HOLDS(strstr(e.message, "db.example:5432") != NULL && e.hint[0] != '\0');
    fuzz_error_before(&e);
    HOLDS(!fuzz_error_after(far_error_lost(text, "db.example:5432", &e), &e));
    HOLDS(strcmp(e.sqlstate, ZS_CONNECTION_LOST) == 0 && e.retry == ZS_RETRY_RESUME);
    return 0;
}
