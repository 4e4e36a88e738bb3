/* test_receive.c - the receiving half against a sender that says what it likes: nothing that
 * breaks the protocol, or lies, becomes visible. */
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
};

static void must(int rc, const struct zs_error *e)
{
    if (rc != ZS_OK) {
        (void)printf("%s %s\n", e->sqlstate, e->message);
        abort();
    }
}

static void records_make(struct zs_record *records, zs_lsn after)
{
    for (uint32_t i = 0; i < 3; i++) {
        records[i] = (struct zs_record){
            .kind = ZS_KIND_IMAGE, .len = 5, .value = "value", .lsn = after + 1 + i};
        put_u32be(records[i].key + 14, i);
    }
}

static void scene_open(struct scene *s, bool exists)
{
    struct zs_error e = {0};
    memset(s, 0, sizeof *s);
    s->exists = exists;
    must(stub_store_open(0, &s->store, &e), &e);
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

static void scene_close(struct scene *s)
{
    conn_close(&s->conn);
    s->far.close(s->far.self);
    transfer_list_close(s->list);
    CU_ASSERT(stub_store_open_handles(s->store) == 0);
    stub_store_close(s->store);
}

static void say(struct scene *s, const void *message, uint64_t bytes)
{
    struct zs_error e = {0};
    must(s->far.send(s->far.self, message, bytes, &e), &e);
}

static void say_text(struct scene *s, char type, char *text)
{
    char whole[16384];
    int n = snprintf(whole, sizeof whole, "%c%s", type, text);
    say(s, whole, (uint64_t)n);
    free(text);
}

static void say_offer(struct scene *s)
{
    struct zs_error e = {0};
    char *text = NULL;
    must(offer_encode(&s->offer, &text, &e), &e);
    say_text(s, 'O', text);
}

static void say_records(struct scene *s)
{
    struct zs_error e = {0};
    struct batch_writer *w = NULL;
    const void *message = NULL;
    uint64_t bytes = 0;
    must(batch_writer_open(BATCH_NONE, &w, &e), &e);
    for (uint32_t i = 0; i < 3; i++) {
        bool added = false;
        must(batch_add(w, &s->records[i], &added, &e), &e);
    }
    must(batch_finish(w, &message, &bytes, &e), &e);
    say(s, message, bytes);
    batch_writer_close(w);
}

static void say_commit(struct scene *s)
{
    struct zs_error e = {0};
    char *text = NULL;
    must(commit_encode(&s->commit, &text, &e), &e);
    say_text(s, 'C', text);
}

static void say_all(struct scene *s)
{
    say_offer(s);
    say_records(s);
    say_commit(s);
}

/* Let the receiver work through what was said, as a pull that may be a dry run. */
static int receive(struct scene *s, bool dry_run, struct outcome *o, struct zs_error *e)
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
                              .progress = &progress};
    int rc = receive_run(&job, &state, false, o, e);
    transfer_end(t, rc == ZS_OK ? NULL : e);
    return rc;
}

static bool unchanged(struct scene *s)
{
    struct zs_error e = {0};
    struct zs_branch_info now;
    if (store_branch_find(stub_store_table(s->store), "main", &now, &e) != ZS_OK)
        return !s->exists;
    return s->exists && memcmp(&now, &s->before, sizeof now) == 0;
}

static void test_an_honest_sender_is_believed(void)
{
    for (int exists = 0; exists < 2; exists++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        struct zs_branch_info now;
        scene_open(&s, exists == 1);
        say_all(&s);
        ASSERT_OK(receive(&s, false, &o, &e));
        CU_ASSERT(o.records == 3 && o.raw_bytes == 15 && o.to_lsn == THERE);
        must(store_branch_find(stub_store_table(s.store), "main", &now, &e), &e);
        CU_ASSERT(now.last_valid_lsn == THERE && digest_equal(now.digest, s.commit.end.digest));
        CU_ASSERT(now.records == s.commit.end.records);
        scene_close(&s);
    }
}

/* ---- one lie each -----------------------------------------------------------------------------
 */

static void lie_range_begins_lower(struct scene *s)
{
    s->offer.from_lsn--;
}
static void lie_range_begins_higher(struct scene *s)
{
    s->offer.from_lsn++;
}
static void lie_range_ends_before(struct scene *s)
{
    s->offer.to_lsn = s->offer.from_lsn - 1;
}
static void lie_last_is_elsewhere(struct scene *s)
{
    s->offer.last.lsn++;
}
static void lie_last_digest(struct scene *s)
{
    s->offer.last.digest.lo++;
}
static void lie_verdict_equal(struct scene *s)
{
    s->offer.verdict = VERDICT_EQUAL;
}
static void lie_verdict_ahead(struct scene *s)
{
    s->offer.verdict = VERDICT_AHEAD;
}
static void lie_other_existence(struct scene *s)
{
    s->offer.verdict = s->exists ? VERDICT_ABSENT : VERDICT_BEHIND;
}
static void lie_other_timeline(struct scene *s)
{
    s->offer.digests = false;
    memset(s->offer.timeline.bytes, 0xEE, sizeof s->offer.timeline.bytes);
}
static void lie_nothing_but_behind(struct scene *s)
{
    s->offer.mode = OFFER_NONE;
}
static void lie_nothing_but_equal(struct scene *s)
{
    s->offer.mode = OFFER_NONE;
    s->offer.verdict = VERDICT_EQUAL;
}
static void lie_equal_with_another_digest(struct scene *s)
{
    lie_nothing_but_equal(s);
    s->offer.last.lsn = HERE;
}
static void lie_ask_for_what_it_knows(struct scene *s)
{
    s->offer.mode = OFFER_ASK;
}
static void lie_order(struct scene *s)
{
    struct zs_record r = s->records[0];
    s->records[0] = s->records[1];
    s->records[1] = r;
}
static void lie_twice(struct scene *s)
{
    s->records[1] = s->records[0];
}
static void lie_lsn_too_low(struct scene *s)
{
    s->records[0].lsn = s->offer.from_lsn;
}
static void lie_lsn_too_high(struct scene *s)
{
    s->records[2].lsn = THERE + 1;
}
static void lie_value(struct scene *s)
{
    s->records[1].value = "valuE";
}
static void lie_key(struct scene *s)
{
    s->records[2].key[17]++;
}
static void lie_kind(struct scene *s)
{
    s->records[2].kind = ZS_KIND_WAL;
}
static void lie_sum(struct scene *s)
{
    s->commit.sum.hi++;
}
static void lie_sum_and_value(struct scene *s) /* a batch that fits COMMIT, but not D(Y) */
{
    s->records[1].value = "valuE";
    s->commit.sum = (struct zs_digest){0};
    digest_add_records(&s->commit.sum, s->records, 3);
}
static void lie_end_digest(struct scene *s)
{
    s->commit.end.digest.lo++;
}
static void lie_records(struct scene *s)
{
    s->commit.records--;
}
static void lie_bytes(struct scene *s)
{
    s->commit.bytes++;
}
static void lie_end_lsn(struct scene *s)
{
    s->commit.end.lsn--;
}
static void lie_cutoff(struct scene *s)
{
    s->commit.gc_cutoff_lsn = THERE + 1;
}
static void lie_cutoff_of_a_delta(struct scene *s)
{
    s->commit.gc_cutoff_lsn = s->exists ? HERE + 1 : THERE + 1;
}
static void lie_point_at_the_end(struct scene *s)
{
    s->commit.points.count = 1;
    s->commit.points.at[0].lsn = THERE;
}
static void lie_point_before(struct scene *s)
{
    s->commit.points.count = 1;
    s->commit.points.at[0].lsn = s->exists ? HERE : THERE + 5;
}

static void test_each_lie_is_refused_and_nothing_is_visible(void)
{
    static const struct {
        const char *what;
        void (*lie)(struct scene *s);
        const char *sqlstate;
    } lies[] = {
        {"the range begins lower", lie_range_begins_lower, ZS_PROTOCOL_VIOLATION},
        {"the range begins higher", lie_range_begins_higher, ZS_PROTOCOL_VIOLATION},
        {"the range ends before it begins", lie_range_ends_before, ZS_PROTOCOL_VIOLATION},
        {"the last point is elsewhere", lie_last_is_elsewhere, ZS_PROTOCOL_VIOLATION},
        {"records for an equal branch", lie_verdict_equal, ZS_PROTOCOL_VIOLATION},
        {"records for a branch ahead", lie_verdict_ahead, ZS_PROTOCOL_VIOLATION},
        {"absent for behind, behind for absent", lie_other_existence, ZS_PROTOCOL_VIOLATION},
        {"nothing comes, though behind", lie_nothing_but_behind, ZS_PROTOCOL_VIOLATION},
        {"nothing comes, it says equal", lie_nothing_but_equal, ZS_PROTOCOL_VIOLATION},
        {"equal with another digest", lie_equal_with_another_digest, ZS_PROTOCOL_VIOLATION},
        {"records are out of order", lie_order, ZS_PROTOCOL_VIOLATION},
        {"a record comes twice", lie_twice, ZS_PROTOCOL_VIOLATION},
        {"an LSN is too low", lie_lsn_too_low, ZS_PROTOCOL_VIOLATION},
        {"an LSN is too high", lie_lsn_too_high, ZS_PROTOCOL_VIOLATION},
        {"a value is another", lie_value, ZS_CORRUPT},
        {"a key is another", lie_key, ZS_CORRUPT},
        {"a kind is another", lie_kind, ZS_CORRUPT},
        {"the sum is another", lie_sum, ZS_CORRUPT},
        {"value and sum are others", lie_sum_and_value, ZS_CORRUPT},
        {"the end's digest is another", lie_end_digest, ZS_CORRUPT},
        {"a record less", lie_records, ZS_CORRUPT},
        {"a byte more", lie_bytes, ZS_CORRUPT},
        {"the end is elsewhere", lie_end_lsn, ZS_PROTOCOL_VIOLATION},
        {"the cutoff is above the end", lie_cutoff, ZS_PROTOCOL_VIOLATION},
        {"a delta with a cutoff", lie_cutoff_of_a_delta, ZS_PROTOCOL_VIOLATION},
        {"a point at the end", lie_point_at_the_end, ZS_PROTOCOL_VIOLATION},
        {"a point outside", lie_point_before, ZS_PROTOCOL_VIOLATION},
    };
    for (int exists = 0; exists < 2; exists++)
        for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
            struct scene s;
            struct outcome o;
            struct zs_error e;
            scene_open(&s, exists == 1);
            lies[i].lie(&s);
            say_all(&s);
            int rc = receive(&s, false, &o, &e);
            assert_fails(rc, &e, lies[i].sqlstate, lies[i].what, __FILE__, __LINE__);
            CU_ASSERT(unchanged(&s));
            scene_close(&s);
        }
}

static void test_lies_about_a_branch_that_is_there_are_refused(void)
{
    static void (*const lies[])(struct scene *) = {lie_other_timeline, lie_ask_for_what_it_knows};
    for (size_t i = 0; i < 2; i++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        scene_open(&s, true);
        lies[i](&s);
        say_all(&s);
        ASSERT_FAILS(receive(&s, false, &o, &e), ZS_PROTOCOL_VIOLATION);
        CU_ASSERT(unchanged(&s));
        scene_close(&s);
    }
}

static void test_records_for_a_dry_run_are_refused(void)
{
    struct scene s;
    struct outcome o;
    struct zs_error e;
    scene_open(&s, true);
    say_all(&s);
    ASSERT_FAILS(receive(&s, true, &o, &e), ZS_PROTOCOL_VIOLATION);
    CU_ASSERT(unchanged(&s));
    scene_close(&s);
    scene_open(&s, true); /* and without records it is answered */
    s.offer.mode = OFFER_NONE;
    say_offer(&s);
    ASSERT_OK(receive(&s, true, &o, &e));
    CU_ASSERT(o.verdict == VERDICT_BEHIND && unchanged(&s));
    scene_close(&s);
}

/* Messages in another order than the grammar's; each letter is one of them. */
static void test_messages_out_of_turn_are_refused(void)
{
    static const struct {
        const char *said, *sqlstate;
    } cases[] = {
        {"", ZS_CONNECTION_LOST},       {"B", ZS_PROTOCOL_VIOLATION},
        {"C", ZS_PROTOCOL_VIOLATION},   {"S", ZS_PROTOCOL_VIOLATION},
        {"D", ZS_PROTOCOL_VIOLATION},   {"O", ZS_CONNECTION_LOST},
        {"OO", ZS_CONNECTION_LOST},     {"OB", ZS_CONNECTION_LOST},
        {"OBB", ZS_PROTOCOL_VIOLATION}, {"OBO", ZS_CONNECTION_LOST},
        {"OBD", ZS_PROTOCOL_VIOLATION}, {"OC", ZS_CORRUPT},
        {"OBx", ZS_PROTOCOL_VIOLATION}, {"KOKK", ZS_CONNECTION_LOST},
        {"OOO", ZS_PROTOCOL_VIOLATION}, {"OBOBO", ZS_PROTOCOL_VIOLATION},
        {"OBOC", ZS_CORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        scene_open(&s, true);
        for (const char *c = cases[i].said; *c != '\0'; c++) {
            if (*c == 'O')
                say_offer(&s);
            else if (*c == 'B')
                say_records(&s);
            else if (*c == 'C')
                say_commit(&s);
            else
                say(&s, c, 1);
        }
        int rc = receive(&s, false, &o, &e);
        assert_fails(rc, &e, cases[i].sqlstate, cases[i].said, __FILE__, __LINE__);
        CU_ASSERT(unchanged(&s));
        scene_close(&s);
    }
}

/* A sender that left something out offers the same range again; what came counts no more. */
static void test_an_offer_said_again_starts_over(void)
{
    static void (*const changes[])(struct scene *) = {NULL, lie_range_begins_lower, lie_last_digest,
                                                      lie_nothing_but_behind};
    for (int exists = 0; exists < 2; exists++)
        for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
            struct scene s;
            struct outcome o;
            struct zs_error e;
            struct zs_branch_info now;
            scene_open(&s, exists == 1);
            struct zs_record left_out = s.records[2];
            say_offer(&s);
            s.records[2].key[17]++;
            say_records(&s);
            s.records[2] = left_out;
            if (changes[i] != NULL)
                changes[i](&s);
            say_all(&s);
            int rc = receive(&s, false, &o, &e);
            if (changes[i] == NULL) {
                ASSERT_OK(rc);
                CU_ASSERT(o.records == 3);
                must(store_branch_find(stub_store_table(s.store), "main", &now, &e), &e);
                CU_ASSERT(digest_equal(now.digest, s.commit.end.digest));
            } else {
                ASSERT_FAILS(rc, ZS_PROTOCOL_VIOLATION);
                CU_ASSERT(unchanged(&s));
            }
            scene_close(&s);
        }
}

SUITE("sync/receive", {"an honest sender is believed", test_an_honest_sender_is_believed},
      {"each lie is refused and nothing is visible",
       test_each_lie_is_refused_and_nothing_is_visible},
      {"lies about a branch that is there are refused",
       test_lies_about_a_branch_that_is_there_are_refused},
      {"an offer said again starts over", test_an_offer_said_again_starts_over},
      {"records for a dry run are refused", test_records_for_a_dry_run_are_refused},
      {"messages out of turn are refused", test_messages_out_of_turn_are_refused})
