/* example_flood.c - sends through the example transport, whose file is the first argument, to a
 * program that sends and never reads (the second one), and prints how that ends:
 * "refused 53400", or "sent" if it took everything.  A cancel ends it after 60 s. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zenith-sync/transport.h>

static const char *setting(void *self, const char *name)
{
    return strcmp(name, "transport_dir") == 0 ? self : NULL;
}

static int32_t never(void *self)
{
    (void)self;
    return 0;
}

int main(int argc, char **argv)
{
    static uint8_t message[1 << 20];
    struct zs_error e = {0};
    struct zs_channel ch = {.struct_size = sizeof ch};
    struct timespec now;
    void *self = NULL, *object = argc == 4 ? dlopen(argv[1], RTLD_NOW) : NULL, *symbol;
    if (object == NULL || (symbol = dlsym(object, ZS_TRANSPORT_SYMBOL)) == NULL)
        return 2;
    zs_transport_entry entry;
    memcpy(&entry, &symbol, sizeof entry);
    const struct zs_transport *t = entry();
    const struct zs_transport_host host = {
        .struct_size = sizeof host, .self = argv[2], .setting = setting};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    const struct zs_cancel cancel = {.struct_size = sizeof cancel,
                                     .fd = -1,
                                     .deadline_ns = (now.tv_sec + 60) * INT64_C(1000000000),
                                     .requested = never};
    const struct zs_connect spec = {.struct_size = sizeof spec,
                                    .uri = argv[3],
                                    .command = "branch_push",
                                    .application = "test",
                                    .cancel = &cancel};
    if (t->init(&host, &self, &e) != ZS_OK || t->connect(self, &spec, &ch, &e) != ZS_OK) {
        (void)printf("%s %s\n", e.sqlstate, e.message);
        return 1;
    }
    int32_t rc = ZS_OK;
    for (int i = 0; i < 64 && rc == ZS_OK; i++)
        rc = ch.send(ch.self, message, sizeof message, &e);
    (void)printf(rc == ZS_OK ? "sent\n" : "refused %s\n", e.sqlstate);
    ch.close(ch.self);
    t->fini(self);
    return 0;
}
