/* resume.c - see resume.h. */
#include "sync/resume.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"

#include <string.h>

#define CHECKSUM (RESUME_TOKEN_BYTES - 8)

static const char magic[8] = {'Z', 'S', 'R', 'E', 'S', 'U', 'M', '1'};

static uint8_t *digest_put(uint8_t *at, struct zs_digest d)
{
    put_u64le(at, d.lo);
    put_u64le(at + 8, d.hi);
    return at + 16;
}

static struct zs_digest digest_get(const uint8_t *at)
{
    return (struct zs_digest){.lo = get_u64le(at), .hi = get_u64le(at + 8)};
}

static uint8_t *point_put(uint8_t *at, const struct zs_point *p)
{
    put_u64le(at, p->lsn);
    (void)digest_put(at + 8, p->digest);
    put_u64le(at + 24, p->records);
    put_u64le(at + 32, p->bytes);
    return at + 40;
}

static struct zs_point point_get(const uint8_t *at)
{
    return (struct zs_point){.lsn = get_u64le(at),
                             .digest = digest_get(at + 8),
                             .records = get_u64le(at + 24),
                             .bytes = get_u64le(at + 32)};
}

void resume_token_encode(const struct resume_token *t, uint8_t out[RESUME_TOKEN_BYTES])
{
    memcpy(out, magic, sizeof magic);
    uint8_t *at = point_put(out + 8, &t->from);
    at = point_put(at, &t->at.to);
    memcpy(at, t->at.key, ZS_KEY_BYTES);
    at += ZS_KEY_BYTES;
    put_u64le(at, t->at.lsn);
    at = digest_put(at + 8, t->at.sum);
    put_u64le(at, t->at.records);
    put_u64le(at + 8, t->at.bytes);
    put_u64le(out + CHECKSUM, XXH3_64bits(out, CHECKSUM));
}

bool resume_token_decode(const uint8_t *bytes, size_t len, struct resume_token *t)
{
    *t = (struct resume_token){0};
    if (len != RESUME_TOKEN_BYTES || memcmp(bytes, magic, sizeof magic) != 0 ||
        get_u64le(bytes + CHECKSUM) != XXH3_64bits(bytes, CHECKSUM))
        return false;
    struct resume_token r = {.from = point_get(bytes + 8),
                             .at = {.present = true, .to = point_get(bytes + 48)}};
    memcpy(r.at.key, bytes + 88, ZS_KEY_BYTES);
    r.at.lsn = get_u64le(bytes + 106);
    r.at.sum = digest_get(bytes + 114);
    r.at.records = get_u64le(bytes + 130);
    r.at.bytes = get_u64le(bytes + 138);
    if (r.at.lsn <= r.from.lsn || r.at.lsn > r.at.to.lsn)
        return false;
    *t = r;
    return true;
}

unsigned resume_percent(uint64_t bytes, uint64_t total_bytes)
{
    if (total_bytes == 0)
        return 0;
    double percent = (double)bytes * 100.0 / (double)total_bytes;
    return percent > 99 ? 99 : (unsigned)percent;
}

uint64_t resume_total_bytes(const struct resume_token *t)
{
    return t->at.to.bytes > t->from.bytes ? t->at.to.bytes - t->from.bytes : 0;
}

void resume_hint(struct zs_error *e, unsigned percent)
{
    if (e->hint[0] != '\0' && !error_is(e, ZS_CONNECTION_LOST) && !error_is(e, ZS_CANCELLED))
        return;
    e->retry = ZS_RETRY_RESUME;
    (void)error_hint(
        e, "Nothing was changed; what arrived is kept, and the same command goes on from %u %%.",
        percent);
}
