/* leases.c - what this server keeps from its garbage collection for transfers that were
 * cut off while it sent: one row each.
 * Threads: the sessions'. */
#include "base/error.h"
#include "command/command.h"
#include "command/row.h"
#include "model/lsn.h"

int leases(void *self, const struct zs_session *session, const char *args, struct zs_error *e)
{
    static const char *const columns[] = {"branch", "from_lsn", "to_lsn", "left_seconds"};
    enum { COLUMNS = sizeof columns / sizeof *columns };
    const struct sync_module *module = self;
    struct lease_facts all[LEASES_MAX];
    TRY(arguments_none(args, "leases", e));
    unsigned n = lease_list_look(module->leases, all);
    TRY(row_columns(session, columns, COLUMNS, e));
    for (unsigned i = 0; i < n; i++) {
        struct number_text left = number_text(all[i].left_seconds);
        struct lsn_text from = lsn_text(all[i].from_lsn), to = lsn_text(all[i].to_lsn);
        const char *const row[COLUMNS] = {all[i].branch, from.s, to.s, left.s};
        TRY(row_write(session, row, COLUMNS, e));
    }
    return ZS_OK;
}
