/* send_fixture.h - the sending half on a branch of pages, and a receiver that says what it likes
 * and hears what comes.
 * Flow: the sender's channel passes on to a pipe; the receiver answers in the sender's thread,
 * right behind the message that it waits for.  Threads: the sender's own. */
#ifndef TESTS_UNIT_SYNC_SEND_FIXTURE_H
#define TESTS_UNIT_SYNC_SEND_FIXTURE_H

#include "../../support/suite.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "stub/stub_pipe.h"
#include "stub/stub_store.h"
#include "sync/history.h"
#include "sync/send.h"
#include "wire/batch.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define UNUSED      __attribute__((unused))
#define PAGES       300u
#define PAGES_BYTES ((uint64_t)PAGES * 8192)

struct scene {
    struct stub_store *store;
    struct snapshot snapshot;
    struct zs_channel far; /* the receiver's end */
    struct conn conn;
    struct transfer_list *list;
    struct zs_channel near;     /* what conn sends through, see hear_and_answer */
    struct state_message state; /* of a receiver that has nothing */
    struct done_message done;   /* what an honest one says at the end */
    char answer_to;             /* the message that the receiver ends after; 0: none */
    bool answers;               /* and whether with DONE */
    bool fails;                 /* instead its command fails, with far_failure */
    bool ended;                 /* it has */
};

/* What a far server says of a command that it cancels itself. */
static const struct zs_error far_failure = {.sqlstate = ZS_CANCELLED,
                                            .message = "the server is shutting down",
                                            .detail = "Nothing was changed there.",
                                            .hint = "Wait for it to come back."};

static void must(int rc, const struct zs_error *e)
{
    if (rc != ZS_OK) {
        (void)printf("%s %s\n", e->sqlstate, e->message);
        abort();
    }
}

static void say(struct scene *s, char type, const char *text)
{
    struct zs_error e = {0};
    char whole[16384];
    int n = snprintf(whole, sizeof whole, "%c%s", type, text);
    must(s->far.send(s->far.self, whole, (uint64_t)n, &e), &e);
}

static void say_done(struct scene *s)
{
    struct zs_error e = {0};
    CLEANUP(free_ptr) char *text = NULL;
    must(done_encode(&s->done, &text, &e), &e);
    say(s, 'D', text);
}

/* The receiver answers when it has all: not before, or the sender would take it amiss. */
static int32_t hear_and_answer(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    struct scene *s = self;
    TRY(s->near.send(s->near.self, msg, len, e));
    if (*(const char *)msg != s->answer_to)
        return ZS_OK;
    s->ended = s->fails;
    if (s->fails)
        return ZS_OK;
    if (s->answers)
        say_done(s);
    return s->far.finish(s->far.self, e);
}

static int32_t pass_recv(void *self, int32_t timeout_ms, const void **msg, uint64_t *len,
                         struct zs_error *e)
{
    const struct scene *s = self;
    if (s->ended) {
        *e = far_failure;
        return ZS_RECV_ERROR;
    }
    return s->near.recv(s->near.self, timeout_ms, msg, len, e);
}

static int32_t pass_finish(void *self, struct zs_error *e)
{
    const struct scene *s = self;
    return s->near.finish(s->near.self, e);
}

static void pass_close(void *self)
{
    const struct scene *s = self;
    s->near.close(s->near.self);
}

/* A branch of so many pages, up to 0/1000. */
UNUSED static void scene_open_small(struct scene *s, unsigned options, uint32_t npages)
{
    struct zs_error e = {0};
    static uint8_t pages[PAGES][8192];
    struct zs_record records[PAGES];
    memset(s, 0, sizeof *s);
    for (uint32_t i = 0; i < npages; i++)
        memset(pages[i], 1 + (int)(i % 255), sizeof pages[i]);
    must(stub_store_open(options, &s->store, &e), &e);
    must(transfer_list_open(&s->list, &e), &e);
    conn_init(&s->conn);
    must(stub_pipe_open(64u << 20, NULL, NULL, &s->near, &s->far, &e), &e);
    s->conn.channel = (struct zs_channel){.struct_size = sizeof s->conn.channel,
                                          .self = s,
                                          .send = hear_and_answer,
                                          .recv = pass_recv,
                                          .finish = pass_finish,
                                          .close = pass_close};
    s->answer_to = 'C';
    s->answers = true;
    for (uint32_t i = 0; i < npages; i++) {
        records[i] = (struct zs_record){
            .kind = ZS_KIND_IMAGE, .len = sizeof pages[i], .value = pages[i], .lsn = i + 1};
        put_u32be(records[i].key + 14, i);
    }
    must(stub_store_branch_create(s->store, "main", NULL, NULL, &e), &e);
    must(stub_store_write(s->store, "main", records, npages, 0x1000, &e), &e);
    must(snapshot_open(stub_store_table(s->store), "main", &s->snapshot, &e), &e);
    s->state = (struct state_message){.digests = true, .encodings = 7};
    s->done = (struct done_message){.verdict = VERDICT_ABSENT,
                                    .timeline = s->snapshot.info.timeline,
                                    .last = history_last(&s->snapshot)};
}

UNUSED static void scene_open(struct scene *s, unsigned options)
{
    scene_open_small(s, options, PAGES);
}

UNUSED static void scene_close(struct scene *s)
{
    snapshot_close(&s->snapshot);
    conn_close(&s->conn);
    s->far.close(s->far.self);
    transfer_list_close(s->list);
    CU_ASSERT(stub_store_open_handles(s->store) == 0);
    stub_store_close(s->store);
}

UNUSED static void say_state(struct scene *s)
{
    struct zs_error e = {0};
    CLEANUP(free_ptr) char *text = NULL;
    must(state_encode(&s->state, &text, &e), &e);
    say(s, 'S', text);
}

/* Run the sender; `told`: the STATE came with the command. */
UNUSED static int run(struct scene *s, struct send_job job, bool told, struct outcome *o,
                      struct zs_error *e)
{
    struct transfer *t = transfer_begin(s->list, "test", "main", "far");
    struct progress progress = {.transfer = t};
    *e = (struct zs_error){0};
    job.snapshot = &s->snapshot;
    job.conn = &s->conn;
    job.transfer = t;
    job.progress = &progress;
    int rc = send_run(&job, told ? &s->state : NULL, o, e);
    transfer_end(t, rc == ZS_OK ? NULL : e);
    return rc;
}

/* What came over: a letter per message. */
struct heard {
    char types[64];
    uint32_t batches, records, smallest, largest; /* records of all batches but the last */
    uint8_t encoding;
    struct zs_digest sum; /* of what came */
    struct offer_message offer;
    struct commit_message commit;
};

UNUSED static struct heard listen(struct scene *s)
{
    struct zs_error e = {0};
    struct heard h = {.smallest = UINT32_MAX};
    struct batch_reader *reader = NULL;
    const void *m = NULL;
    uint64_t len = 0;
    uint32_t last = 0;
    must(batch_reader_open(&reader, &e), &e);
    for (size_t i = 0; s->far.recv(s->far.self, 0, &m, &len, &e) == ZS_RECV_MESSAGE; i++) {
        const char *text = m;
        CU_ASSERT_FATAL(i < sizeof h.types - 1);
        h.types[i] = text[0];
        if (text[0] == 'O') {
            ASSERT_OK(offer_decode(text + 1, len - 1, &h.offer, &e));
            batch_reader_expect(reader, 0);
        }
        if (text[0] == 'C')
            ASSERT_OK(commit_decode(text + 1, len - 1, &h.commit, &e));
        if (text[0] != 'B')
            continue;
        const struct zs_record *records = NULL;
        uint32_t n = 0;
        h.encoding = ((const uint8_t *)m)[1];
        ASSERT_OK(batch_decode(reader, m, len, &records, &n, &e));
        if (h.batches > 0) {
            h.smallest = last < h.smallest ? last : h.smallest;
            h.largest = last > h.largest ? last : h.largest;
        }
        last = n;
        struct zs_digest sum = {0}, told;
        digest_add_records(&sum, records, n);
        CU_ASSERT(!batch_reader_sum(reader, &told) || digest_equal(told, sum));
        h.sum = digest_plus(h.sum, sum);
        h.batches++;
        h.records += n;
    }
    batch_reader_close(reader);
    return h;
}

#endif
