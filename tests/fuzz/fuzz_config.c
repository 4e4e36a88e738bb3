/* fuzz_config.c - the server's settings (pageserver/config.h).
 * Input: the text.
 * Holds: settings that are taken are in their bounds. */
#include "support.h"

#include "pageserver/config.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config c;
    struct zs_error e;
    if (size > 8192)
        return 0;
    memset(&c, 0, sizeof c);
    fuzz_error_before(&e);
    if (!fuzz_error_after(config_parse(fuzz_text(0, data, size), "fuzz.toml", &c, &e), &e))
        return 0;
    HOLDS(c.listen != NULL && c.max_connections > 0 && c.max_half_open > 0);
    HOLDS(c.handshake_timeout_s > 0 && (c.tls_cert == NULL) == (c.tls_key == NULL));
    config_fini(&c);
    return 0;
}
