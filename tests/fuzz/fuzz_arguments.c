/* fuzz_arguments.c - what a client typed behind a command's name (command/arguments.h).
 * Input: the text.
 * Holds: what parses, written again with every word quoted, parses to the same; options
 * that are read are in their bounds. */
#include "support.h"

#include "command/arguments.h"
#include "sync/encoding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char line[4 * FUZZ_INPUT_MAX];

static void write_again(const struct arguments *a)
{
    size_t used = 0;
    for (size_t i = 0; i < a->nwords; i++) {
        HOLDS(argument_quote(line, sizeof line, &used, a->words[i]));
        line[used++] = ' ';
    }
    for (size_t i = 0; i < a->noptions; i++) {
        line[used++] = i == 0 ? '(' : ',';
        HOLDS(argument_quote(line, sizeof line, &used, a->options[i].name));
        line[used++] = ' ';
        HOLDS(argument_quote(line, sizeof line, &used, a->options[i].value));
    }
    (void)snprintf(line + used, 2, "%s", a->noptions > 0 ? ")" : "");
}

static void check_same(const struct arguments *a, const struct arguments *b)
{
    HOLDS(a->nwords == b->nwords && a->noptions == b->noptions);
    for (size_t i = 0; i < a->nwords; i++)
        HOLDS(strcmp(a->words[i], b->words[i]) == 0);
    for (size_t i = 0; i < a->noptions; i++)
        HOLDS(strcmp(a->options[i].name, b->options[i].name) == 0 &&
              strcmp(a->options[i].value, b->options[i].value) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arguments a, again;
    struct transfer_options o;
    struct zs_error e;
    if (size > FUZZ_INPUT_MAX)
        return 0;
    fuzz_error_before(&e);
    if (!fuzz_error_after(arguments_parse(fuzz_text(0, data, size), &a, &e), &e))
        return 0;
    HOLDS(a.nwords <= ARGUMENTS_MAX_WORDS && a.noptions <= ARGUMENTS_MAX_OPTIONS);
    write_again(&a);
    HOLDS(fuzz_error_after(arguments_parse(line, &again, &e), &e));
    check_same(&a, &again);
    arguments_fini(&again);
    (void)fuzz_error_after(arguments_expect(&a, 2, 3, "push BRANCH URI [FAR_BRANCH]", &e), &e);
    fuzz_error_before(&e);
    if (fuzz_error_after(transfer_options_read(&a, &o, &e), &e)) {
        HOLDS(o.encoding <= ENCODING_AUTO);
        HOLDS(o.max_rate_bps == 0 ||
              (o.max_rate_bps >= 8192 && o.max_rate_bps <= 1000000000000000));
    }
    arguments_fini(&a);
    return 0;
}
