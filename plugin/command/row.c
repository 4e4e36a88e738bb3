/* row.c - see row.h. */
#include "command/row.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>

struct number_text number_text(uint64_t value)
{
    struct number_text n;
    (void)snprintf(n.s, sizeof n.s, "%" PRIu64, value);
    return n;
}

int row_columns(const struct zs_session *session, const char *const *names, uint32_t n,
                struct zs_error *e)
{
    return error_check(session->columns(session->self, names, n, e), e, "the session's columns");
}

int row_write(const struct zs_session *session, const char *const *values, uint32_t n,
              struct zs_error *e)
{
    return error_check(session->row(session->self, values, n, e), e, "the session's row");
}

int row_only(const struct zs_session *session, const char *const *names, const char *const *values,
             uint32_t n, struct zs_error *e)
{
    TRY(row_columns(session, names, n, e));
    return row_write(session, values, n, e);
}
