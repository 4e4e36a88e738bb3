/* fuzz_sums.c - the messages of a comparison (wire/sums.h).
 * Input: a question as text, NUL, then an answer to it, which no NUL ends.
 * Holds: what decodes keeps to the question and the limits, and encodes to a text that
 * decodes to the same. */
#include "support.h"

#include "base/digest.h"
#include "wire/sums.h"

#include <stdlib.h>
#include <string.h>

static void check_ask(const struct ask_message *m)
{
    struct ask_message again;
    struct zs_error e;
    char *first = NULL, *second = NULL;
    HOLDS(memcmp(m->first, m->last, ZS_KEY_BYTES) <= 0 && m->after_lsn <= m->upto_lsn);
    HOLDS(ask_encode(m, &first, &e) == ZS_OK);
    HOLDS(ask_decode(first, strlen(first), &again, &e) == ZS_OK);
    HOLDS(ask_encode(&again, &second, &e) == ZS_OK && strcmp(first, second) == 0);
    free(first);
    free(second);
}

static void check_items(const struct ask_message *ask, const struct sums_message *m)
{
    HOLDS(m->count <= SUMS_MAX);
    for (uint32_t i = 0; i < m->count; i++) {
        const uint8_t *key = m->listed ? m->list[i].key : m->parts[i].last;
        HOLDS(memcmp(key, ask->first, ZS_KEY_BYTES) >= 0);
        HOLDS(memcmp(key, ask->last, ZS_KEY_BYTES) <= 0);
        if (m->listed)
            HOLDS(m->list[i].lsn > ask->after_lsn && m->list[i].lsn <= ask->upto_lsn);
        if (i > 0 && !m->listed)
            HOLDS(memcmp(m->parts[i - 1].last, key, ZS_KEY_BYTES) < 0);
        if (i > 0 && m->listed) {
            int order = memcmp(m->list[i - 1].key, key, ZS_KEY_BYTES);
            HOLDS(order < 0 || (order == 0 && m->list[i - 1].lsn < m->list[i].lsn));
        }
    }
}

static void check_sums(const struct ask_message *ask, const struct sums_message *m)
{
    static struct sums_message again;
    struct zs_error e;
    char *first = NULL, *second = NULL;
    check_items(ask, m);
    HOLDS(sums_encode(m, &first, &e) == ZS_OK);
    HOLDS(sums_decode(first, strlen(first), ask, &again, &e) == ZS_OK);
    HOLDS(again.count == m->count && digest_equal(again.sum, m->sum));
    HOLDS(sums_encode(&again, &second, &e) == ZS_OK && strcmp(first, second) == 0);
    free(first);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sums_message sums;
    struct ask_message ask;
    struct zs_error e;
    if (size > FUZZ_INPUT_MAX / 2)
        return 0;
    struct fuzz_input in = {data, size};
    const char *question = fuzz_take_text(&in, 0);
    const char *answer = (const char *)fuzz_bytes(1, in.at, in.left);
    fuzz_error_before(&e);
    if (!fuzz_error_after(ask_decode(question, strlen(question), &ask, &e), &e))
        return 0;
    check_ask(&ask);
    fuzz_error_before(&e);
    if (fuzz_error_after(sums_decode(answer, in.left, &ask, &sums, &e), &e))
        check_sums(&ask, &sums);
    return 0;
}
