/* test_meter.c - progress notices read, and drawn in the room there is. */
#include "../../support/suite.h"

#include "cli/meter.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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
        {"{\"progress\":{\"records\":\"\",\"total_bytes\":null}}", true, 0, 0},
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

/* What a meter writes on standard error, which is a terminal of `columns` or, with -1, a file. */
static void meter_writes(bool wanted, int columns, const char *const *details, size_t n, char *out,
                         size_t size)
{
    char name[64] = "";
    struct meter m;
    int before = dup(STDERR_FILENO);
    int seen = columns < 0 ? open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600)
                           : posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CU_ASSERT_FATAL(before >= 0 && seen >= 0);
    int shown = seen;
    if (columns >= 0) {
        const struct winsize window = {.ws_col = (unsigned short)columns, .ws_row = 24};
        CU_ASSERT_FATAL(grantpt(seen) == 0 && unlockpt(seen) == 0 &&
                        ptsname_r(seen, name, sizeof name) == 0);
        shown = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
        CU_ASSERT_FATAL(shown >= 0 && ioctl(shown, TIOCSWINSZ, &window) == 0);
    }
    (void)dup2(shown, STDERR_FILENO);
    meter_open(&m, "main", wanted);
    for (size_t i = 0; i < n; i++) {
        struct zs_error notice = {0};
        (void)snprintf(notice.detail, sizeof notice.detail, "%s", details[i]);
        CU_ASSERT(meter_notice(&m, &notice) == (details[i][0] == '{'));
    }
    meter_clear(&m);
    (void)dup2(before, STDERR_FILENO);
    (void)close(before);
    /* A terminal passes on what was written in its own time: until the end mark is here. */
    CU_ASSERT(write(shown, "~", 1) == 1);
    size_t len = 0;
    if (columns < 0)
        (void)lseek(seen, 0, SEEK_SET);
    while (len + 1 < size && read(seen, out + len, 1) == 1 && out[len] != '~')
        len++;
    out[len] = '\0';
    if (shown != seen)
        (void)close(shown);
    (void)close(seen);
}

#define PROGRESS(phase, bytes)                                                                     \
    "{\"progress\": {\"phase\": \"" phase "\", \"bytes\": \"" bytes                                \
    "\", \"total_bytes\": \"1048576\"}}"

static void test_a_terminal_shows_a_line_and_a_file_few(void)
{
    static const char *const details[] = {PROGRESS("send", "524288"), "a sentence",
                                          PROGRESS("send", "524289")};
    static const char *const waiting[] = {PROGRESS("connect", "0")};
    char out[1024];
    meter_writes(false, 80, details, 3, out, sizeof out);
    ASSERT_TEXT(out, "");
    meter_writes(true, 80, details, 3, out, sizeof out);
    CU_ASSERT(strncmp(out, "\rmain: sending  [", 17) == 0 && strstr(out, "50 %") != NULL);
    const char *erased = strrchr(out, '\r');
    ASSERT_TEXT(erased, "\r\033[K");
    meter_writes(true, 30, details, 1, out, sizeof out);
    CU_ASSERT(strncmp(out, "\rmain: sending   50 %\033[K", 24) == 0);
    meter_writes(true, 10, details, 1, out, sizeof out); /* no width to believe in: 80 */
    CU_ASSERT(strstr(out, "512.0 KiB of 1.0 MiB") != NULL);
    meter_writes(true, -1, details, 3, out, sizeof out);
    ASSERT_TEXT(out, "main: sending   50 %  512.0 KiB of 1.0 MiB\n");
    meter_writes(true, -1, waiting, 1, out, sizeof out); /* nothing has gone yet: soon enough */
    ASSERT_TEXT(out, "");
}

SUITE("cli/meter",
      {"a terminal shows a line, and a file few", test_a_terminal_shows_a_line_and_a_file_few},
      {"progress is told from other notices", test_progress_is_told_from_other_notices},
      {"lines fit", test_lines_fit},
      {"any numbers and widths are safe", test_any_numbers_and_widths_are_safe})
