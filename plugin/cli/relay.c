/* relay.c - see relay.h. */
#include "cli/relay.h"

#include "cli/output.h"

#include <string.h>

static void relay_line(const char *line, FILE *to)
{
    static const struct {
        const char *theirs, *ours;
    } heads[] = {
        {"pageserver: ", "zenith: "}, {"DETAIL:  ", "  detail: "}, {"HINT:  ", "  hint: "}};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        size_t len = strlen(heads[i].theirs);
        if (strncmp(line, heads[i].theirs, len) != 0)
            continue;
        (void)fputs(heads[i].ours, to);
        line += len;
        break;
    }
    print_clean(to, line);
    (void)fputc('\n', to);
}

void relay_errors(char *text, FILE *to)
{
    while (*text != '\0') {
        char *end = text + strcspn(text, "\n");
        char *next = *end == '\0' ? end : end + 1;
        *end = '\0';
        relay_line(text, to);
        text = next;
    }
}
