/* fuzz_query.c - a query as a client typed it (pageserver/commands.h).
 * Input: the text.
 * Holds: a command's name is lower case and fits; arguments are views into the text;
 * quoted again (command/arguments.h, as the CLI does), they are split to the same. */
#include "support.h"

#include "command/arguments.h"
#include "pageserver/commands.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define WORDS 5

static void check_again(const char *const *words, uint32_t n)
{
    static char line[2 * FUZZ_INPUT_MAX + 64];
    const char *again[WORDS];
    uint32_t n_again = 0;
    size_t used = 0;
    struct zs_error e;
    line[0] = '\0';
    for (uint32_t i = 0; i < n; i++) {
        HOLDS(argument_quote(line, sizeof line, &used, words[i]));
        line[used++] = '\n';
        line[used] = '\0';
    }
    fuzz_error_before(&e);
    HOLDS(fuzz_error_after(args_split(line, again, n, WORDS, &n_again, "usage", &e), &e));
    HOLDS(n == n_again);
    for (uint32_t i = 0; i < n; i++)
        HOLDS(strcmp(words[i], again[i]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct query q;
    const char *words[WORDS];
    uint32_t n = 0;
    struct zs_error e;
    if (size > FUZZ_INPUT_MAX)
        return 0;
    char *text = fuzz_text(0, data, size);
    const char *end = text + strlen(text);
    fuzz_error_before(&e);
    if (!fuzz_error_after(query_split(text, &q, &e), &e))
        return 0;
    HOLDS(q.args >= text && q.args <= end && strlen(q.word) <= COMMAND_NAME_MAX);
    for (const char *p = q.word; *p != '\0'; p++)
        HOLDS(islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '_');
    HOLDS(q.word[0] != '\0' || q.args[0] == '\0');
    fuzz_error_before(&e);
    if (!fuzz_error_after(args_split(q.args, words, 1, WORDS, &n, "usage", &e), &e))
        return 0;
    HOLDS(n >= 1 && n <= WORDS);
    for (uint32_t i = 0; i < n; i++)
        HOLDS(words[i] >= text && words[i] <= end);
    check_again(words, n);
    return 0;
}
