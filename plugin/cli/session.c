/* session.c - see session.h. */
#include "cli/session.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/meter.h"
#include "cli/output.h"

/* Progress goes to the meter; sentences are printed past it. */
static void hear(void *self, const struct zs_error *notice)
{
    struct meter *meter = self;
    if (meter_notice(meter, notice))
        return;
    meter_clear(meter);
    print_notice(notice);
}

int session_run_on(struct cli *c, struct server *s, struct query *q, const char *label, int least,
                   struct rows **rows, struct zs_error *e)
{
    struct meter meter;
    const struct listener listener = {.self = &meter, .notice = hear};
    const char *text = NULL;
    TRY(query_text(q, &text, e));
    meter_open(&meter, label, label != NULL && !c->quiet && !c->json);
    int rc = server_run(s, text, &listener, rows, e);
    meter_clear(&meter);
    TRY(rc);
    if (rows_count(*rows) >= least)
        return ZS_OK;
    rows_close(*rows);
    *rows = NULL;
    return error_set(e, ZS_PROTOCOL_VIOLATION, "the server's answer has no row in it");
}

int session_run(struct cli *c, struct query *q, const char *label, int least, struct rows **rows,
                struct zs_error *e)
{
    CLEANUP(repo_close) struct repo repo = {.fd = -1};
    CLEANUP(server_close) struct server server = {0};
    TRY_REPO(&repo, c, e);
    TRY(server_connect(&server, &repo, e));
    return session_run_on(c, &server, q, label, least, rows, e);
}
