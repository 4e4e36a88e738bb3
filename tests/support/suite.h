/* suite.h - one CUnit suite per test file, with a closing line that adds up.
 *
 *     static void test_hex_is_read_in_either_case(void) { CU_ASSERT(...); }
 *     SUITE("model/lsn", {"hex is read in either case", test_hex_is_read_in_either_case})
 *
 * Each file is a program: exit status 0 if all passed; its last line is
 * "model/lsn: N passed, N failed", which tests/run adds up, ", N skipped" behind it if this
 * machine does not let some be tried.  Arguments, if any, are parts of test names: only those
 * that match run. */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

#include <CUnit/CUnit.h>
#include <stddef.h>

struct test {
    const char *name; /* says what must hold */
    void (*run)(void);
};

int suite_main(const char *suite, const struct test *tests, size_t n, int argc, char **argv);

#define SUITE(suite, ...)                                                                          \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        static const struct test tests[] = {__VA_ARGS__};                                          \
        return suite_main(suite, tests, sizeof tests / sizeof *tests, argc, argv);                 \
    }

/* The test that runs cannot be tried here, and why: it counts as skipped. */
void test_skip(const char *why);

/* Text and error checks that print both sides when they fail. */
void assert_text(const char *got, const char *want, const char *file, int line);
#define ASSERT_TEXT(got, want) assert_text((got), (want), __FILE__, __LINE__)

struct zs_error;
void assert_ok(int rc, const struct zs_error *e, const char *call, const char *file, int line);
/* The call must succeed; prints the error if it does not.  `e` must be in scope. */
#define ASSERT_OK(call) assert_ok((call), &e, #call, __FILE__, __LINE__)

void assert_fails(int rc, const struct zs_error *e, const char *sqlstate, const char *call,
                  const char *file, int line);
/* The call must fail with this SQLSTATE and a message.  `e` must be in scope. */
#define ASSERT_FAILS(call, sqlstate) assert_fails((call), &e, (sqlstate), #call, __FILE__, __LINE__)

#endif
