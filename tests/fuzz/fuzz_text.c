/* fuzz_text.c - LSNs, ids, digests, branch names and rates as text (model/, base/).
 * Input: the text.
 * Holds: what is read, written again, is read as the same; a branch's name keeps its
 * rules. */
#include "support.h"

#include "base/rate.h"
#include "model/branch_name.h"
#include "model/lsn.h"
#include "wire/batch.h"

#include <string.h>

static void check_name(const char *name)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-";
    struct zs_error e;
    fuzz_error_before(&e);
    if (!fuzz_error_after(branch_name_check(name, &e), &e))
        return;
    HOLDS(name[0] != '\0' && strlen(name) <= ZS_BRANCH_NAME_MAX);
    HOLDS(strspn(name, set) == strlen(name) && strstr(name, "..") == NULL);
    HOLDS(name[0] != '-' && name[0] != '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zs_lsn lsn = 0, lsn_again = 1;
    struct zs_timeline_id id, id_again;
    struct zs_digest digest, digest_again;
    enum batch_encoding encoding;
    uint64_t rate = 0;
    if (size > 4096)
        return 0;
    const char *text = fuzz_text(0, data, size);
    if (lsn_parse(text, &lsn))
        HOLDS(lsn_parse(lsn_text(lsn).s, &lsn_again) && lsn == lsn_again);
    if (timeline_parse(text, &id))
        HOLDS(timeline_parse(timeline_text(id).s, &id_again) && timeline_equal(id, id_again));
    if (digest_parse(text, &digest))
        HOLDS(digest_parse(digest_text(digest).s, &digest_again) &&
              memcmp(&digest, &digest_again, sizeof digest) == 0);
    if (rate_parse(text, &rate))
        HOLDS(rate <= 1000000000000000);
    if (batch_encoding_parse(text, &encoding))
        HOLDS(strcmp(batch_encoding_name(encoding), text) == 0);
    check_name(text);
    return 0;
}
