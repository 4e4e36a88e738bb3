/* beside.c - see beside.h.  One slot that is handed over, and taken back when it is done. */
#include "sync/beside.h"

#include "base/handoff.h"

#define LOOK_MS 250

struct errand {
    int (*call)(void *context, struct zs_error *e);
    void *context;
};

static int run(void *context, struct handoff *h, struct zs_error *e)
{
    const struct errand *errand = context;
    uint32_t slot = 0;
    if (handoff_take(h, -1, &slot, e) != HANDOFF_SLOT)
        return ZS_FAIL;
    TRY(errand->call(errand->context, e));
    handoff_done(h);
    return ZS_OK;
}

static int await(const struct receive_job *job, struct handoff *h, struct zs_error *e)
{
    enum handoff_got got;
    uint32_t slot = 0;
    if (handoff_room(h, -1, &slot, e) != HANDOFF_SLOT)
        return ZS_FAIL;
    handoff_give(h, 1);
    while ((got = handoff_rest(h, LOOK_MS, e)) == HANDOFF_NOTHING) {
        struct zs_error unheard = {0};
        (void)conn_keep_alive(job->conn, &unheard);
        progress_tell(job->progress);
    }
    return got == HANDOFF_SLOT ? ZS_OK : ZS_FAIL;
}

int beside_run(const struct receive_job *job, int (*call)(void *context, struct zs_error *e),
               void *context, struct zs_error *e)
{
    struct errand errand = {.call = call, .context = context};
    struct handoff *h = NULL;
    TRY(handoff_open(1, 1, &h, e));
    int rc = handoff_start(h, run, &errand) ? await(job, h, e) : call(context, e);
    handoff_close(h);
    return rc;
}
