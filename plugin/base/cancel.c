/* cancel.c - see cancel.h. */
#include "base/cancel.h"

#include "base/error.h"

int cancel_fail(struct zs_error *e)
{
    error_set(e, ZS_CANCELLED, "the transfer was cancelled");
    return error_hint(e, "Nothing was changed; run the same command to start again.");
}

int cancel_check(const struct zs_cancel *cancel, struct zs_error *e)
{
    if (cancel == NULL)
        return ZS_OK;
    if (cancel->requested(cancel->self) != 0)
        return cancel_fail(e);
    if (!cancel_is_late(cancel))
        return ZS_OK;
    error_set(e, ZS_CANCELLED, "the transfer was cancelled: its time is up");
    return error_hint(e, "Nothing was changed; run the same command again, with more time.");
}
