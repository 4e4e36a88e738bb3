/* test_meter.c - progress notices read, and drawn in the room there is. */
#include "../../support/suite.h"

#include "cli/meter.h"

#include <string.h>

#define MIB 1048576ull

static void test_progress_is_told_from_other_notices(void)
{
    static const struct {
        const char *detail;
        bool is_progress;
        uint64_t records, total_bytes;
    } cases[] = {
        {"{\"progress\":{\"phase\":\"send\",\"records\":\"12\",\"total_bytes\":\"34\"}}", true, 12,
         34},
        {"{\"progress\":{\"phase\":\"send\",\"records\":12,\"total_bytes\":\"-1\"}}", true, 0, 0},
        {"{\"progress\":{\"records\":\"99999999999999999999999\",\"total_bytes\":\"1e9\"}}", true,
         0, 0},
        {"{\"progress\":{}}", true, 0, 0},
        {"{\"progress\":1}", false, 0, 0},
        {"{\"other\":{}}", false, 0, 0},
        {"{", false, 0, 0},
        {"[]", false, 0, 0},
        {"", false, 0, 0},
        {"a sentence", false, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct progress p = {0};
        CU_ASSERT(progress_parse(cases[i].detail, &p) == cases[i].is_progress);
        CU_ASSERT(p.records == cases[i].records && p.total_bytes == cases[i].total_bytes);
    }
}

static void test_lines_fit(void)
{
    static const struct progress half = {
        .phase = "send", .records = 1234, .bytes = 33 * MIB, .total_bytes = 96 * MIB};
    static const struct progress blind = {.phase = "receive", .records = 1234, .bytes = 33 * MIB};
    static const struct progress commit = {
        .phase = "commit", .bytes = 96 * MIB, .total_bytes = 96 * MIB};
    static const struct progress past = {
        .phase = "send", .bytes = 97 * MIB, .total_bytes = 96 * MIB};
    static const struct progress early = {.phase = "negotiate"};
    static const struct {
        const struct progress *p;
        uint64_t rate;
        bool bar;
        size_t columns;
        const char *line;
    } cases[] = {
        {&half, 10 * MIB, false, 200,
         "main: sending   34 %  33.0 MiB of 96.0 MiB  10.0 MiB/s  0:07 left"},
        {&half, 10 * MIB, true, 200,
         "main: sending  [##########....................]   34 %  33.0 MiB of 96.0 MiB  10.0 MiB/s "
         " "
         "0:07 left"},
        {&half, 10 * MIB, true, 75,
         "main: sending   34 %  33.0 MiB of 96.0 MiB  10.0 MiB/s  0:07 left"},
        {&half, 10 * MIB, true, 60, "main: sending   34 %  33.0 MiB of 96.0 MiB  10.0 MiB/s"},
        {&half, 10 * MIB, true, 30, "main: sending   34 %"},
        {&half, 0, false, 200, "main: sending   34 %  33.0 MiB of 96.0 MiB"},
        {&blind, 10 * MIB, true, 200, "main: receiving  33.0 MiB, 1,234 records  10.0 MiB/s"},
        {&commit, 10 * MIB, false, 200, "main: committing  100 %  96.0 MiB of 96.0 MiB"},
        {&past, 10 * MIB, false, 200, "main: sending  100 %  97.0 MiB of 96.0 MiB  10.0 MiB/s"},
        {&early, 0, true, 200, "main: negotiating"},
        {&early, 0, true, 3, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[METER_LINE_MAX];
        progress_line(cases[i].p, "main", cases[i].rate, cases[i].bar, cases[i].columns, line,
                      sizeof line);
        ASSERT_TEXT(line, cases[i].line);
        CU_ASSERT(strlen(line) <= cases[i].columns);
    }
}

static void test_any_numbers_and_widths_are_safe(void)
{
    static const uint64_t numbers[] = {0, 1, 1000, 1ull << 40, UINT64_MAX / 2, UINT64_MAX};
    enum { N = sizeof numbers / sizeof *numbers };
    char label[300], line[METER_LINE_MAX];
    memset(label, 'x', sizeof label - 1);
    label[sizeof label - 1] = '\0';
    for (size_t i = 0; i < (size_t)N * N * N; i++) {
        struct progress p = {.phase = "fifteen letters",
                             .bytes = numbers[i % N],
                             .total_bytes = numbers[i / N % N],
                             .records = numbers[i / N / N]};
        for (size_t columns = 0; columns < 300; columns += 7) {
            progress_line(&p, columns % 2 == 0 ? label : "b", numbers[i / N / N], true, columns,
                          line, sizeof line);
            CU_ASSERT(strlen(line) <= columns);
        }
    }
}

SUITE("cli/meter",
      {"progress is told from other notices", test_progress_is_told_from_other_notices},
      {"lines fit", test_lines_fit},
      {"any numbers and widths are safe", test_any_numbers_and_widths_are_safe})
