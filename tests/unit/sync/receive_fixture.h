/* receive_fixture.h - a receiver, and a sender that says what a test wants it to.
 * What an honest sender would say is prepared; a test changes it, says it, and lets the
 * receiver work through it.  Threads: none. */
#ifndef TESTS_UNIT_SYNC_RECEIVE_FIXTURE_H
#define TESTS_UNIT_SYNC_RECEIVE_FIXTURE_H

#include "../../support/suite.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "stub/stub_pipe.h"
#include "stub/stub_store.h"
#include "sync/receive.h"
#include "wire/batch.h"

#include <stdio.h>
#include <string.h>

#define FIXTURE __attribute__((unused)) static

/* The branch "main" of the receiver: nothing, or three records up to 0/10. */
enum { HERE = 0x10, THERE = 0x20 };

struct scene {
    struct stub_store *store;
    struct zs_channel far; /* the sender's end */
    struct conn conn;
    struct transfer_list *list;
    struct zs_branch_info before;
    bool exists;
    /* what an honest sender would say */
    struct offer_message offer;
    struct commit_message commit;
    struct zs_record records[3];
    uint32_t batches;        /* 1, with all records in it, unless a test wants one for each */
    uint32_t inline_batches; /* as a job has it */
    uint64_t beside_bytes, sync_bytes;
};

FIXTURE void must(int rc, const struct zs_error *e)
{
    if (rc != ZS_OK) {
        (void)printf("%s %s\n", e->sqlstate, e->message);
        abort();
    }
}

FIXTURE void records_make(struct zs_record *records, zs_lsn after)
{
    for (uint32_t i = 0; i < 3; i++) {
        records[i] = (struct zs_record){
            .kind = ZS_KIND_IMAGE, .len = 5, .value = "value", .lsn = after + 1 + i};
        put_u32be(records[i].key + 14, i);
    }
}

FIXTURE void scene_open_with(struct scene *s, bool exists, unsigned store_options)
{
    struct zs_error e = {0};
    memset(s, 0, sizeof *s);
    s->exists = exists;
    s->batches = 1;
    must(stub_store_open(store_options, &s->store, &e), &e);
    must(transfer_list_open(&s->list, &e), &e);
    conn_init(&s->conn);
    must(stub_pipe_open(0, NULL, NULL, &s->conn.channel, &s->far, &e), &e);
    if (exists) {
        struct zs_record mine[3];
        records_make(mine, 0);
        must(stub_store_branch_create(s->store, "main", NULL, NULL, &e), &e);
        must(stub_store_write(s->store, "main", mine, 3, HERE, &e), &e);
        must(store_branch_find(stub_store_table(s->store), "main", &s->before, &e), &e);
    }
    records_make(s->records, exists ? HERE : 0);
    digest_add_records(&s->commit.sum, s->records, 3);
    s->commit.records = 3;
    s->commit.bytes = 15;
    s->commit.end = (struct zs_point){.lsn = THERE,
                                      .digest = digest_plus(s->before.digest, s->commit.sum),
                                      .records = s->before.records + 3,
                                      .bytes = s->before.bytes + 15};
    s->offer = (struct offer_message){.verdict = exists ? VERDICT_BEHIND : VERDICT_ABSENT,
                                      .mode = OFFER_SEND,
                                      .digests = true,
                                      .timeline = s->before.timeline,
                                      .from_lsn = exists ? HERE : 0,
                                      .to_lsn = THERE,
                                      .last = s->commit.end};
    s->offer.timeline.bytes[0] |= 1;
}

FIXTURE void scene_open(struct scene *s, bool exists)
{
    scene_open_with(s, exists, 0);
}

FIXTURE void scene_close(struct scene *s)
{
    conn_close(&s->conn);
    s->far.close(s->far.self);
    transfer_list_close(s->list);
    CU_ASSERT(stub_store_open_handles(s->store) == 0);
    stub_store_close(s->store);
}

FIXTURE void say(struct scene *s, const void *message, uint64_t bytes)
{
    struct zs_error e = {0};
    must(s->far.send(s->far.self, message, bytes, &e), &e);
}

FIXTURE void say_text(struct scene *s, char type, char *text)
{
    char whole[16384];
    int n = snprintf(whole, sizeof whole, "%c%s", type, text);
    say(s, whole, (uint64_t)n);
    free(text);
}

FIXTURE void say_offer(struct scene *s)
{
    struct zs_error e = {0};
    char *text = NULL;
    must(offer_encode(&s->offer, &text, &e), &e);
    say_text(s, 'O', text);
}

FIXTURE void say_batch(struct scene *s, struct batch_writer *w, uint32_t first, uint32_t n)
{
    struct zs_error e = {0};
    const void *message = NULL;
    uint64_t bytes = 0;
    for (uint32_t i = first; i < first + n; i++) {
        bool added = false;
        must(batch_add(w, &s->records[i % 3], &added, &e), &e);
    }
    must(batch_finish(w, &message, &bytes, &e), &e);
    say(s, message, bytes);
}

FIXTURE void say_records(struct scene *s)
{
    struct zs_error e = {0};
    struct batch_writer *w = NULL;
    must(batch_writer_open(BATCH_NONE, &w, &e), &e);
    if (s->batches == 1)
        say_batch(s, w, 0, 3);
    for (uint32_t i = 0; s->batches != 1 && i < s->batches; i++)
        say_batch(s, w, i, 1);
    batch_writer_close(w);
}

FIXTURE void say_commit(struct scene *s)
{
    struct zs_error e = {0};
    char *text = NULL;
    must(commit_encode(&s->commit, &text, &e), &e);
    say_text(s, 'C', text);
}

FIXTURE void say_all(struct scene *s)
{
    say_offer(s);
    say_records(s);
    say_commit(s);
}

/* Let the receiver work through what was said, as a pull that may be a dry run. */
FIXTURE int receive(struct scene *s, bool dry_run, struct outcome *o, struct zs_error *e)
{
    struct state_message state;
    struct transfer *t = transfer_begin(s->list, "test", "main", "far");
    struct progress progress = {.transfer = t};
    *e = (struct zs_error){0};
    must(receive_state(stub_store_table(s->store), "main", &state, e), e);
    CU_ASSERT(state.exists == s->exists);
    state.dry_run = dry_run;
    must(s->far.finish(s->far.self, e), e); /* a receiver that waits for more hears the end */
    struct receive_job job = {.store = stub_store_table(s->store),
                              .branch = "main",
                              .conn = &s->conn,
                              .transfer = t,
                              .progress = &progress,
                              .inline_batches = s->inline_batches,
                              .beside_bytes = s->beside_bytes,
                              .sync_bytes = s->sync_bytes};
    int rc = receive_run(&job, &state, false, o, e);
    transfer_end(t, rc == ZS_OK ? NULL : e);
    return rc;
}

FIXTURE bool unchanged(struct scene *s)
{
    struct zs_error e = {0};
    struct zs_branch_info now;
    if (store_branch_find(stub_store_table(s->store), "main", &now, &e) != ZS_OK)
        return !s->exists;
    return s->exists && memcmp(&now, &s->before, sizeof now) == 0;
}

#endif
