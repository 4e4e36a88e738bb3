/* test_summary.c - the sentences that commands end with. */
#include "../../support/suite.h"

#include "base/cleanup.h"
#include "cli/summary.h"

#include <stdlib.h>

static void test_transfers_end_with_what_went_where(void)
{
    static const struct {
        struct transfer_summary s;
        const char *text;
    } cases[] = {
        {{true, false, "absent", "main", "cloud", "main", "0/0", "16/B374D848", 12345, 101082726,
          101090000, 80, false, 0},
         "main -> cloud:main  0/0..16/B374D848, 12,345 records, 96.4 MiB in 0.08 s (1.2 GiB/s)\n"},
        {{false, false, "behind", "mine", "cloud", "main", "0/1", "0/2", 1, 8192, 1000, 10, true,
          43},
         "cloud:main -> mine  0/1..0/2, 1 record, 8.0 KiB (1000 bytes on the wire) in 0.01 s "
         "(800.0 KiB/s), resumed at 43 %\n"},
        {{true, false, "equal", "main", "cloud", "other", "0/2", "0/2", 0, 0, 700, 5, false, 0},
         "main is up to date with cloud:other at 0/2\n"},
        {{true, true, "equal", "main", "cloud", "main", "0/2", "0/2", 0, 0, 700, 5, false, 0},
         "main is up to date with cloud:main at 0/2\n"},
        {{true, true, "absent", "main", "cloud", "main", "0/0", "0/2", 10, 8192, 700, 5, false, 0},
         "would go: main -> cloud:main  0/0..0/2, about 10 records, 8.0 KiB (the far side has "
         "no such branch yet); nothing was changed\n"},
        {{false, true, "behind", "main", "cloud", "main", "0/1", "0/2", 10, 8192, 700, 5, false, 0},
         "would go: cloud:main -> main  0/1..0/2, about 10 records, 8.0 KiB (this side is "
         "behind); nothing was changed\n"},
        {{true, false, "absent", "main", "c", "main", "0/0", "0/2", 9, 9000, 9000, 0, false, 0},
         "main -> c:main  0/0..0/2, 9 records, 8.8 KiB in 0.00 s\n"},
        {{true, false, "absent", "e\033[2J", "c", "e", "0/0", "0/0", 0, 0, 0, 0, false, 0},
         "e?[2J -> c:e  0/0..0/0, 0 records, 0 bytes in 0.00 s\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEANUP(free_ptr) char *text = NULL;
        size_t len = 0;
        FILE *f = open_memstream(&text, &len);
        CU_ASSERT_FATAL(f != NULL);
        transfer_sentence(f, &cases[i].s);
        (void)fclose(f);
        ASSERT_TEXT(text, cases[i].text);
    }
}

static void test_imports_and_exports_end_with_what_was_done(void)
{
    static const struct import_summary created = {"main", "created", "0/0", "0/2", 2, 8192, 10};
    static const struct import_summary same = {"main", "unchanged", "0/2", "0/2", 0, 0, 10};
    static const struct export_summary out = {"main", "0/2", "/x", 1, 8192, 10};
    CLEANUP(free_ptr) char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    CU_ASSERT_FATAL(f != NULL);
    import_sentence(f, &created);
    import_sentence(f, &same);
    export_sentence(f, &out);
    (void)fclose(f);
    ASSERT_TEXT(text, "main created  0/0..0/2, 2 records, 8.0 KiB in 0.01 s (800.0 KiB/s)\n"
                      "main is up to date with the cluster at 0/2\n"
                      "main at 0/2 -> /x  1 file, 8.0 KiB in 0.01 s (800.0 KiB/s)\n");
}

static void test_verifications_end_with_what_is_the_same(void)
{
    static const struct {
        struct verify_summary s;
        const char *text;
    } cases[] = {
        {{NULL, "sound", "main", "", "0/2", "", "", 2, 8192, 0, 10},
         "main is sound up to 0/2: 2 records, 8.0 KiB in 0.01 s (800.0 KiB/s)\n"},
        {{NULL, "absent", "main", "", "", "", "", 0, 0, 0, 0},
         "main is not here yet; what an interrupted transfer of it left is sound\n"},
        {{"c", "same", "main", "far", "0/2", "0/2", "0/2", 2, 100, 900, 10},
         "main and c:far hold the same up to 0/2: 2 records, 100 bytes in 0.01 s, 900 bytes on "
         "the wire\n"},
        {{"c", "same", "main", "far", "0/2", "0/3", "0/2", 2, 100, 900, 10},
         "main and c:far hold the same up to 0/2: 2 records, 100 bytes in 0.01 s, 900 bytes on "
         "the wire; this side goes on to 0/3\n"},
        {{"c", "same", "main", "far", "0/2", "0/2", "0/4", 2, 100, 900, 10},
         "main and c:far hold the same up to 0/2: 2 records, 100 bytes in 0.01 s, 900 bytes on "
         "the wire; the far side goes on to 0/4\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEANUP(free_ptr) char *text = NULL;
        size_t len = 0;
        FILE *f = open_memstream(&text, &len);
        CU_ASSERT_FATAL(f != NULL);
        verify_sentence(f, &cases[i].s);
        (void)fclose(f);
        ASSERT_TEXT(text, cases[i].text);
    }
}

SUITE("cli/summary",
      {"verifications end with what is the same", test_verifications_end_with_what_is_the_same},
      {"transfers end with what went where", test_transfers_end_with_what_went_where},
      {"imports and exports end with what was done",
       test_imports_and_exports_end_with_what_was_done})
