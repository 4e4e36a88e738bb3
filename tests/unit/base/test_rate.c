/* test_rate.c - bytes per second as people type them. */
#include "../../support/suite.h"

#include "base/rate.h"

#include <stdio.h>

static void test_rates_are_read(void)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t bps;
    } cases[] = {
        {"0", true, 0},
        {"1", true, 1},
        {"500k", true, 512000},
        {"500K", true, 512000},
        {"10M", true, 10485760},
        {"10m", true, 10485760},
        {"1.5G", true, 1610612736},
        {"2g", true, 2147483648},
        {"1000000000000000", true, 1000000000000000},
        {"", false, 0},
        {"k", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1kB", false, 0},
        {"1kk", false, 0},
        {"1T", false, 0},
        {"1e999", false, 0},
        {"2000000000000000", false, 0},
        {"nan", false, 0},
        {"inf", false, 0},
        {"0.5", false, 0}, /* 0 would be no limit at all */
        {"0x10", false, 0},
        {"1e5", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bps = 77;
        bool good = rate_parse(cases[i].text, &bps);
        CU_ASSERT(good == cases[i].good && bps == (good ? cases[i].bps : 77));
        if (good != cases[i].good)
            (void)printf("\"%s\"\n", cases[i].text);
    }
}

static void test_a_limit_is_none_or_not_too_low(void)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t bps;
    } cases[] = {
        {"0", true, 0},      {"16k", true, 16384}, {"16384", true, 16384},
        {"16383", false, 0}, {"1", false, 0},      {"15k", false, 0},
        {"abc", false, 0},   {"", false, 0},       {"1M", true, 1048576},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bps = 77;
        bool good = rate_limit_parse(cases[i].text, &bps);
        CU_ASSERT(good == cases[i].good && bps == (good ? cases[i].bps : 77));
        if (good != cases[i].good)
            (void)printf("\"%s\"\n", cases[i].text);
    }
}

SUITE("base/rate", {"rates are read", test_rates_are_read},
      {"a limit is none, or not too low", test_a_limit_is_none_or_not_too_low})
