/* fuzz_resume.c - the token of a stage (sync/resume.h).
 * Input: a byte of mode, then the bytes.  Mode 1 mends the magic and the checksum.
 * Holds: what decodes lies in its range and encodes to the same bytes; what does not
 * leaves nothing; a percentage is one. */
#include "support.h"

#include "base/bytes.h"
#include "sync/resume.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t token[RESUME_TOKEN_BYTES], again[RESUME_TOKEN_BYTES];
    struct resume_token t, none;
    if (size < 1 || size > 1024)
        return 0;
    memset(&t, 0x5A, sizeof t);
    memset(&none, 0, sizeof none);
    size_t len = size - 1;
    const uint8_t *bytes = data + 1;
    if (data[0] & 1u && len >= RESUME_TOKEN_BYTES) {
        len = sizeof token;
        memcpy(token, bytes, len);
        resume_token_encode(&none, again); /* for its magic */
        memcpy(token, again, 8);
        put_u64le(token + len - 8, XXH3_64bits(token, len - 8));
        bytes = token;
    }
    bytes = fuzz_bytes(0, bytes, len);
    if (!resume_token_decode(bytes, len, &t)) {
        HOLDS(!t.at.present && t.from.lsn == 0 && t.at.to.lsn == 0 && t.at.bytes == 0);
        return 0;
    }
    HOLDS(t.at.present && t.at.lsn > t.from.lsn && t.at.lsn <= t.at.to.lsn);
    HOLDS(resume_percent(t.at.bytes, resume_total_bytes(&t)) <= 99);
    resume_token_encode(&t, again);
    HOLDS(len == sizeof again && memcmp(again, bytes, len) == 0);
    return 0;
}
