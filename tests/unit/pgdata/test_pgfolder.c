/* test_pgfolder.c - folders listed in key order, segments joined as PostgreSQL sees them. */
#include "../../support/suite.h"

#include "crafted.h"
#include "pgdata/pgfolder.h"

/* Pages of 1024 bytes, 4 to a segment: as crafted.h. */
static const struct pgcontrol control = {.block_bytes = CRAFTED_BLOCK,
                                         .segment_blocks = CRAFTED_SEGMENT_BLOCKS};

static void test_segments_are_joined(void)
{
    enum { PAGE = CRAFTED_BLOCK, FULL = 4 * CRAFTED_BLOCK };
    static const struct {
        struct pgfile files[4];
        size_t n;
        uint64_t want[2]; /* bytes of each fork that comes out */
        size_t nwant;
        const char *skipped;
    } cases[] = {
        {{{1, 0, 0, FULL}, {1, 0, 1, FULL}, {1, 0, 2, PAGE}}, 3, {2 * FULL + PAGE}, 1, ""},
        {{{1, 0, 0, PAGE}, {1, 1, 0, PAGE}}, 2, {PAGE, PAGE}, 2, ""},
        {{{1, 0, 0, 0}}, 1, {0}, 1, ""},
        /* empty segments stay behind a truncation; full ones may end in an empty one */
        {{{1, 0, 0, PAGE}, {1, 0, 1, 0}, {1, 0, 2, 0}}, 3, {PAGE}, 1, ""},
        {{{1, 0, 0, FULL}, {1, 0, 1, 0}}, 2, {FULL}, 1, ""},
        /* PostgreSQL does not look behind a segment that is not full */
        {{{1, 0, 0, PAGE}, {1, 0, 1, PAGE}}, 2, {PAGE}, 1, "f/1.1"},
        {{{1, 0, 0, FULL}, {1, 0, 2, PAGE}}, 2, {FULL}, 1, "f/1.2"},
        {{{1, 0, 1, PAGE}}, 1, {0}, 0, "f/1.1"},
        {{{1, 0, 0, FULL}, {1, 1, 1, PAGE}}, 2, {FULL}, 1, "f/1.1"},
        {{{1, 0, 0, PAGE + 5}}, 1, {PAGE}, 1, "f/1 (its last, torn page)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pgfile at[4];
        struct pgfiles files = {.at = at, .n = cases[i].n};
        struct pgskipped skipped = {.n = 0};
        memcpy(at, cases[i].files, sizeof at);
        pgfolder_join_segments(&files, &control, "f", &skipped);
        CU_ASSERT(files.n == cases[i].nwant);
        for (size_t k = 0; k < files.n; k++)
            CU_ASSERT(files.at[k].bytes == cases[i].want[k]);
        ASSERT_TEXT(skipped.text, cases[i].skipped);
    }
}

static bool same(const struct pgfile *a, const struct pgfile *b)
{
    return a->number == b->number && a->fork == b->fork && a->segment == b->segment &&
           a->bytes == b->bytes;
}

static void test_listing_is_in_key_order(void)
{
    static const struct pgfile want[] = {
        {999, 0, 0, CRAFTED_BLOCK},         {2619, 0, 0, 0},
        {16384, 0, 0, 6LL * CRAFTED_BLOCK}, {16384, 1, 0, CRAFTED_BLOCK},
        {16384, 2, 0, CRAFTED_BLOCK},       {100000, 0, 0, CRAFTED_BLOCK}};
    struct zs_error e = {0};
    struct crafted c;
    struct pgfiles files = {0};
    struct pgskipped skipped = {.n = 0};
    crafted_open(&c, 0x102018);
    crafted_pages(&c, "base/5/100000", "z");
    crafted_pages(&c, "base/5/999", "z");
    crafted_pages(&c, "base/5/16384", "abcd");
    crafted_pages(&c, "base/5/16384.1", "ef");
    crafted_pages(&c, "base/5/16384_vm", "v");
    crafted_pages(&c, "base/5/t3_16390", "t");
    crafted_text(&c, "base/5/notes.txt", "n");
    crafted_folder(&c, "base/5/7777");
    crafted_folder(&c, "base/5/pgsql_tmp");
    int root = open(c.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT_OK(pgfolder_list(root, "base/5", PGFOLDER_DATABASE, &control, &skipped, &files, &e));
    CU_ASSERT_FATAL(files.n == sizeof want / sizeof *want);
    for (size_t i = 0; i < files.n; i++)
        CU_ASSERT(same(&files.at[i], &want[i]));
    CU_ASSERT(skipped.n == 2 && strstr(skipped.text, "base/5/notes.txt") != NULL &&
              strstr(skipped.text, "base/5/7777") != NULL);
    ASSERT_FAILS(pgfolder_list(root, "base/6", PGFOLDER_DATABASE, &control, NULL, &files, &e),
                 ZS_IO_ERROR);
    CU_ASSERT(close(root) == 0);
    pgfiles_free(&files);
    crafted_close(&c);
}

static void test_many_skipped_names_are_cut(void)
{
    struct pgskipped s = {.n = 0};
    char name[200];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (int i = 0; i < 1000; i++)
        pgskipped_add(&s, "folder", name, "");
    CU_ASSERT(s.n == 1000 && strlen(s.text) < sizeof s.text);
    pgskipped_add(NULL, "folder", name, "");
}

SUITE("pgdata/pgfolder", {"segments are joined as far as they are full", test_segments_are_joined},
      {"files come by relation, fork and segment", test_listing_is_in_key_order},
      {"the list of skipped names is bounded", test_many_skipped_names_are_cut})
