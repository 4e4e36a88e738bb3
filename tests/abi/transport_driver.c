/* transport_driver.c - loads what its arguments name into one registry, and prints one
 * line each: "ok", or the SQLSTATE and the sentence.  A folder is loaded as one. */
#include "transport/registry.h"

#include <stdio.h>
#include <sys/stat.h>

static void log_none(void *self, uint32_t level, const char *line)
{
    (void)self, (void)level, (void)line;
}

static const char *setting_none(void *self, const char *name)
{
    (void)self, (void)name;
    return NULL;
}

int main(int argc, char **argv)
{
    static const struct zs_transport_host host = {
        .struct_size = sizeof host, .log = log_none, .setting = setting_none};
    struct zs_error e = {0};
    struct registry *r;
    if (registry_open(&host, &r, &e) != ZS_OK)
        return 2;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        int is_dir = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
        int rc = is_dir ? registry_load_dir(r, argv[i], &e) : registry_load_file(r, argv[i], &e);
        if (rc == ZS_OK)
            (void)printf("ok\n");
        else
            (void)printf("%s %s\n", e.sqlstate, e.message);
    }
    registry_close(r);
    return 0;
}
