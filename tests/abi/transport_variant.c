/* transport_variant.c - a transport that is right but for what a -D breaks.
 * Built by run_transports.sh, once per row of its table. */
#include <zenith-sync/transport.h>

#include <stdlib.h>
#include <string.h>

#ifndef SYMBOL
#define SYMBOL zenith_sync_transport_v1
#endif
#ifndef STRUCT_SIZE
#define STRUCT_SIZE sizeof(struct zs_transport)
#endif
#ifndef NEEDS
#define NEEDS 0
#endif
#ifndef SCHEME
#define SCHEME "abi"
#endif
#ifndef CONNECT
#define CONNECT variant_connect
#endif
#ifndef INIT_RESULT
#define INIT_RESULT ZS_OK
#endif

static int32_t variant_init(const struct zs_transport_host *host, void **self, struct zs_error *e)
{
    (void)host;
    *self = NULL;
    if (INIT_RESULT != ZS_OK) {
        memcpy(e->sqlstate, ZS_BAD_VALUE, sizeof e->sqlstate);
        memcpy(e->message, "the moon is wrong", 18);
    }
    return INIT_RESULT;
}

static void variant_fini(void *self)
{
    free(self);
}

static int32_t variant_uri_check(void *self, const char *uri, char *shown, uint64_t shown_bytes,
                                 struct zs_error *e)
{
    (void)self, (void)uri, (void)e;
    shown[0] = '\0';
    return shown_bytes > 0 ? ZS_OK : ZS_FAIL;
}

__attribute__((unused)) static int32_t variant_connect(void *self, const struct zs_connect *spec,
                                                       struct zs_channel *out, struct zs_error *e)
{
    (void)self, (void)spec, (void)out;
    memcpy(e->sqlstate, ZS_CANNOT_CONNECT, sizeof e->sqlstate);
    return ZS_FAIL;
}

static const char *const schemes[] = {SCHEME, NULL};

static const struct {
    struct zs_transport v1;
    void *later; /* what a later version might append */
} table = {.v1 = {.struct_size = STRUCT_SIZE,
                  .needs = NEEDS,
                  .name = "variant",
                  .version = "1",
                  .schemes = schemes,
                  .init = variant_init,
                  .fini = variant_fini,
                  .uri_check = variant_uri_check,
                  .connect = CONNECT}};

ZS_EXPORT const struct zs_transport *SYMBOL(void);

ZS_EXPORT const struct zs_transport *SYMBOL(void)
{
    return &table.v1;
}
