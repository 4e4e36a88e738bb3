/* test_format.c - numbers as people read them; text that a terminal can take. */
#include "../../support/suite.h"

#include "cli/format.h"

#include <stdio.h>

static void test_bytes_and_rates(void)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 bytes"},       {1, "1 byte"},           {1023, "1023 bytes"},
        {1024, "1.0 KiB"},    {1536, "1.5 KiB"},       {1048524, "1023.9 KiB"},
        {1048575, "1.0 MiB"}, {101082726, "96.4 MiB"}, {UINT64_MAX, "16.0 EiB"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ASSERT_TEXT(bytes_text(cases[i].bytes).s, cases[i].text);
    ASSERT_TEXT(rate_text(101082726, 80).s, "1.2 GiB/s");
    ASSERT_TEXT(rate_text(1, 0).s, "1000 bytes/s");
    ASSERT_TEXT(rate_text(0, 10).s, "0 bytes/s");
}

static void test_counts_have_their_thousands_parted(void)
{
    static const struct {
        uint64_t n;
        const char *text;
    } cases[] = {
        {0, "0"},          {999, "999"},        {1000, "1,000"},
        {12345, "12,345"}, {123456, "123,456"}, {UINT64_MAX, "18,446,744,073,709,551,615"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ASSERT_TEXT(count_text(cases[i].n).s, cases[i].text);
}

static void test_durations(void)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {{0, "0.00 s"},           {80, "0.08 s"},         {9994, "9.99 s"},
                 {9995, "10.0 s"},        {12345, "12.3 s"},      {59949, "59.9 s"},
                 {59950, "1 min 00 s"},   {200000, "3 min 20 s"}, {3599499, "59 min 59 s"},
                 {3599500, "1 h 00 min"}, {7500000, "2 h 05 min"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ASSERT_TEXT(duration_text(cases[i].ms).s, cases[i].text);
    ASSERT_TEXT(clock_text(5).s, "0:05");
    ASSERT_TEXT(clock_text(754).s, "12:34");
    ASSERT_TEXT(clock_text(3723).s, "1:02:03");
}

static void test_no_control_sequence_gets_to_a_terminal(void)
{
    static const struct {
        const char *text, *clean;
    } cases[] = {
        {"plain, with \xC3\xA4 and \xF0\x9F\x98\x80", "plain, with \xC3\xA4 and \xF0\x9F\x98\x80"},
        {"a\033[2Jb", "a?[2Jb"},
        {"two\nlines\tand\ra tab", "two lines and a tab"},
        {"\x01\x7f", "??"},
        {"C1 \xC2\x9B", "C1 ?"},
        {"no-break \xC2\xA0", "no-break \xC2\xA0"},
        {"bare \x9B", "bare ?"},
        {"cut \xC3", "cut ?"},
        {"cut \xE2\x82", "cut ??"},
        {"overlong \xC0\x9B", "overlong ??"},
        {"overlong \xE0\x80\x9B", "overlong ???"},
        {"surrogate \xED\xA0\x80", "surrogate ???"},
        {"\xF5\x80\x80\x80", "????"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%s", cases[i].text);
        clean_text(text);
        ASSERT_TEXT(text, cases[i].clean);
    }
}

SUITE("cli/format", {"bytes and rates", test_bytes_and_rates},
      {"counts have their thousands parted", test_counts_have_their_thousands_parted},
      {"durations", test_durations},
      {"no control sequence gets to a terminal", test_no_control_sequence_gets_to_a_terminal})
