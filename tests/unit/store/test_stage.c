/* test_stage.c - the door to a store's stages, before a store that keeps its promises and
 * before one that does not. */
#include "setting.h"

#include "base/error.h"

/* An ingest of one record into "main", synced with `token`. */
static void keep_stage(const struct setting *s, const char *token)
{
    struct zs_error e = {0};
    struct ingest in;
    struct zs_ingest_spec spec = {
        .struct_size = sizeof spec, .branch = "main", .base_lsn = 0x20, .target_lsn = 0x40};
    struct zs_record r = record_of(3, 0x30);
    bool synced = false;
    ASSERT_OK(ingest_begin(&s->table, &spec, &in, &e));
    ASSERT_OK(ingest_put(&in, &r, 1, &e));
    ASSERT_OK(ingest_sync(&in, token, strlen(token), &synced, &e));
    CU_ASSERT(synced);
    ingest_close(&in);
}

static int32_t note_stage(void *context, const struct zs_stage_info *info)
{
    *(struct zs_stage_info *)context = *info;
    return 0;
}

static int resume(const struct zs_store *table, struct zs_error *e)
{
    uint8_t token[ZS_TOKEN_MAX];
    uint64_t len = 0;
    struct ingest in;
    int rc = ingest_resume(table, "main", token, &len, &in, e);
    CU_ASSERT(rc == ZS_OK || in.handle == NULL);
    ingest_close(&in);
    return rc;
}

static void test_what_was_synced_is_listed_and_gone_on_with(void)
{
    struct zs_error e = {0};
    struct setting s = make_setting();
    struct zs_stage_info found = {0};
    uint8_t token[ZS_TOKEN_MAX];
    uint64_t len = 0;
    struct ingest in;
    keep_stage(&s, "token");
    ASSERT_OK(store_stage_list(&s.table, note_stage, &found, &e));
    ASSERT_TEXT(found.branch, "main");
    CU_ASSERT(found.base_lsn == 0x20 && found.target_lsn == 0x40 && found.token_bytes == 5);
    ASSERT_OK(ingest_resume(&s.table, "main", token, &len, &in, &e));
    CU_ASSERT(len == 5 && memcmp(token, "token", 5) == 0);
    CU_ASSERT(in.state.struct_size == sizeof in.state && in.state.records == 1);
    ingest_close(&in);
    ASSERT_OK(store_stage_drop(&s.table, "main", &e));
    ASSERT_FAILS(store_stage_drop(&s.table, "main", &e), ZS_NO_SUCH_BRANCH);
    ASSERT_FAILS(resume(&s.table, &e), ZS_NO_SUCH_BRANCH);
    drop_setting(&s);
}

static void test_stages_of_a_store_without(void)
{
    struct zs_error e = {0};
    struct setting s = make_setting();
    struct zs_ingest_spec spec = {
        .struct_size = sizeof spec, .branch = "main", .base_lsn = 0x20, .target_lsn = 0x40};
    struct ingest in = {0};
    bool synced = true;
    ASSERT_FAILS(ingest_sync(&in, "t", 1, &synced, &e), ZS_INTERNAL_ERROR); /* closed */
    CU_ASSERT(!synced);
    s.table.features &= ~ZS_STORE_RESUME;
    ASSERT_OK(ingest_begin(&s.table, &spec, &in, &e));
    ASSERT_FAILS(ingest_sync(&in, "t", 1, &synced, &e), ZS_NOT_SUPPORTED);
    ingest_close(&in);
    ASSERT_FAILS(resume(&s.table, &e), ZS_NOT_SUPPORTED);
    ASSERT_FAILS(store_stage_list(&s.table, note_stage, NULL, &e), ZS_NOT_SUPPORTED);
    ASSERT_FAILS(store_stage_drop(&s.table, "main", &e), ZS_NOT_SUPPORTED);
    drop_setting(&s);
}

/* ---- a store that lies ----------------------------------------------------------------- */

static struct zs_stage_info told;

static int32_t lying_list(void *self, zs_stage_visit visit, void *context, struct zs_error *e)
{
    (void)self;
    (void)e;
    (void)visit(context, &told);
    return ZS_OK;
}

static void test_stages_that_break_the_rules(void)
{
    static const struct {
        const char *what; /* a part of the message; NULL: nothing is wrong */
        char first_byte, fill;
        uint32_t struct_size, token_bytes;
        const char *token;
        zs_lsn base, target;
    } cases[] = {
        {NULL, 'm', 0, sizeof told, 0, NULL, 1, 1},
        {NULL, 'm', 0, sizeof told, ZS_TOKEN_MAX, "t", 1, 2},
        {NULL, 'm', 0, offsetof(struct zs_stage_info, token), 0, "t", 1, 2}, /* an older host's */
        {NULL, 'm', 0, sizeof told + 8, 1, "t", 1, 2},                       /* a newer one's */
        {"without a branch", '\0', 0, sizeof told, 0, NULL, 1, 2},
        {"without a branch", 'm', 'm', sizeof told, 0, NULL, 1, 2},
        {"token", 'm', 0, sizeof told, ZS_TOKEN_MAX + 1, "t", 1, 2},
        {"token", 'm', 0, sizeof told, 1, NULL, 1, 2},
        {"ends before it begins", 'm', 0, sizeof told, 0, NULL, 2, 1},
    };
    struct setting s = make_setting();
    s.table.stage_list = lying_list;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct zs_stage_info seen = {0};
        told = (struct zs_stage_info){.struct_size = cases[i].struct_size,
                                      .token_bytes = cases[i].token_bytes,
                                      .token = cases[i].token,
                                      .base_lsn = cases[i].base,
                                      .target_lsn = cases[i].target};
        memset(told.branch, cases[i].fill, sizeof told.branch);
        told.branch[0] = cases[i].first_byte;
        int rc = store_stage_list(&s.table, note_stage, &seen, &e);
        if (cases[i].what == NULL) {
            ASSERT_OK(rc);
            CU_ASSERT(seen.struct_size == sizeof seen && seen.target_lsn == cases[i].target);
            continue;
        }
        ASSERT_FAILS(rc, ZS_INTERNAL_ERROR);
        CU_ASSERT(strstr(e.message, "stage_list") != NULL);
        CU_ASSERT(strstr(e.message, cases[i].what) != NULL);
        CU_ASSERT(seen.struct_size == 0); /* it was not handed on */
    }
    drop_setting(&s);
}

static int32_t (*honest_resume)(void *self, const char *branch, struct zs_ingest_state *state,
                                void *buf, uint64_t buf_bytes, uint64_t *token_bytes,
                                struct zs_ingest **out, struct zs_error *e);
static enum { NO_LIE, NO_HANDLE, LARGE_STATE, NO_TIMELINE, LARGE_TOKEN } lie;

static int32_t lying_resume(void *self, const char *branch, struct zs_ingest_state *state,
                            void *buf, uint64_t buf_bytes, uint64_t *token_bytes,
                            struct zs_ingest **out, struct zs_error *e)
{
    if (lie == NO_HANDLE)
        return ZS_OK;
    TRY(honest_resume(self, branch, state, buf, buf_bytes, token_bytes, out, e));
    if (lie == LARGE_STATE)
        state->struct_size = sizeof *state + 1;
    if (lie == NO_TIMELINE)
        state->timeline = (struct zs_timeline_id){0};
    if (lie == LARGE_TOKEN)
        *token_bytes = ZS_TOKEN_MAX + 1;
    return ZS_OK;
}

static void test_a_resume_that_breaks_the_rules(void)
{
    static const char *const what[] = {[NO_HANDLE] = "no handle",
                                       [LARGE_STATE] = "more of the state",
                                       [NO_TIMELINE] = "no timeline id",
                                       [LARGE_TOKEN] = "larger token"};
    struct zs_error e = {0};
    struct setting s = make_setting();
    honest_resume = s.table.ingest_resume;
    s.table.ingest_resume = lying_resume;
    keep_stage(&s, "token");
    lie = NO_LIE;
    ASSERT_OK(resume(&s.table, &e));
    for (lie = NO_HANDLE; lie <= LARGE_TOKEN; lie++) {
        ASSERT_FAILS(resume(&s.table, &e), ZS_INTERNAL_ERROR);
        CU_ASSERT(strstr(e.message, what[lie]) != NULL);
    }
    drop_setting(&s); /* what was resumed and refused has been closed */
}

SUITE("store/stage",
      {"what was synced is listed and gone on with",
       test_what_was_synced_is_listed_and_gone_on_with},
      {"stages of a store without them are 0A000", test_stages_of_a_store_without},
      {"stages that break the rules are XX000", test_stages_that_break_the_rules},
      {"a resume that breaks the rules is XX000 and closed", test_a_resume_that_breaks_the_rules})
