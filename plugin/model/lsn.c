/* lsn.c - see lsn.h. */
#include "model/lsn.h"

#include "base/bytes.h"
#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

struct lsn_text lsn_text(zs_lsn lsn)
{
    struct lsn_text t;
    (void)snprintf(t.s, sizeof t.s, "%" PRIX32 "/%" PRIX32, (uint32_t)(lsn >> 32), (uint32_t)lsn);
    return t;
}

struct hex_text timeline_text(struct zs_timeline_id id)
{
    struct hex_text t;
    for (size_t i = 0; i < sizeof id.bytes; i++)
        (void)snprintf(t.s + 2 * i, 3, "%02x", id.bytes[i]);
    return t;
}

struct hex_text digest_text(struct zs_digest digest)
{
    struct hex_text t;
    (void)snprintf(t.s, sizeof t.s, "%016" PRIx64 "%016" PRIx64, digest.hi, digest.lo);
    return t;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Exactly `digits` hex digits into big-endian bytes. */
static bool hex_bytes(const char *text, size_t digits, uint8_t *out)
{
    for (size_t i = 0; i < digits; i++) {
        int v = hex_value(text[i]); /* a NUL ends it here */
        if (v < 0)
            return false;
        out[i / 2] = (uint8_t)(i % 2 == 0 ? v << 4 : out[i / 2] | v);
    }
    return text[digits] == '\0';
}

/* 1 to 8 hex digits up to `stop`; returns the place of `stop` or NULL. */
static const char *half_parse(const char *text, char stop, uint32_t *out)
{
    uint32_t value = 0;
    size_t n = 0;
    for (; text[n] != stop; n++) {
        int v = hex_value(text[n]);
        if (v < 0 || n == 8)
            return NULL;
        value = value << 4 | (uint32_t)v;
    }
    *out = value;
    return n == 0 ? NULL : text + n;
}

bool lsn_parse(const char *text, zs_lsn *out)
{
    uint32_t high, low;
    const char *slash = half_parse(text, '/', &high);
    if (slash == NULL || half_parse(slash + 1, '\0', &low) == NULL)
        return false;
    *out = (zs_lsn)high << 32 | low;
    return true;
}

bool timeline_parse(const char *text, struct zs_timeline_id *out)
{
    struct zs_timeline_id id;
    if (!hex_bytes(text, 2 * sizeof id.bytes, id.bytes))
        return false;
    *out = id;
    return true;
}

bool digest_parse(const char *text, struct zs_digest *out)
{
    uint8_t bytes[16];
    if (!hex_bytes(text, 2 * sizeof bytes, bytes))
        return false;
    *out = (struct zs_digest){.hi = get_u64be(bytes), .lo = get_u64be(bytes + 8)};
    return true;
}

bool timeline_is_zero(struct zs_timeline_id id)
{
    static const struct zs_timeline_id zero;
    return timeline_equal(id, zero);
}

bool timeline_equal(struct zs_timeline_id a, struct zs_timeline_id b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

int timeline_random(struct zs_timeline_id *out, struct zs_error *e)
{
    if (getrandom(out->bytes, sizeof out->bytes, 0) != (ssize_t)sizeof out->bytes)
        return error_errno(e, errno, "could not get random bytes from the kernel");
    return ZS_OK;
}
