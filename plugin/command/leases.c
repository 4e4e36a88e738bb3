/* leases.c - what this server keeps from its garbage collection for transfers that were
 * cut off while it sent: one row each.
 * Threads: the sessions'. */
#include "base/error.h"
#include "command/command.h"
#include "model/lsn.h"

#include <inttypes.h>
#include <stdio.h>

int leases(void *self, const struct zs_session *session, const char *args, struct zs_error *e)
{
    static const char *const columns[] = {"branch", "from_lsn", "to_lsn", "left_seconds"};
    enum { COLUMNS = sizeof columns / sizeof *columns };
    const struct sync_module *module = self;
    struct lease_facts all[LEASES_MAX];
    if (*args != '\0') {
        error_set(e, ZS_SYNTAX_ERROR, "leases takes no arguments");
        return error_hint(e, "Type just: leases");
    }
    unsigned n = lease_list_look(module->leases, all);
    TRY(error_check(session->columns(session->self, columns, COLUMNS, e), e,
                    "the session's columns"));
    for (unsigned i = 0; i < n; i++) {
        char left[21];
        struct lsn_text from = lsn_text(all[i].from_lsn), to = lsn_text(all[i].to_lsn);
        (void)snprintf(left, sizeof left, "%" PRIu64, all[i].left_seconds);
        const char *const row[COLUMNS] = {all[i].branch, from.s, to.s, left};
        TRY(error_check(session->row(session->self, row, COLUMNS, e), e, "the session's row"));
    }
    return ZS_OK;
}
