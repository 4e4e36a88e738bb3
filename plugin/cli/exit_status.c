/* exit_status.c - see exit_status.h. */
#include "cli/exit_status.h"

#include <stddef.h>
#include <string.h>
#include <zenith-sync/types.h>

int exit_status(const char *sqlstate)
{
    static const struct {
        char sqlstate[6];
        int status;
    } table[] = {
        {ZS_NOT_FAST_FORWARD, EXIT_AHEAD},    {ZS_DIVERGED, EXIT_DIVERGED},
        {ZS_UNRELATED, EXIT_DIVERGED},        {ZS_CANNOT_CONNECT, EXIT_NO_CONNECT},
        {ZS_NOT_AUTHORIZED, EXIT_NO_CONNECT}, {ZS_WRONG_PASSWORD, EXIT_NO_CONNECT},
        {ZS_CANCELLED, EXIT_INTERRUPTED},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].sqlstate, sqlstate) == 0)
            return table[i].status;
    return EXIT_FAILED;
}
