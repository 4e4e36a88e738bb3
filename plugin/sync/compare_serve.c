/* compare_serve.c - the half that answers (compare.h).  An asker may ask for nothing but
 * what a pull would give it. */
#include "sync/compare.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "model/lsn.h"
#include "sync/cancel.h"
#include "sync/history.h"

static int send_state(const struct key_reader *r, struct zs_error *e)
{
    CLEANUP(free_ptr) char *text = NULL;
    const struct snapshot *s = r->snapshot;
    struct state_message state = {.exists = true,
                                  .digests = store_has(s->store, ZS_STORE_DIGEST),
                                  .encodings = 1,
                                  .timeline = s->info.timeline,
                                  .last = history_last(s),
                                  .gc_cutoff_lsn = s->info.gc_cutoff_lsn};
    TRY(history_thin(s, 0, s->info.last_valid_lsn, &state.points, e));
    TRY(state_encode(&state, &text, e));
    return conn_send(r->conn, MESSAGE_STATE, text, e);
}

static int answer(const struct key_reader *r, const struct ask_message *ask, struct zs_error *e)
{
    CLEANUP(free_ptr) char *text = NULL;
    CLEANUP(free_ptr) struct sums_message *sums = calloc(1, sizeof *sums);
    struct zs_point point;
    if (sums == NULL)
        return error_memory(e);
    if (ask->upto_lsn > r->snapshot->info.last_valid_lsn)
        return error_set(e, ZS_PROTOCOL_VIOLATION,
                         "the far side asks for records up to %s, and there are some up to %s",
                         lsn_text(ask->upto_lsn).s, lsn_text(r->snapshot->info.last_valid_lsn).s);
    TRY(key_sums(r, ask, sums, e));
    TRY(history_find(r->snapshot, ask->upto_lsn, &sums->has_told, &point, e));
    sums->told = point.digest;
    TRY(sums_encode(sums, &text, e));
    return conn_send(r->conn, MESSAGE_SUMS, text, e);
}

int compare_serve(const struct key_reader *r, struct zs_error *e)
{
    TRY(send_state(r, e));
    for (;;) {
        struct message m;
        struct ask_message ask;
        TRY(cancel_check(r->cancel, e));
        TRY(conn_await(r->conn, PEER_WORKS, "ASK", &m, e));
        TRY(message_expect(&m, MESSAGE_ASK, e));
        TRY(ask_decode(m.body, m.body_bytes, &ask, e));
        if (ask.done)
            return ZS_OK;
        TRY(answer(r, &ask, e));
    }
}
