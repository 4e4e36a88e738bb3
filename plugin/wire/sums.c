/* sums.c - see sums.h. */
#include "wire/sums.h"

#include "base/digest.h"
#include "base/error.h"
#include "model/key.h"
#include "model/lsn.h"
#include "wire/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void wrong(struct json_in *j, const char *name)
{
    if (j->wrong == NULL)
        j->wrong = name;
}

static void put_key(struct json_out *j, const char *name, const uint8_t key[ZS_KEY_BYTES])
{
    json_put_text(j, name, key_hex(key).s);
}

static void read_key(struct json_in *j, const char *name, uint8_t key[ZS_KEY_BYTES])
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(j->root, name));
    if (text == NULL || !key_parse(text, key))
        wrong(j, name);
}

/* ---- the question --------------------------------------------------------------------- */

int ask_encode(const struct ask_message *m, char **text, struct zs_error *e)
{
    struct json_out j;
    json_out_open(&j);
    json_put_bool(&j, "done", m->done);
    put_key(&j, "first", m->first);
    put_key(&j, "last", m->last);
    json_put_lsn(&j, "after_lsn", m->after_lsn);
    json_put_lsn(&j, "upto_lsn", m->upto_lsn);
    return json_out_text(&j, text, e);
}

int ask_decode(const char *text, size_t len, struct ask_message *m, struct zs_error *e)
{
    struct json_in j;
    *m = (struct ask_message){0};
    TRY(json_in_open(&j, "ASK", text, len, e));
    m->done = json_bool_or(&j, "done", false);
    read_key(&j, "first", m->first);
    read_key(&j, "last", m->last);
    m->after_lsn = json_lsn(&j, "after_lsn");
    m->upto_lsn = json_lsn(&j, "upto_lsn");
    if (memcmp(m->first, m->last, ZS_KEY_BYTES) > 0)
        wrong(&j, "last");
    if (m->after_lsn > m->upto_lsn)
        wrong(&j, "upto_lsn");
    int rc = json_in_check(&j, e);
    json_in_close(&j);
    return rc;
}

/* ---- the answer ------------------------------------------------------------------------- */

/* Each as an array: [key, records, sum] or [key, lsn, sum]. */
static void put_item(struct json_out *j, cJSON *items, const uint8_t key[ZS_KEY_BYTES],
                     const char *middle, struct zs_digest sum)
{
    struct key_hex where = key_hex(key);
    struct hex_text hash = digest_text(sum);
    const char *const texts[] = {where.s, middle, hash.s};
    cJSON *item = cJSON_CreateStringArray(texts, 3);
    if (item == NULL || !cJSON_AddItemToArray(items, item)) {
        cJSON_Delete(item);
        j->failed = true;
    }
}

int sums_encode(const struct sums_message *m, char **text, struct zs_error *e)
{
    struct json_out j;
    json_out_open(&j);
    json_put_u64(&j, "records", m->records);
    json_put_u64(&j, "bytes", m->bytes);
    json_put_digest(&j, "sum", m->sum);
    if (m->has_told)
        json_put_digest(&j, "told", m->told);
    cJSON *items = cJSON_AddArrayToObject(j.root, m->listed ? "list" : "parts");
    j.failed = j.failed || items == NULL;
    for (uint32_t i = 0; i < m->count && !j.failed; i++) {
        if (m->listed) {
            put_item(&j, items, m->list[i].key, lsn_text(m->list[i].lsn).s, m->list[i].sum);
        } else {
            char records[24];
            (void)snprintf(records, sizeof records, "%" PRIu64, m->parts[i].records);
            put_item(&j, items, m->parts[i].last, records, m->parts[i].sum);
        }
    }
    return json_out_text(&j, text, e);
}

/* [key, middle, sum]; NULL if it is not one. */
static const char *read_item(const cJSON *item, uint8_t key[ZS_KEY_BYTES], struct zs_digest *sum)
{
    const char *k = cJSON_GetStringValue(cJSON_GetArrayItem(item, 0));
    const char *middle = cJSON_GetStringValue(cJSON_GetArrayItem(item, 1));
    const char *s = cJSON_GetStringValue(cJSON_GetArrayItem(item, 2));
    if (k == NULL || s == NULL || !key_parse(k, key) || !digest_parse(s, sum))
        return NULL;
    return middle;
}

static bool count_parse(const char *text, uint64_t *out)
{
    size_t n = strlen(text);
    if (n == 0 || n > 19 || strspn(text, "0123456789") != n)
        return false;
    *out = strtoull(text, NULL, 10);
    return true;
}

static bool read_list(const cJSON *items, const struct ask_message *ask, struct sums_message *m)
{
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, items)
    {
        if (m->count == SUMS_MAX)
            return false;
        struct sum_record *r = &m->list[m->count++];
        const char *lsn = read_item(item, r->key, &r->sum);
        if (lsn == NULL || !lsn_parse(lsn, &r->lsn) || r->lsn <= ask->after_lsn ||
            r->lsn > ask->upto_lsn || memcmp(r->key, ask->first, ZS_KEY_BYTES) < 0 ||
            memcmp(r->key, ask->last, ZS_KEY_BYTES) > 0)
            return false;
        int order = m->count == 1 ? 1 : memcmp(r->key, r[-1].key, ZS_KEY_BYTES);
        if (order < 0 || (order == 0 && r->lsn <= r[-1].lsn))
            return false;
    }
    return true;
}

static bool read_parts(const cJSON *items, const struct ask_message *ask, struct sums_message *m)
{
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, items)
    {
        if (m->count == SUMS_MAX)
            return false;
        struct sum_part *p = &m->parts[m->count++];
        const char *records = read_item(item, p->last, &p->sum);
        if (records == NULL || !count_parse(records, &p->records) || p->records == 0 ||
            memcmp(p->last, m->count == 1 ? ask->first : p[-1].last, ZS_KEY_BYTES) <
                (m->count == 1 ? 0 : 1) ||
            memcmp(p->last, ask->last, ZS_KEY_BYTES) > 0)
            return false;
    }
    return m->count > 0; /* nothing is an empty list: no part would be left to be looked into */
}

/* What is given piece by piece is the whole. */
static bool adds_up(const struct sums_message *m)
{
    struct zs_digest sum = {0};
    uint64_t records = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        sum = digest_plus(sum, m->listed ? m->list[i].sum : m->parts[i].sum);
        records += m->listed ? 1 : m->parts[i].records;
    }
    return records == m->records && digest_equal(sum, m->sum);
}

int sums_decode(const char *text, size_t len, const struct ask_message *ask, struct sums_message *m,
                struct zs_error *e)
{
    struct json_in j;
    *m = (struct sums_message){0};
    TRY(json_in_open(&j, "SUMS", text, len, e));
    m->records = json_u64(&j, "records");
    m->bytes = json_u64(&j, "bytes");
    m->sum = json_digest(&j, "sum");
    m->has_told = cJSON_HasObjectItem(j.root, "told") != 0;
    if (m->has_told)
        m->told = json_digest(&j, "told");
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(j.root, "list");
    const cJSON *parts = cJSON_GetObjectItemCaseSensitive(j.root, "parts");
    m->listed = list != NULL;
    if (!cJSON_IsArray(m->listed ? list : parts))
        wrong(&j, "parts");
    else if (m->listed ? !read_list(list, ask, m) : !read_parts(parts, ask, m))
        wrong(&j, m->listed ? "list" : "parts");
    else if (!adds_up(m))
        wrong(&j, "sum");
    int rc = json_in_check(&j, e);
    json_in_close(&j);
    return rc;
}
