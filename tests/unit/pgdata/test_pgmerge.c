/* test_pgmerge.c - what an import is to be, and what becomes of each key. */
#include "../../support/suite.h"

#include "pgdata/pgmerge.h"

#include <string.h>

static void test_plan(void)
{
    static const struct pgcontrol same = {
        .system_identifier = 7, .block_bytes = 8192, .segment_blocks = 131072};
    static const struct pgcontrol other = {
        .system_identifier = 8, .block_bytes = 8192, .segment_blocks = 131072};
    static const struct pgcontrol pages = {
        .system_identifier = 7, .block_bytes = 4096, .segment_blocks = 131072};
    static const struct pgcontrol segments = {
        .system_identifier = 7, .block_bytes = 8192, .segment_blocks = 65536};
    static const struct {
        zs_lsn last;
        const struct pgcontrol *theirs;
        zs_lsn checkpoint;
        enum import_plan want;
        bool exists;
    } cases[] = {
        {0, NULL, 100, IMPORT_CREATE, false},
        {0, NULL, 100, IMPORT_FILL, true},
        {50, &same, 100, IMPORT_CHANGES, true},
        {100, &same, 100, IMPORT_COMPARE, true},
        {101, &same, 100, IMPORT_OLDER, true},
        {50, NULL, 100, IMPORT_NO_CLUSTER, true},
        {50, &other, 100, IMPORT_OTHER_CLUSTER, true},
        {101, &other, 100, IMPORT_OTHER_CLUSTER, true},
        {50, &pages, 100, IMPORT_OTHER_BLOCKS, true},
        {50, &segments, 100, IMPORT_OTHER_BLOCKS, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pgcontrol ours = same;
        ours.checkpoint = cases[i].checkpoint;
        CU_ASSERT(import_decide(cases[i].exists, cases[i].last, cases[i].theirs, &ours) ==
                  cases[i].want);
    }
}

static void test_step(void)
{
#define RECORD(letter, kind_, text)                                                                \
    {                                                                                              \
        .key = {letter}, .kind = (kind_), .len = sizeof(text) - 1, .value = (text)                 \
    }
    static const struct zs_record a = RECORD('a', ZS_KIND_IMAGE, "one"),
                                  a_again = RECORD('a', ZS_KIND_IMAGE, "one"),
                                  a_other = RECORD('a', ZS_KIND_IMAGE, "two"),
                                  a_longer = RECORD('a', ZS_KIND_IMAGE, "one more"),
                                  a_empty = {.key = {'a'}, .kind = ZS_KIND_IMAGE},
                                  a_wal = RECORD('a', ZS_KIND_WAL, "one"),
                                  b = RECORD('b', ZS_KIND_IMAGE, "one");
    static const struct {
        const struct zs_record *ours, *theirs;
        enum merge_step want;
    } cases[] = {
        {NULL, NULL, MERGE_END},          {&a, NULL, MERGE_PUT_NEW},
        {NULL, &a, MERGE_TOMBSTONE},      {&a, &b, MERGE_PUT_NEW},
        {&b, &a, MERGE_TOMBSTONE},        {&a, &a_again, MERGE_KEEP},
        {&a, &a_other, MERGE_PUT},        {&a, &a_longer, MERGE_PUT},
        {&a, &a_empty, MERGE_PUT},        {&a_empty, &a, MERGE_PUT},
        {&a_empty, &a_empty, MERGE_KEEP}, {&a, &a_wal, MERGE_PUT}, /* the page below is not known */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT(merge_decide(cases[i].ours, cases[i].theirs) == cases[i].want);
}

SUITE("pgdata/pgmerge", {"an import fits, or is refused for one reason", test_plan},
      {"a key is put, kept or buried", test_step})
