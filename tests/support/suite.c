/* suite.c - see suite.h. */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zenith-sync/types.h>

static int wanted(const char *name, int argc, char **argv)
{
    if (argc < 2)
        return 1;
    for (int i = 1; i < argc; i++)
        if (strstr(name, argv[i]) != NULL)
            return 1;
    return 0;
}

static unsigned skipped;

void test_skip(const char *why)
{
    printf("skipped: %s\n", why);
    skipped++;
}

int suite_main(const char *suite, const struct test *tests, size_t n, int argc, char **argv)
{
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    CU_pSuite s = CU_add_suite(suite, NULL, NULL);
    for (size_t i = 0; i < n; i++)
        if (wanted(tests[i].name, argc, argv) &&
            CU_add_test(s, tests[i].name, tests[i].run) == NULL)
            return 2;
    CU_ErrorCode ran = CU_run_all_tests();
    unsigned failed = CU_get_number_of_tests_failed();
    unsigned run = CU_get_number_of_tests_run();
    for (const CU_FailureRecord *f = CU_get_failure_list(); f != NULL; f = f->pNext)
        printf("FAILED %s: %s: %s:%u: %s\n", suite, f->pTest != NULL ? f->pTest->pName : "?",
               f->strFileName, f->uiLineNumber, f->strCondition);
    printf("%s: %u passed, %u failed", suite, run - failed - skipped, failed);
    if (skipped > 0)
        printf(", %u skipped", skipped);
    printf("\n");
    CU_cleanup_registry();
    return ran == CUE_SUCCESS && failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

void assert_text(const char *got, const char *want, const char *file, int line)
{
    int same = got != NULL && strcmp(got, want) == 0;
    if (!same)
        printf("%s:%d: got  \"%s\"\n%s:%d: want \"%s\"\n", file, line, got == NULL ? "(null)" : got,
               file, line, want);
    CU_assertImplementation(same, (unsigned)line, "texts are equal", file, "", CU_FALSE);
}

void assert_ok(int rc, const struct zs_error *e, const char *call, const char *file, int line)
{
    if (rc != ZS_OK)
        printf("%s:%d: %s: %s %s %s\n", file, line, call, e->sqlstate, e->message, e->detail);
    CU_assertImplementation(rc == ZS_OK, (unsigned)line, call, file, "", CU_FALSE);
}

void assert_fails(int rc, const struct zs_error *e, const char *sqlstate, const char *call,
                  const char *file, int line)
{
    int as_said = rc != ZS_OK && strcmp(e->sqlstate, sqlstate) == 0 && e->message[0] != '\0';
    if (!as_said)
        printf("%s:%d: %s: wanted %s, got %d %s %s\n", file, line, call, sqlstate, rc,
               rc == ZS_OK ? "" : e->sqlstate, rc == ZS_OK ? "" : e->message);
    CU_assertImplementation(as_said, (unsigned)line, call, file, "", CU_FALSE);
}
