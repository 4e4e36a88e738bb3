/* test_exit_status.c - what zenith returns to the shell, by SQLSTATE. */
#include "../../support/suite.h"

#include "cli/exit_status.h"

static void test_each_sqlstate_has_its_status(void)
{
    static const struct {
        const char *sqlstate;
        int status;
    } cases[] = {{"ZS001", 3}, {"ZS002", 4}, {"ZS003", 4}, {"08001", 5}, {"28000", 5}, {"28P01", 5},
                 {"57014", 6}, {"08006", 1}, {"08P01", 1}, {"42704", 1}, {"42710", 1}, {"22023", 1},
                 {"42601", 1}, {"55006", 1}, {"40001", 1}, {"42501", 1}, {"53100", 1}, {"XX001", 1},
                 {"", 1},      {"ZS00", 1},  {"ZS0011", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT(exit_status(cases[i].sqlstate) == cases[i].status);
}

SUITE("cli/exit_status", {"each SQLSTATE has its exit status", test_each_sqlstate_has_its_status})
