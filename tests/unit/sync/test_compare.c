/* test_compare.c - the half of a comparison that asks, against a far side that says what it
 * likes, and the half that answers, against one that asks for what it likes. */
#include "../../support/suite.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "stub/stub_pipe.h"
#include "stub/stub_store.h"
#include "sync/compare.h"
#include "sync/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS = 4, LAST = 0x1000 };

struct scene {
    struct stub_store *store;
    struct snapshot snapshot;
    struct zs_channel far;
    struct conn conn;
    struct transfer_list *list;
    struct progress progress;
    struct key_reader reader;
    struct zs_record records[RECORDS];
    struct state_message state; /* of a far side that stands where this one does */
    struct difference told[16]; /* the first ones */
    unsigned ntold;
};

static void must(int rc, const struct zs_error *e)
{
    if (rc != ZS_OK) {
        (void)printf("%s %s\n", e->sqlstate, e->message);
        abort();
    }
}

/* A branch of one-byte pages, up to LAST. */
static void scene_open(struct scene *s, unsigned options)
{
    struct zs_error e = {0};
    memset(s, 0, sizeof *s);
    must(stub_store_open(options, &s->store, &e), &e);
    must(transfer_list_open(&s->list, &e), &e);
    conn_init(&s->conn);
    must(stub_pipe_open(64u << 20, NULL, NULL, &s->conn.channel, &s->far, &e), &e);
    for (unsigned i = 0; i < RECORDS; i++)
        s->records[i] = (struct zs_record){.key = {(uint8_t)(i + 1)},
                                           .kind = ZS_KIND_IMAGE,
                                           .len = 1,
                                           .value = "x",
                                           .lsn = 0x10 + i};
    must(stub_store_branch_create(s->store, "main", NULL, NULL, &e), &e);
    must(stub_store_write(s->store, "main", s->records, RECORDS, LAST, &e), &e);
    must(snapshot_open(stub_store_table(s->store), "main", &s->snapshot, &e), &e);
    struct transfer *t = transfer_begin(s->list, "test", "main", "far");
    s->progress.transfer = t;
    s->reader = (struct key_reader){
        .snapshot = &s->snapshot, .conn = &s->conn, .transfer = t, .progress = &s->progress};
    s->state = (struct state_message){.exists = true,
                                      .digests = true,
                                      .encodings = 1,
                                      .timeline = s->snapshot.info.timeline,
                                      .last = history_last(&s->snapshot)};
}

static void scene_close(struct scene *s)
{
    snapshot_close(&s->snapshot);
    conn_close(&s->conn);
    s->far.close(s->far.self);
    transfer_list_close(s->list);
    CU_ASSERT(stub_store_open_handles(s->store) == 0);
    stub_store_close(s->store);
}

static void say(struct scene *s, enum message_type type, const char *text)
{
    struct zs_error e = {0};
    size_t len = strlen(text);
    CLEANUP(free_ptr) char *whole = malloc(len + 2);
    if (whole == NULL)
        abort();
    (void)snprintf(whole, len + 2, "%c%s", (char)type, text);
    must(s->far.send(s->far.self, whole, len + 1, &e), &e);
}

static void say_state(struct scene *s)
{
    struct zs_error e = {0};
    CLEANUP(free_ptr) char *text = NULL;
    must(state_encode(&s->state, &text, &e), &e);
    say(s, MESSAGE_STATE, text);
}

static void say_sums(struct scene *s, const struct sums_message *m)
{
    struct zs_error e = {0};
    CLEANUP(free_ptr) char *text = NULL;
    must(sums_encode(m, &text, &e), &e);
    say(s, MESSAGE_SUMS, text);
}

static void hear(void *context, const struct difference *d)
{
    struct scene *s = context;
    if (s->ntold < sizeof s->told / sizeof *s->told)
        s->told[s->ntold] = *d;
    s->ntold++;
}

/* All that the far side says was said before. */
static int run(struct scene *s, struct compare_result *r, struct zs_error *e)
{
    const struct compare_job job = {
        .reader = s->reader, .branch = "main", .far_branch = "theirs", .tell = hear, .context = s};
    *e = (struct zs_error){0};
    must(s->far.finish(s->far.self, e), e);
    return compare_run(&job, r, e);
}

/* The far side's list of these records. */
static struct sums_message list_of(const struct zs_record *records, uint32_t n)
{
    struct sums_message m = {.listed = true, .count = n, .records = n};
    for (uint32_t i = 0; i < n; i++) {
        m.list[i] = (struct sum_record){.lsn = records[i].lsn, .sum = digest_record(&records[i])};
        memcpy(m.list[i].key, records[i].key, ZS_KEY_BYTES);
        m.sum = digest_plus(m.sum, m.list[i].sum);
    }
    return m;
}

/* The history fits, so that the records are to blame. */
static void tell_history(struct scene *s, struct sums_message *m)
{
    m->has_told = true;
    m->told = s->snapshot.info.digest;
}

/* ---- what is found ------------------------------------------------------------------------- */

static void test_what_a_list_lacks_or_has_more(void)
{
    static const struct {
        const char *theirs; /* which of a to f; this side has b to e */
        const char *found;  /* +: it is missing here, -: there, !: it differs */
    } cases[] = {{"bcde", ""},  {"abcde", "+"},    {"bcdef", "+"}, {"abcdef", "++"},
                 {"cde", "-"},  {"bcd", "-"},      {"", "----"},   {"af", "+----+"},
                 {"bCde", "!"}, {"aBCDE", "+!!!!"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene s;
        struct compare_result r;
        struct zs_error e;
        struct zs_record theirs[8];
        uint32_t n = (uint32_t)strlen(cases[i].theirs);
        scene_open(&s, 0);
        for (uint32_t k = 0; k < n; k++) {
            uint8_t letter = (uint8_t)cases[i].theirs[k], at = letter & 0x1f;
            theirs[k] = (struct zs_record){.key = {(uint8_t)(at - 1)},
                                           .kind = ZS_KIND_IMAGE,
                                           .len = 1,
                                           .value = letter < 'a' ? "y" : "x",
                                           .lsn = 0x10u + at - 2};
        }
        static struct sums_message m;
        m = list_of(theirs, n);
        tell_history(&s, &m);
        say_state(&s);
        say_sums(&s, &m);
        ASSERT_OK(run(&s, &r, &e));
        char found[16] = "";
        for (unsigned k = 0; k < s.ntold; k++)
            found[k] = "!+-"[s.told[k].kind];
        ASSERT_TEXT(found, cases[i].found);
        CU_ASSERT(r.found == strlen(cases[i].found) && !r.more && r.records == RECORDS);
        CU_ASSERT(r.bytes == RECORDS); /* of one byte each */
        CU_ASSERT(r.near_known && r.near_sound && r.far_known &&
                  r.far_sound == (cases[i].found[0] == '\0'));
        scene_close(&s);
    }
}

/* A key whose versions fill a whole answer is not gone into any further. */
static void test_one_part_that_differs_is_named_by_its_key(void)
{
    struct scene s;
    struct compare_result r;
    struct zs_error e;
    static struct sums_message m;
    scene_open(&s, 0);
    m = (struct sums_message){.count = 1, .records = 900, .sum = {.lo = 3}};
    m.parts[0] = (struct sum_part){.last = {2}, .records = 900, .sum = {.lo = 3}};
    tell_history(&s, &m);
    say_state(&s);
    say_sums(&s, &m);
    ASSERT_OK(run(&s, &r, &e));
    CU_ASSERT(r.found == 1 && s.told[0].kind == DIFFERENT && s.told[0].lsn == 0);
    CU_ASSERT(s.told[0].key[0] == 2);
    scene_close(&s);
}

/* Parts that are the same are not asked for, and neither is one with more records that sums to
 * the same. */
static void test_a_part_with_other_counts_is_asked_for(void)
{
    struct scene s;
    struct compare_result r;
    struct zs_error e;
    static struct sums_message m, second;
    scene_open(&s, 0);
    struct zs_digest low = digest_plus(digest_record(&s.records[0]), digest_record(&s.records[1]));
    struct zs_digest high = digest_plus(digest_record(&s.records[2]), digest_record(&s.records[3]));
    m = (struct sums_message){.count = 2, .records = 5, .sum = digest_plus(low, high)};
    m.parts[0] = (struct sum_part){.last = {2}, .records = 2, .sum = low};
    m.parts[1] = (struct sum_part){.last = {4}, .records = 3, .sum = high};
    tell_history(&s, &m);
    second = list_of(&s.records[2], 2);
    second.records = 3;
    second.count = 3; /* one whose digest is 0 */
    second.list[2] = (struct sum_record){.key = {5}, .lsn = 0x20};
    say_state(&s);
    say_sums(&s, &m);
    say_sums(&s, &second);
    ASSERT_OK(run(&s, &r, &e));
    CU_ASSERT(r.found == 1 && s.told[0].kind == MISSING_HERE && s.told[0].key[0] == 5);
    scene_close(&s);
}

/* ---- what a far side may not say ----------------------------------------------------------- */

static void test_messages_out_of_turn_are_refused(void)
{
    for (int at = 0; at < 3; at++) {
        struct scene s;
        struct compare_result r;
        struct zs_error e;
        scene_open(&s, 0);
        if (at > 0)
            say_state(&s);
        if (at == 2)
            say_state(&s); /* again, where SUMS is due */
        else
            say(&s, at == 0 ? MESSAGE_DONE : MESSAGE_BATCH, "{}");
        ASSERT_FAILS(run(&s, &r, &e), ZS_PROTOCOL_VIOLATION);
        CU_ASSERT(strstr(e.message, at == 0 ? "STATE" : "SUMS") != NULL);
        scene_close(&s);
    }
}

/* What a part was said to be holds when it is asked for. */
static void test_answers_that_do_not_add_up_are_refused(void)
{
    for (int lie = 0; lie < 3; lie++) {
        struct scene s;
        struct compare_result r;
        struct zs_error e;
        static struct sums_message m, second;
        scene_open(&s, 0);
        second = list_of(&s.records[2], 2);
        struct zs_digest sum = second.sum;
        sum.hi += lie == 1;
        m = (struct sums_message){.count = 2, .records = lie == 2 ? 4 : 3};
        m.parts[0] =
            (struct sum_part){.last = {2}, .records = 1, .sum = digest_record(&s.records[1])};
        m.parts[1] = (struct sum_part){.last = {4}, .records = lie == 2 ? 3 : 2, .sum = sum};
        m.sum = digest_plus(m.parts[0].sum, m.parts[1].sum);
        tell_history(&s, &m);
        say_state(&s);
        say_sums(&s, &m);
        struct sums_message *first = malloc(sizeof *first);
        if (first == NULL)
            abort();
        *first = list_of(&s.records[1], 1);
        say_sums(&s, first);
        free(first);
        say_sums(&s, &second);
        int rc = run(&s, &r, &e);
        /* What is sound is found in any case; of the others the second part is refused. */
        if (lie == 0) {
            ASSERT_OK(rc);
            CU_ASSERT(r.found == 1 && s.told[0].kind == MISSING_THERE);
        } else {
            ASSERT_FAILS(rc, ZS_PROTOCOL_VIOLATION);
            CU_ASSERT(strstr(e.message, "do not add up") != NULL);
        }
        scene_close(&s);
    }
}

/* Each answer is divided again in its first part: what waits is bounded. */
static void test_parts_without_end_are_cut_short(void)
{
    struct scene s;
    struct compare_result r;
    struct zs_error e;
    static struct sums_message m;
    enum { LEVELS = 17 };
    scene_open(&s, 0);
    say_state(&s);
    for (unsigned level = 0; level < LEVELS; level++) {
        m = (struct sums_message){.count = SUMS_MAX};
        for (uint32_t i = 0; i < SUMS_MAX; i++) {
            struct sum_part *p = &m.parts[i];
            /* The first part ends at 00..00ff.. with one byte less of ff at each level. */
            memset(p->last, 0, sizeof p->last);
            memset(p->last + level + 1, 0xff, sizeof p->last - level - 1);
            p->last[level] = (uint8_t)i;
            p->records = i == 0 ? 1 + (LEVELS - 1 - level) * (uint64_t)(SUMS_MAX - 1) : 1;
            p->sum.lo = p->records;
            m.records += p->records;
            m.sum = digest_plus(m.sum, p->sum);
        }
        if (level == 0)
            tell_history(&s, &m);
        say_sums(&s, &m);
    }
    /* Those that wait are gone into, the last ones first: a record each. */
    for (unsigned level = LEVELS; level-- > 0;)
        for (uint32_t i = level + 1 == LEVELS ? 0 : 1; i < SUMS_MAX; i++) {
            if (level + 1 == LEVELS && i < SUMS_MAX - 16)
                continue; /* there was no room for them */
            m = (struct sums_message){.listed = true, .count = 1, .records = 1, .sum = {.lo = 1}};
            m.list[0] = (struct sum_record){.lsn = 0x50, .sum = {.lo = 1}};
            memset(m.list[0].key + level + 1, 0xff, ZS_KEY_BYTES - level - 1);
            m.list[0].key[level] = (uint8_t)i;
            say_sums(&s, &m);
        }
    ASSERT_OK(run(&s, &r, &e));
    CU_ASSERT(r.more && s.ntold >= COMPARE_MAX_ASKS - LEVELS && s.ntold <= COMPARE_MAX_ASKS);
    scene_close(&s);
}

/* So many records are named, and no more: 256 times 2 times 256 of them are there alone. */
static void test_what_is_named_has_an_end(void)
{
    struct scene s;
    struct compare_result r;
    struct zs_error e;
    static struct sums_message m;
    const uint64_t each = 2ull * SUMS_MAX;
    scene_open(&s, 0);
    say_state(&s);
    m = (struct sums_message){
        .count = SUMS_MAX, .records = SUMS_MAX * each, .sum = {.lo = SUMS_MAX * each}};
    for (uint32_t i = 0; i < SUMS_MAX; i++) {
        m.parts[i] = (struct sum_part){.records = each, .sum = {.lo = each}};
        memset(m.parts[i].last, 0xff, ZS_KEY_BYTES);
        m.parts[i].last[0] = (uint8_t)i;
    }
    tell_history(&s, &m);
    say_sums(&s, &m);
    for (uint32_t i = 0; i < SUMS_MAX; i++) {
        m = (struct sums_message){.count = 2, .records = each, .sum = {.lo = each}};
        for (uint32_t k = 0; k < 2; k++) {
            m.parts[k] = (struct sum_part){.records = SUMS_MAX, .sum = {.lo = SUMS_MAX}};
            memset(m.parts[k].last, 0xff, ZS_KEY_BYTES);
            m.parts[k].last[0] = (uint8_t)i;
            m.parts[k].last[1] = k == 0 ? 0x7f : 0xff;
        }
        say_sums(&s, &m);
        for (uint32_t k = 0; k < 2; k++) {
            m = (struct sums_message){
                .listed = true, .count = SUMS_MAX, .records = SUMS_MAX, .sum = {.lo = SUMS_MAX}};
            for (uint32_t x = 0; x < SUMS_MAX; x++)
                m.list[x] =
                    (struct sum_record){.key = {(uint8_t)i, k == 0 ? 0x70 : 0xf0, (uint8_t)x},
                                        .lsn = 0x50,
                                        .sum = {.lo = 1}};
            say_sums(&s, &m);
        }
    }
    ASSERT_OK(run(&s, &r, &e));
    CU_ASSERT(r.more && r.found >= COMPARE_MAX_FOUND &&
              r.found < COMPARE_MAX_FOUND + SUMS_MAX + RECORDS && s.ntold == r.found);
    scene_close(&s);
}

/* ---- what both sides must have -------------------------------------------------------------- */

static void test_what_one_side_has_collected_is_not_compared(void)
{
    static const struct {
        zs_lsn far_last, far_cutoff;
        bool compared;
    } cases[] = {{LAST, LAST, true}, {LAST, 0, true}, {LAST + 0x10, LAST + 1, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene s;
        struct compare_result r;
        struct zs_error e;
        static struct sums_message m;
        scene_open(&s, 0);
        s.state.last.lsn = cases[i].far_last;
        s.state.gc_cutoff_lsn = cases[i].far_cutoff;
        m = list_of(s.records, cases[i].far_cutoff == 0 ? RECORDS : 0);
        tell_history(&s, &m);
        say_state(&s);
        say_sums(&s, &m);
        int rc = run(&s, &r, &e);
        if (cases[i].compared) {
            ASSERT_OK(rc);
            CU_ASSERT(r.found == 0 && r.from_lsn == cases[i].far_cutoff && r.to_lsn == LAST);
            CU_ASSERT(r.near_known == (cases[i].far_cutoff == 0));
        } else {
            ASSERT_FAILS(rc, ZS_NOT_SUPPORTED);
            CU_ASSERT(strstr(e.message, "0/1001") != NULL && e.hint[0] != '\0');
        }
        scene_close(&s);
    }
}

/* Without digests nobody can say who is to blame, nor whether they have parted. */
static void test_without_digests_only_records_are_compared(void)
{
    for (int who = 0; who < 2; who++) {
        struct scene s;
        struct compare_result r;
        struct zs_error e;
        static struct sums_message m;
        scene_open(&s, who == 0 ? STUB_STORE_NO_DIGEST : 0);
        s.state.digests = who == 0;
        m = list_of(s.records, RECORDS - 1);
        m.has_told = true; /* something */
        say_state(&s);
        say_sums(&s, &m);
        ASSERT_OK(run(&s, &r, &e));
        CU_ASSERT(r.found == 1 && !r.near_known && !r.far_known);
        scene_close(&s);
    }
}

/* ---- the half that answers ------------------------------------------------------------------- */

static void test_an_asker_gets_what_there_is(void)
{
    static const struct {
        enum message_type type;
        zs_lsn upto;
        const char *sqlstate; /* NULL: it is answered */
    } cases[] = {{MESSAGE_ASK, LAST, NULL},
                 {MESSAGE_ASK, LAST + 1, ZS_PROTOCOL_VIOLATION},
                 {MESSAGE_SUMS, LAST, ZS_PROTOCOL_VIOLATION}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene s;
        struct zs_error e = {0};
        struct ask_message ask = {.upto_lsn = cases[i].upto};
        CLEANUP(free_ptr) char *text = NULL;
        CLEANUP(free_ptr) char *end = NULL;
        scene_open(&s, 0);
        memset(ask.last, 0xff, sizeof ask.last);
        must(ask_encode(&ask, &text, &e), &e);
        ask.done = true;
        must(ask_encode(&ask, &end, &e), &e);
        say(&s, cases[i].type, text);
        say(&s, MESSAGE_ASK, end);
        int rc = compare_serve(&s.reader, &e);
        if (cases[i].sqlstate == NULL)
            ASSERT_OK(rc);
        else
            ASSERT_FAILS(rc, cases[i].sqlstate);
        char types[4] = "";
        const void *bytes = NULL;
        uint64_t len = 0;
        for (size_t k = 0; k < 3 && s.far.recv(s.far.self, 0, &bytes, &len, &e) == ZS_RECV_MESSAGE;
             k++)
            types[k] = *(const char *)bytes;
        ASSERT_TEXT(types, cases[i].sqlstate == NULL ? ((char[]){MESSAGE_STATE, MESSAGE_SUMS, '\0'})
                                                     : ((char[]){MESSAGE_STATE, '\0'}));
        scene_close(&s);
    }
}

SUITE("sync/compare",
      {"what a list lacks or has more is named", test_what_a_list_lacks_or_has_more},
      {"one part that differs is named by its key", test_one_part_that_differs_is_named_by_its_key},
      {"a part with other counts is asked for", test_a_part_with_other_counts_is_asked_for},
      {"messages out of turn are refused", test_messages_out_of_turn_are_refused},
      {"answers that do not add up are refused", test_answers_that_do_not_add_up_are_refused},
      {"parts without end are cut short", test_parts_without_end_are_cut_short},
      {"what is named has an end", test_what_is_named_has_an_end},
      {"what one side has collected is not compared",
       test_what_one_side_has_collected_is_not_compared},
      {"without digests only records are compared", test_without_digests_only_records_are_compared},
      {"an asker gets what there is, and no more", test_an_asker_gets_what_there_is})
