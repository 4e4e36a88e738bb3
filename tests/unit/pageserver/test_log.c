/* test_log.c - what the log says of failures. */
#include "../../support/suite.h"

#include "pageserver/log.h"

#include <stdio.h>
#include <string.h>

static void test_failures_are_as_loud_as_they_matter(void)
{
    static const struct {
        const char *sqlstate;
        uint32_t level;
    } cases[] = {
        {ZS_CORRUPT, ZS_LOG_ERROR},
        {ZS_INTERNAL_ERROR, ZS_LOG_ERROR},
        {ZS_IO_ERROR, ZS_LOG_ERROR},
        {ZS_DISK_FULL, ZS_LOG_ERROR},
        {ZS_OUT_OF_MEMORY, ZS_LOG_ERROR},
        {ZS_LIMIT_EXCEEDED, ZS_LOG_ERROR},
        {ZS_CANNOT_CONNECT, ZS_LOG_WARNING},
        {ZS_CONNECTION_LOST, ZS_LOG_WARNING},
        {ZS_WRONG_PASSWORD, ZS_LOG_WARNING},
        {ZS_CANCELLED, ZS_LOG_INFO},
        {ZS_SYNTAX_ERROR, ZS_LOG_INFO},
        {ZS_NO_SUCH_BRANCH, ZS_LOG_INFO},
        {ZS_BUSY, ZS_LOG_INFO},
        {ZS_DIVERGED, ZS_LOG_INFO},
        {"", ZS_LOG_INFO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT(log_failure_level(cases[i].sqlstate) == cases[i].level);
}

static void test_an_error_is_one_line_whatever_it_holds(void)
{
    struct zs_error e = {0};
    char text[512] = "";
    FILE *file = tmpfile();
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    struct log log = {.fd = fileno(file), .level = ZS_LOG_WARNING};
    error_set(&e, ZS_CORRUPT, "bad\nline");
    log_error(&log, ZS_LOG_INFO, "quiet", &e);
    log_error(&log, log_failure_level(e.sqlstate), "export", &e);
    rewind(file);
    CU_ASSERT(fread(text, 1, sizeof text - 1, file) > 0);
    CU_ASSERT(strstr(text, "Z error: export: XX001: bad\\x0aline\n") != NULL);
    CU_ASSERT(strchr(text, '\n') == text + strlen(text) - 1);
    (void)fclose(file);
}

SUITE("pageserver/log",
      {"a failure is as loud as it matters", test_failures_are_as_loud_as_they_matter},
      {"an error is one line, whatever it holds", test_an_error_is_one_line_whatever_it_holds})
