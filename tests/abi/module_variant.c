/* module_variant.c - a module that is right but for what a -D breaks.
 * Built by run_modules.sh, once per row of its table.  The commands of the good one do
 * what module_client.c needs: say the version, wait for a cancel, echo, flood, fail. */
#include <zenith-sync/host.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef SYMBOL
#define SYMBOL zenith_sync_module_v1
#endif
#ifndef STRUCT_SIZE
#define STRUCT_SIZE sizeof(struct zs_module)
#endif
#ifndef NEEDS
#define NEEDS (ZS_HOST_STORE | ZS_HOST_COPY_BOTH)
#endif
#ifndef NAME
#define NAME "variant"
#endif
#ifndef MODULE_NAME
#define MODULE_NAME NAME
#endif
#ifndef VERSION
#define VERSION "1"
#endif
#ifndef COMMAND
#define COMMAND "variant_version"
#endif
#ifndef INIT
#define INIT variant_init
#endif
#ifndef FINI
#define FINI variant_fini
#endif
#ifndef DIGEST
#define DIGEST variant_digest
#endif
#ifndef INIT_RESULT
#define INIT_RESULT ZS_OK
#endif
#ifndef DESCRIPTOR
#define DESCRIPTOR &variant
#endif

static int32_t fail(struct zs_error *e, const char *sqlstate, const char *message)
{
    memset(e, 0, sizeof *e);
    memcpy(e->sqlstate, sqlstate, 5);
    (void)snprintf(e->message, sizeof e->message, "%s", message);
    return ZS_FAIL;
}

static int32_t run_version(void *self, const struct zs_session *session, const char *args,
                           struct zs_error *e)
{
    static const char *const names[] = {"version", "args"};
    const char *const row[] = {VERSION, args};
    (void)self;
    if (session->columns(session->self, names, 2, e) != ZS_OK)
        return ZS_FAIL;
    return session->row(session->self, row, 2, e);
}

static int32_t run_wait(void *self, const struct zs_session *session, const char *args,
                        struct zs_error *e)
{
    const struct zs_cancel *c = session->cancel;
    (void)self, (void)args;
    struct zs_error notice = {.sqlstate = "00000", .message = "waiting"};
    session->notice(session->self, &notice);
    while (!c->requested(c->self)) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        (void)poll(&p, 1, 100);
    }
    return fail(e, ZS_CANCELLED, VERSION " was cancelled");
}

static int32_t run_echo(void *self, const struct zs_session *session, const char *args,
                        struct zs_error *e)
{
    struct zs_channel ch = {.struct_size = sizeof ch};
    (void)self, (void)args;
    if (session->copy_both(session->self, &ch, e) != ZS_OK)
        return ZS_FAIL;
    for (;;) {
        const void *msg = NULL;
        uint64_t len = 0;
        int32_t r = ch.recv(ch.self, -1, &msg, &len, e);
        int32_t rc = r == ZS_RECV_MESSAGE ? ch.send(ch.self, msg, len, e)
                     : r == ZS_RECV_END   ? ch.finish(ch.self, e)
                                          : ZS_FAIL;
        if (r == ZS_RECV_MESSAGE && rc == ZS_OK)
            continue;
        ch.close(ch.self);
        return rc;
    }
}

/* Sends 1 MiB messages until it is stopped, or so many as args says. */
static int32_t run_flood(void *self, const struct zs_session *session, const char *args,
                         struct zs_error *e)
{
    enum { SIZE = 1048576 };
    struct zs_channel ch = {.struct_size = sizeof ch};
    (void)self;
    char *message = calloc(1, SIZE);
    long left = args[0] != '\0' ? strtol(args, NULL, 10) : -1;
    int32_t rc = message == NULL ? fail(e, ZS_OUT_OF_MEMORY, "out of memory")
                                 : session->copy_both(session->self, &ch, e);
    if (rc == ZS_OK) {
        while (left != 0 && rc == ZS_OK) {
            rc = ch.send(ch.self, message, SIZE, e);
            left -= left > 0;
        }
        if (rc == ZS_OK)
            rc = ch.finish(ch.self, e);
        ch.close(ch.self);
    }
    free(message);
    return rc;
}

/* Refuses in the middle of the copy, whatever the client is doing. */
static int32_t run_refuse(void *self, const struct zs_session *session, const char *args,
                          struct zs_error *e)
{
    struct zs_channel ch = {.struct_size = sizeof ch};
    (void)self, (void)args;
    if (session->copy_both(session->self, &ch, e) != ZS_OK)
        return ZS_FAIL;
    ch.close(ch.self);
    return fail(e, ZS_DIVERGED, "refused in the middle");
}

/* Fails without saying why: a bug that the host must report as one. */
static int32_t run_mute(void *self, const struct zs_session *session, const char *args,
                        struct zs_error *e)
{
    (void)self, (void)session, (void)args, (void)e;
    return ZS_FAIL;
}

__attribute__((unused)) static int32_t variant_init(const struct zs_host *host, void **self,
                                                    struct zs_error *e)
{
    static const struct {
        const char *name;
        int32_t (*run)(void *, const struct zs_session *, const char *, struct zs_error *);
    } commands[] = {{COMMAND, run_version},       {NAME "_wait", run_wait},
                    {NAME "_echo", run_echo},     {NAME "_flood", run_flood},
                    {NAME "_refuse", run_refuse}, {NAME "_mute", run_mute}};
    *self = (void *)(uintptr_t)host;
    if (INIT_RESULT != ZS_OK)
        return fail(e, ZS_BAD_VALUE, "the moon is wrong");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        struct zs_command c = {.struct_size = sizeof c,
                               .role = ZS_ROLE_READ,
                               .name = commands[i].name,
                               .summary = "for tests",
                               .run = commands[i].run};
        if (host->command_add(host->self, &c, e) != ZS_OK)
            return ZS_FAIL;
    }
    const char *dir = host->setting(host->self, "transport_dir");
    host->log(host->self, ZS_LOG_INFO, dir != NULL ? dir : "(no transport_dir)");
    return ZS_OK;
}

__attribute__((unused)) static void variant_fini(void *self)
{
    const struct zs_host *host = self;
    host->log(host->self, ZS_LOG_INFO, "fini of " NAME " " VERSION);
}

__attribute__((unused)) static void variant_digest(struct zs_digest *sum,
                                                   const struct zs_record *records, uint64_t n)
{
    (void)sum, (void)records, (void)n;
}

__attribute__((unused)) static const struct zs_module variant = {.struct_size = STRUCT_SIZE,
                                                                 .needs = NEEDS,
                                                                 .name = MODULE_NAME,
                                                                 .version = VERSION,
                                                                 .init = INIT,
                                                                 .fini = FINI,
                                                                 .digest_add = DIGEST};

ZS_EXPORT const struct zs_module *SYMBOL(void);
const struct zs_module *SYMBOL(void)
{
    return DESCRIPTOR;
}
