/* fuzz_pgpath.c - names in a data directory, and names that a branch brings
 * (pgdata/pgpath.h).
 * Input: the name.
 * Holds: a file that a branch may bring stays inside the data directory; a name that is
 * taken apart, put together again, is the same name. */
#include "support.h"

#include "pgdata/pgpath.h"

#include <stdio.h>
#include <string.h>

static void check_allowed(const char *path)
{
    char copy[512];
    HOLDS(path[0] != '/');
    size_t room = strlen(path) + 2;
    if (room > sizeof copy)
        return;
    (void)snprintf(copy, room, "%s/", path);
    for (const char *part = copy; *part != '\0'; part += strcspn(part, "/") + 1) {
        size_t len = strcspn(part, "/");
        HOLDS(len > 0 && !(len == 1 && part[0] == '.') && !(len == 2 && !memcmp(part, "..", 2)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t number = 0, relation = 0, fork = 0, segment = 0;
    char again[32];
    if (size > 4096)
        return 0;
    const char *name = fuzz_text(0, data, size);
    if (pgpath_other_allowed(name))
        check_allowed(name);
    if (pgpath_number(name, &number)) {
        (void)snprintf(again, sizeof again, "%u", number);
        HOLDS(strcmp(name, again) == 0);
    }
    if (pgpath_hex(name, 4, &number)) {
        (void)snprintf(again, sizeof again, "%04X", number);
        HOLDS(strcmp(name, again) == 0);
    }
    if (pgpath_relation(name, &relation, &fork, &segment)) {
        const struct pgkey key = {
            .type = PGKEY_BLOCK, .space = PGKEY_SPC_GLOBAL, .relation = relation, .fork = fork};
        HOLDS(fork < PGKEY_FORKS);
        HOLDS(strcmp(pgpath_relation_file(&key, segment).s + strlen("global/"), name) == 0);
        HOLDS(pgpath_database_fate(name, false) == PGPATH_CARRIED);
    }
    HOLDS((unsigned)pgpath_top_fate(name) <= PGPATH_UNKNOWN);
    HOLDS((unsigned)pgpath_database_fate(name, true) <= PGPATH_UNKNOWN);
    return 0;
}
