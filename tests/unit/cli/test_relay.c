/* test_relay.c - the pageserver program's errors look like zenith's. */
#include "../../support/suite.h"

#include "base/cleanup.h"
#include "cli/relay.h"

#include <stdlib.h>
#include <string.h>

static void test_errors_are_relayed_in_our_form(void)
{
    static const struct {
        char theirs[80];
        const char *ours;
    } cases[] = {
        {"", ""},
        {"pageserver: no\n", "zenith: no\n"},
        {"pageserver: no\nDETAIL:  d\nHINT:  h\n", "zenith: no\n  detail: d\n  hint: h\n"},
        {"pageserver: cut", "zenith: cut\n"},
        {"a\n\nHINT: one blank\n", "a\n\nHINT: one blank\n"},
        {"in pageserver: no\n", "in pageserver: no\n"},
        {"HINT:  pageserver: h\n", "  hint: pageserver: h\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEANUP(free_ptr) char *text = NULL;
        char theirs[sizeof cases[i].theirs];
        size_t len = 0;
        FILE *f = open_memstream(&text, &len);
        CU_ASSERT_FATAL(f != NULL);
        memcpy(theirs, cases[i].theirs, sizeof theirs);
        relay_errors(theirs, f);
        (void)fclose(f);
        ASSERT_TEXT(text, cases[i].ours);
    }
}

SUITE("cli/relay", {"errors are relayed in our form", test_errors_are_relayed_in_our_form})
