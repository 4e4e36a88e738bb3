/* test_receive_lies.c - the receiving half against a sender that lies: each lie is refused by
 * name, and nothing of it becomes visible. */
#include "receive_fixture.h"

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

static void lie_both_digests(struct scene *s)
{
    s->commit.end.digest.lo++;
    s->offer.last.digest.lo++;
}
static void lie_resume(struct scene *s)
{
    s->offer.resume = true;
}
static void lie_more(struct scene *s)
{
    s->offer.more = true;
}
static void lie_lsn_zero(struct scene *s)
{
    s->records[1].lsn = 0;
}
static void lie_lsn_largest(struct scene *s)
{
    s->records[2].lsn = UINT64_MAX;
}
static void lie_range_ends_at_the_largest(struct scene *s)
{
    s->offer.to_lsn = s->offer.last.lsn = UINT64_MAX;
}
static void lie_early(struct scene *s)
{
    s->batches = 2; /* of a record each, of three */
}
static void lie_nothing_sent(struct scene *s)
{
    s->batches = 0;
}
static void lie_late(struct scene *s)
{
    s->batches = 4; /* the last of them is the first again */
}
static void lie_points_go_up(struct scene *s)
{
    s->commit.points.count = 2;
    s->commit.points.at[0].lsn = s->offer.from_lsn + 2;
    s->commit.points.at[1].lsn = s->offer.from_lsn + 3;
}
static void lie_point_twice(struct scene *s)
{
    s->commit.points.count = 2;
    s->commit.points.at[0].lsn = s->commit.points.at[1].lsn = s->offer.from_lsn + 2;
}
static void lie_point_at_zero(struct scene *s)
{
    s->commit.points.count = 1;
}

static void test_each_lie_is_refused_and_nothing_is_visible(void)
{
    static const struct {
        const char *what;
        void (*lie)(struct scene *s);
        const char *sqlstate, *says;
    } lies[] = {
        {"the range begins lower", lie_range_begins_lower, ZS_PROTOCOL_VIOLATION,
         "a range that does not fit"},
        {"the range begins higher", lie_range_begins_higher, ZS_PROTOCOL_VIOLATION,
         "a range that does not fit"},
        {"the range ends before it begins", lie_range_ends_before, ZS_PROTOCOL_VIOLATION,
         "a range that does not fit"},
        {"the last point is elsewhere", lie_last_is_elsewhere, ZS_PROTOCOL_VIOLATION,
         "a range that does not fit"},
        {"records for an equal branch", lie_verdict_equal, ZS_PROTOCOL_VIOLATION,
         "offers records for a branch"},
        {"records for a branch ahead", lie_verdict_ahead, ZS_PROTOCOL_VIOLATION,
         "offers records for a branch"},
        {"absent for behind, behind for absent", lie_other_existence, ZS_PROTOCOL_VIOLATION,
         "offers records for a branch"},
        {"nothing comes, though behind", lie_nothing_but_behind, ZS_PROTOCOL_VIOLATION,
         "sends nothing for a branch"},
        {"nothing comes, it says equal", lie_nothing_but_equal, ZS_PROTOCOL_VIOLATION,
         "sends nothing for a branch"},
        {"equal with another digest", lie_equal_with_another_digest, ZS_PROTOCOL_VIOLATION,
         "sends nothing for a branch"},
        {"records are out of order", lie_order, ZS_PROTOCOL_VIOLATION, "out of order"},
        {"a record comes twice", lie_twice, ZS_PROTOCOL_VIOLATION, "out of order"},
        {"an LSN is too low", lie_lsn_too_low, ZS_PROTOCOL_VIOLATION, "outside of the range"},
        {"an LSN is too high", lie_lsn_too_high, ZS_PROTOCOL_VIOLATION, "outside of the range"},
        {"a value is another", lie_value, ZS_CORRUPT, "what was received is not"},
        {"a key is another", lie_key, ZS_CORRUPT, "what was received is not"},
        {"a kind is another", lie_kind, ZS_CORRUPT, "what was received is not"},
        {"the sum is another", lie_sum, ZS_CORRUPT, "what was received is not"},
        {"value and sum are others", lie_sum_and_value, ZS_CORRUPT, "what was received is not"},
        {"the end's digest is another", lie_end_digest, ZS_PROTOCOL_VIOLATION,
         "another state than it offered"},
        {"a record less", lie_records, ZS_CORRUPT, "what was received is not"},
        {"a byte more", lie_bytes, ZS_CORRUPT, "what was received is not"},
        {"the end is elsewhere", lie_end_lsn, ZS_PROTOCOL_VIOLATION,
         "another range than it offered"},
        {"the cutoff is above the end", lie_cutoff, ZS_PROTOCOL_VIOLATION,
         "another range than it offered"},
        {"a delta with a cutoff", lie_cutoff_of_a_delta, ZS_PROTOCOL_VIOLATION,
         "another range than it offered"},
        {"a point at the end", lie_point_at_the_end, ZS_PROTOCOL_VIOLATION,
         "a history point outside"},
        {"a point outside", lie_point_before, ZS_PROTOCOL_VIOLATION, "a history point outside"},
        {"another end was offered", lie_last_digest, ZS_PROTOCOL_VIOLATION,
         "another state than it offered"},
        {"both digests of the end", lie_both_digests, ZS_CORRUPT, "what was received is not"},
        {"a transfer that was not begun here is gone on with", lie_resume, ZS_PROTOCOL_VIOLATION,
         "was not begun here"},
        {"more is to come of a whole", lie_more, ZS_PROTOCOL_VIOLATION, "in parts"},
        {"an LSN is zero", lie_lsn_zero, ZS_PROTOCOL_VIOLATION, "outside of the range"},
        {"an LSN is the largest", lie_lsn_largest, ZS_PROTOCOL_VIOLATION, "outside of the range"},
        {"the range ends at the largest LSN", lie_range_ends_at_the_largest, ZS_PROTOCOL_VIOLATION,
         "another range than it offered"},
        {"COMMIT comes a batch early", lie_early, ZS_CORRUPT, "what was received is not"},
        {"COMMIT comes before any batch", lie_nothing_sent, ZS_CORRUPT, "what was received is not"},
        {"COMMIT comes a batch late", lie_late, ZS_PROTOCOL_VIOLATION, "out of order"},
        {"points go up", lie_points_go_up, ZS_PROTOCOL_VIOLATION, "malformed COMMIT"},
        {"a point comes twice", lie_point_twice, ZS_PROTOCOL_VIOLATION, "malformed COMMIT"},
        {"a point is at zero", lie_point_at_zero, ZS_PROTOCOL_VIOLATION, "malformed COMMIT"},
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
            if (strstr(e.message, lies[i].says) == NULL)
                printf("%s: %s\n", lies[i].what, e.message);
            CU_ASSERT(strstr(e.message, lies[i].says) != NULL);
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

/* The branch is what COMMIT made of it; nobody listens any more. */
static void test_what_comes_behind_commit_changes_nothing(void)
{
    for (int exists = 0; exists < 2; exists++) {
        struct scene s;
        struct outcome o;
        struct zs_error e;
        struct zs_branch_info now;
        scene_open(&s, exists == 1);
        say_all(&s);
        s.records[1].value = "valuE";
        say_records(&s);
        say_commit(&s);
        say_all(&s);
        ASSERT_OK(receive(&s, false, &o, &e));
        must(store_branch_find(stub_store_table(s.store), "main", &now, &e), &e);
        CU_ASSERT(now.last_valid_lsn == THERE && digest_equal(now.digest, s.commit.end.digest));
        CU_ASSERT(now.records == s.commit.end.records && o.records == 3);
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

SUITE("sync/receive_lies",
      {"each lie is refused and nothing is visible",
       test_each_lie_is_refused_and_nothing_is_visible},
      {"lies about a branch that is there are refused",
       test_lies_about_a_branch_that_is_there_are_refused},
      {"what comes behind COMMIT changes nothing", test_what_comes_behind_commit_changes_nothing},
      {"an offer said again starts over", test_an_offer_said_again_starts_over})
