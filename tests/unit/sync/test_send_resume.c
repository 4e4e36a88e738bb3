/* test_send_resume.c - what the sender makes of a part that the receiver says it kept: it goes
 * on where that fits its own history, and starts again where it does not. */
#include "send_fixture.h"
#include "sync/lease.h"

#define KEPT 100u

/* The receiver has the first KEPT pages, of a transfer that was to end where the branch is. */
static void keep_a_part(struct scene *s)
{
    struct zs_error e = {0};
    CLEANUP(iter_close) struct iter it = {0};
    static struct zs_record records[KEPT];
    struct resume_point *r = &s->state.resume;
    bool more = true;
    r->present = true;
    r->to = history_last(&s->snapshot);
    must(iter_open(&s->snapshot, 0, s->snapshot.info.last_valid_lsn, &it, &e), &e);
    while (r->records < KEPT && more) {
        uint64_t n = 0; /* without room every value is a view */
        must(iter_next(&it, records, KEPT - r->records, NULL, 0, &n, &more, &e), &e);
        for (uint64_t i = 0; i < n; i++) {
            r->bytes += records[i].len;
            r->lsn = records[i].lsn;
            memcpy(r->key, records[i].key, ZS_KEY_BYTES);
        }
        digest_add_records(&r->sum, records, n);
        r->records += n;
    }
    CU_ASSERT_FATAL(r->records == KEPT);
}

/* It has looked through the part. */
static void say_ack(struct scene *s)
{
    struct zs_error e = {0};
    CLEANUP(free_ptr) char *text = NULL;
    const struct ack_message ack = {.records = s->state.resume.records,
                                    .bytes = s->state.resume.bytes};
    must(ack_encode(&ack, &text, &e), &e);
    say(s, MESSAGE_ACK, text);
}

/* The notices of a progress. */
static char heard_text[4096];

static void hear(void *self, const struct zs_error *notice)
{
    (void)self;
    size_t used = strlen(heard_text);
    (void)snprintf(heard_text + used, sizeof heard_text - used, "%s\n", notice->message);
}

static int run_heard(struct scene *s, struct send_job job, struct outcome *o, struct zs_error *e)
{
    struct zs_session session = {.struct_size = sizeof session, .notice = hear};
    struct transfer *t = transfer_begin(s->list, "test", "main", "far");
    struct progress progress = {.session = &session, .transfer = t};
    heard_text[0] = '\0';
    *e = (struct zs_error){0};
    job.snapshot = &s->snapshot;
    job.conn = &s->conn;
    job.transfer = t;
    job.progress = &progress;
    int rc = send_run(&job, &s->state, o, e);
    transfer_end(t, rc == ZS_OK ? NULL : e);
    return rc;
}

static void fits(struct resume_point *r)
{
    (void)r;
}
static void is_another_state(struct resume_point *r)
{
    r->to.digest.lo++;
}
static void is_no_point_here(struct resume_point *r)
{
    r->to.lsn = 0x800;
}
static void is_newer(struct resume_point *r)
{
    r->to.lsn = 0x2000;
}
static void holds_nothing(struct resume_point *r)
{
    r->lsn = 0;
}

static void test_what_fits_is_gone_on_with(void)
{
    static const struct {
        void (*change)(struct resume_point *r);
        bool digests, resumed;
    } cases[] = {{fits, true, true},
                 {fits, false, false},
                 {is_another_state, true, false},
                 {is_no_point_here, true, false},
                 {is_newer, true, false},
                 {holds_nothing, true, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        scene_open(&s, 0);
        keep_a_part(&s);
        cases[i].change(&s.state.resume);
        s.state.digests = cases[i].digests;
        if (cases[i].resumed)
            say_ack(&s);
        ASSERT_OK(run_heard(&s, (struct send_job){0}, &o, &e));
        struct heard h = listen(&s);
        CU_ASSERT(h.offer.resume == cases[i].resumed && o.resumed == cases[i].resumed);
        CU_ASSERT(h.records == (cases[i].resumed ? PAGES - KEPT : PAGES) && o.records == h.records);
        CU_ASSERT(h.commit.records == PAGES && h.commit.bytes == PAGES_BYTES);
        CU_ASSERT((strstr(heard_text, "it starts again") != NULL) == !cases[i].resumed);
        scene_close(&s);
    }
}

/* A receiver that answers each COMMIT, and what was open when the last OFFER came. */
static unsigned offers, commits, due; /* a test's own */
static uint64_t open_handles;
static struct zs_point newest;

static int32_t answer_each(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    struct scene *s = self;
    char type = *(const char *)msg;
    TRY(s->near.send(s->near.self, msg, len, e));
    offers += type == 'O';
    if (type == 'O')
        open_handles = stub_store_open_handles(s->store);
    if (type != 'C')
        return ZS_OK;
    if (++commits == 2) {
        s->done.verdict = VERDICT_BEHIND;
        s->done.last = newest;
    }
    say_done(s);
    return commits == due ? s->far.finish(s->far.self, e) : ZS_OK;
}

/* What was kept is sent to its end; what the branch has behind it then, if there is any, is sent
 * without holding on to what was kept. */
static void test_a_lease_and_what_is_newer(void)
{
    for (unsigned newer = 0; newer < 2; newer++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        struct lease_list *leases = NULL;
        struct snapshot kept = {0};
        const struct zs_record r = {.kind = ZS_KIND_IMAGE, .len = 1, .value = "x", .lsn = 0x1800};
        scene_open(&s, 0);
        s.conn.channel.send = answer_each;
        offers = commits = 0;
        due = newer + 1;
        keep_a_part(&s);
        must(lease_list_open(INT64_C(3600000000000), &leases, &e), &e);
        must(snapshot_open(stub_store_table(s.store), "main", &kept, &e), &e);
        lease_keep(leases, &kept, 0, s.snapshot.info.last_valid_lsn, false, 0);
        snapshot_close(&s.snapshot);
        if (newer == 1)
            must(stub_store_write(s.store, "main", &r, 1, 0x2000, &e), &e);
        must(stub_store_gc(s.store, "main", 0x800, NULL, &e), &e); /* else no lease is needed */
        must(snapshot_open(stub_store_table(s.store), "main", &s.snapshot, &e), &e);
        newest = history_last(&s.snapshot);
        say_ack(&s);
        ASSERT_OK(run_heard(&s, (struct send_job){.leases = leases}, &o, &e));
        CU_ASSERT(o.resumed && o.records == PAGES - KEPT + newer && o.to_lsn == newest.lsn);
        CU_ASSERT(offers == due && commits == due);
        CU_ASSERT(open_handles == 2 - newer); /* the branch, and what was kept */
        lease_list_close(leases);
        scene_close(&s);
    }
}

/* What the receiver says that it has is not what this side would have sent. */
static void test_a_part_that_does_not_add_up_is_sent_again(void)
{
    struct scene s;
    struct outcome o;
    struct zs_error e;
    scene_open(&s, 0);
    keep_a_part(&s);
    s.state.resume.sum.hi++;
    say_ack(&s);
    ASSERT_OK(run_heard(&s, (struct send_job){0}, &o, &e));
    struct heard h = listen(&s);
    ASSERT_TEXT(h.types, "OBBOBBBC");
    CU_ASSERT(!h.offer.resume && !o.resumed && o.records == PAGES);
    CU_ASSERT(strstr(heard_text, "what was kept and what was sent do not add up") != NULL);
    scene_close(&s);
}

/* A receiver that begins again, too: it has less for a while than it had kept. */
static int32_t ack_less(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    struct scene *s = self;
    offers += *(const char *)msg == 'O';
    TRY(hear_and_answer(self, msg, len, e));
    if (offers == 2 && *(const char *)msg == 'B') {
        offers++; /* once */
        s->state.resume.records = KEPT / 2;
        s->state.resume.bytes = UINT64_C(8192) * KEPT / 2;
        say_ack(s);
    }
    return ZS_OK;
}

static void test_after_a_new_start_less_may_be_durable(void)
{
    struct scene s;
    struct outcome o;
    struct zs_error e;
    scene_open(&s, 0);
    s.conn.channel.send = ack_less;
    offers = 0;
    keep_a_part(&s);
    s.state.resume.sum.hi++;
    say_ack(&s);
    ASSERT_OK(run_heard(&s, (struct send_job){0}, &o, &e));
    CU_ASSERT(offers == 3 && o.records == PAGES);
    scene_close(&s);
}

/* Nothing is gone on with, and no lease is looked for, where nothing is to be sent. */
static void test_a_dry_run_goes_on_with_nothing(void)
{
    for (int theirs = 0; theirs < 2; theirs++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        scene_open(&s, 0);
        keep_a_part(&s);
        s.state.dry_run = theirs == 1;
        s.done.last = (struct zs_point){0};
        s.answer_to = 'O';
        ASSERT_OK(run_heard(&s, (struct send_job){.dry_run = theirs == 0}, &o, &e));
        struct heard h = listen(&s);
        ASSERT_TEXT(h.types, "O");
        CU_ASSERT(!h.offer.resume && o.records == PAGES);
        scene_close(&s);
    }
}

SUITE("sync/send_resume", {"what fits is gone on with", test_what_fits_is_gone_on_with},
      {"a part that does not add up is sent again", test_a_part_that_does_not_add_up_is_sent_again},
      {"after a new start less may be durable", test_after_a_new_start_less_may_be_durable},
      {"a lease, and what is newer", test_a_lease_and_what_is_newer},
      {"a dry run goes on with nothing", test_a_dry_run_goes_on_with_nothing})
