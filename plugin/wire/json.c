/* json.c - see json.h. */
#include "wire/json.h"

#include "base/error.h"
#include "base/hash.h"
#include "model/lsn.h"
#include "wire/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_MAX_BYTES 65536u /* 64 KiB */

/* The last member of what is written here: XXH3_64 of all that stands before it. */
#define CHECK_HEAD  ",\"check\":\""
#define CHECK_TAIL  "\"}"
#define CHECK_BYTES (sizeof CHECK_HEAD - 1 + 16 + sizeof CHECK_TAIL - 1)

struct check_text {
    char s[CHECK_BYTES + 1];
};

static struct check_text check_text(const char *text, size_t len)
{
    struct check_text t;
    (void)snprintf(t.s, sizeof t.s, CHECK_HEAD "%016" PRIx64 CHECK_TAIL, XXH3_64bits(text, len));
    return t;
}

/* Does a text that ends with a check have another one?  One that ends otherwise is an
 * older peer's, or its check is what was damaged, and the rest is whole. */
static bool damaged(const char *text, size_t len)
{
    if (len < CHECK_BYTES)
        return false;
    const char *check = text + len - CHECK_BYTES;
    return memcmp(check, CHECK_HEAD, sizeof CHECK_HEAD - 1) == 0 &&
           memcmp(text + len - 2, CHECK_TAIL, 2) == 0 &&
           memcmp(check, check_text(text, len - CHECK_BYTES).s, CHECK_BYTES) != 0;
}

static bool only_blanks(const char *at, const char *end)
{
    while (at < end && strchr(" \t\r\n", *at) != NULL && *at != '\0')
        at++;
    return at == end;
}

int json_in_open(struct json_in *j, const char *message, const char *text, size_t len,
                 struct zs_error *e)
{
    *j = (struct json_in){.message = message};
    if (len > JSON_MAX_BYTES)
        return error_set(e, ZS_PROTOCOL_VIOLATION,
                         "the far side sent a %s message of %zu bytes; at most %u are allowed",
                         message, len, JSON_MAX_BYTES);
    if (damaged(text, len)) {
        error_set(e, ZS_CORRUPT,
                  "the far side's %s was damaged on the way: its checksum does not fit", message);
        return error_hint(e, "Run the command again.");
    }
    const char *end = NULL;
    errno = 0;
    j->root = cJSON_ParseWithLengthOpts(text, len, &end, 0);
    if (j->root == NULL && errno == ENOMEM) /* cJSON's result alone does not tell them apart */
        return error_memory(e);
    if (!cJSON_IsObject(j->root) || !only_blanks(end, text + len)) {
        cJSON_Delete(j->root);
        j->root = NULL;
        return error_set(e, ZS_PROTOCOL_VIOLATION,
                         "the far side sent a %s message that is not a JSON object", message);
    }
    uint32_t protocol = json_small_or(j, "protocol", 0);
    if (j->wrong == NULL && protocol != PROTOCOL_MAJOR) {
        json_in_close(j);
        error_set(e, ZS_NOT_SUPPORTED, "the far side speaks stream protocol %u, this side %d",
                  protocol, PROTOCOL_MAJOR);
        return error_hint(e, "Install zenith-sync of the same major version on both sides.");
    }
    return ZS_OK;
}

void json_in_close(struct json_in *j)
{
    cJSON_Delete(j->root);
    j->root = NULL;
}

int json_in_check(const struct json_in *j, struct zs_error *e)
{
    if (j->wrong == NULL)
        return ZS_OK;
    error_set(e, ZS_PROTOCOL_VIOLATION, "the far side sent a malformed %s message", j->message);
    return error_detail(e, "Its member \"%s\" is missing or wrong.", j->wrong);
}

static void wrong(struct json_in *j, const char *name)
{
    if (j->wrong == NULL)
        j->wrong = name;
}

static const cJSON *member(const struct json_in *j, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(j->root, name);
}

/* The member's text; NULL, remembered as wrong unless it is missing and may be. */
static const char *text_of(struct json_in *j, const char *name, bool may_miss)
{
    const cJSON *item = member(j, name);
    if (cJSON_IsString(item))
        return item->valuestring;
    if (item != NULL || !may_miss)
        wrong(j, name);
    return NULL;
}

static bool u64_parse(const char *text, uint64_t *out)
{
    if (*text < '0' || *text > '9')
        return false;
    char *end = NULL;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

bool json_text_or(struct json_in *j, const char *name, char *out, size_t size)
{
    const char *text = text_of(j, name, true);
    out[0] = '\0';
    if (text == NULL)
        return false;
    if (strlen(text) >= size) {
        wrong(j, name);
        return false;
    }
    memcpy(out, text, strlen(text) + 1);
    return true;
}

void json_sentence_or(struct json_in *j, const char *name, char *out, size_t size)
{
    const char *text = text_of(j, name, true);
    size_t n = text != NULL ? strnlen(text, size - 1) : 0;
    while (n > 0 && ((unsigned char)text[n] & 0xC0u) == 0x80u) /* not inside of a character */
        n--;
    for (size_t i = 0; i < n; i++) {
        out[i] = ' ';
        if ((unsigned char)text[i] >= 0x20 && text[i] != 0x7f)
            out[i] = text[i];
    }
    out[n] = '\0';
}

bool json_bool_or(struct json_in *j, const char *name, bool missing)
{
    const cJSON *item = member(j, name);
    if (item == NULL)
        return missing;
    if (!cJSON_IsBool(item))
        wrong(j, name);
    return cJSON_IsTrue(item);
}

uint32_t json_small_or(struct json_in *j, const char *name, uint32_t missing)
{
    const cJSON *item = member(j, name);
    if (item == NULL)
        return missing;
    double value = cJSON_IsNumber(item) ? item->valuedouble : -1;
    if (!(value >= 0 && value <= UINT32_MAX) || value > (uint32_t)value) {
        wrong(j, name);
        return 0;
    }
    return (uint32_t)value;
}

static uint64_t u64_member(struct json_in *j, const char *name, bool may_miss, uint64_t missing)
{
    const char *text = text_of(j, name, may_miss);
    uint64_t value = 0;
    if (text == NULL)
        return may_miss ? missing : 0;
    if (!u64_parse(text, &value)) {
        wrong(j, name);
        return 0;
    }
    return value;
}

uint64_t json_u64(struct json_in *j, const char *name)
{
    return u64_member(j, name, false, 0);
}

uint64_t json_u64_or(struct json_in *j, const char *name, uint64_t missing)
{
    return u64_member(j, name, true, missing);
}

static zs_lsn lsn_member(struct json_in *j, const char *name, bool may_miss, zs_lsn missing)
{
    const char *text = text_of(j, name, may_miss);
    zs_lsn value = 0;
    if (text == NULL)
        return may_miss ? missing : 0;
    if (!lsn_parse(text, &value))
        wrong(j, name);
    return value;
}

zs_lsn json_lsn(struct json_in *j, const char *name)
{
    return lsn_member(j, name, false, 0);
}

zs_lsn json_lsn_or(struct json_in *j, const char *name, zs_lsn missing)
{
    return lsn_member(j, name, true, missing);
}

struct zs_digest json_digest(struct json_in *j, const char *name)
{
    struct zs_digest value = {0};
    const char *text = text_of(j, name, false);
    if (text != NULL && !digest_parse(text, &value))
        wrong(j, name);
    return value;
}

struct zs_timeline_id json_timeline(struct json_in *j, const char *name)
{
    struct zs_timeline_id value = {{0}};
    const char *text = text_of(j, name, false);
    if (text != NULL && !timeline_parse(text, &value))
        wrong(j, name);
    return value;
}

/* A point is ["LSN", "digest", "records", "bytes"]. */
static bool point_parse(const cJSON *item, struct zs_point *p)
{
    const char *part[4];
    if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) != 4)
        return false;
    const cJSON *child = item->child;
    for (size_t i = 0; i < 4; i++, child = child->next) {
        if (!cJSON_IsString(child))
            return false;
        part[i] = child->valuestring;
    }
    return lsn_parse(part[0], &p->lsn) && digest_parse(part[1], &p->digest) &&
           u64_parse(part[2], &p->records) && u64_parse(part[3], &p->bytes);
}

struct zs_point json_point(struct json_in *j, const char *name)
{
    struct zs_point p = {0};
    if (!point_parse(member(j, name), &p)) {
        wrong(j, name);
        return (struct zs_point){0};
    }
    return p;
}

int json_word(struct json_in *j, const char *name, const char *const *names)
{
    const char *text = text_of(j, name, false);
    for (int i = 0; text != NULL && names[i] != NULL; i++)
        if (strcmp(text, names[i]) == 0)
            return i;
    wrong(j, name);
    return 0;
}

uint32_t json_points(struct json_in *j, const char *name, struct zs_point *points, uint32_t max)
{
    const cJSON *array = member(j, name);
    if (array == NULL)
        return 0;
    uint32_t n = 0;
    const cJSON *item;
    bool good = cJSON_IsArray(array);
    cJSON_ArrayForEach(item, array)
    {
        if (!good || n == max || !point_parse(item, &points[n])) {
            good = false;
            break;
        }
        n++;
    }
    if (!good) {
        wrong(j, name);
        return 0;
    }
    return n;
}

void json_out_open(struct json_out *j)
{
    j->root = cJSON_CreateObject();
    j->failed = j->root == NULL;
    json_put_small(j, "protocol", PROTOCOL_MAJOR);
}

void json_put_bool(struct json_out *j, const char *name, bool value)
{
    j->failed = j->failed || cJSON_AddBoolToObject(j->root, name, value) == NULL;
}

void json_put_small(struct json_out *j, const char *name, uint32_t value)
{
    j->failed = j->failed || cJSON_AddNumberToObject(j->root, name, value) == NULL;
}

void json_put_text(struct json_out *j, const char *name, const char *value)
{
    j->failed = j->failed || cJSON_AddStringToObject(j->root, name, value) == NULL;
}

struct u64_text {
    char s[21];
};

static struct u64_text u64_text(uint64_t value)
{
    struct u64_text t;
    (void)snprintf(t.s, sizeof t.s, "%" PRIu64, value);
    return t;
}

void json_put_u64(struct json_out *j, const char *name, uint64_t value)
{
    json_put_text(j, name, u64_text(value).s);
}

void json_put_lsn(struct json_out *j, const char *name, zs_lsn value)
{
    json_put_text(j, name, lsn_text(value).s);
}

void json_put_digest(struct json_out *j, const char *name, struct zs_digest value)
{
    json_put_text(j, name, digest_text(value).s);
}

void json_put_timeline(struct json_out *j, const char *name, struct zs_timeline_id value)
{
    json_put_text(j, name, timeline_text(value).s);
}

static cJSON *point_array(const struct zs_point *p)
{
    struct lsn_text lsn = lsn_text(p->lsn);
    struct hex_text digest = digest_text(p->digest);
    struct u64_text records = u64_text(p->records), bytes = u64_text(p->bytes);
    const char *parts[4] = {lsn.s, digest.s, records.s, bytes.s};
    return cJSON_CreateStringArray(parts, 4);
}

void json_put_point(struct json_out *j, const char *name, const struct zs_point *point)
{
    cJSON *item = point_array(point);
    if (item == NULL || j->failed || !cJSON_AddItemToObject(j->root, name, item)) {
        cJSON_Delete(item);
        j->failed = true;
    }
}

void json_put_points(struct json_out *j, const char *name, const struct zs_point *points,
                     uint32_t n)
{
    cJSON *array = j->failed ? NULL : cJSON_AddArrayToObject(j->root, name);
    j->failed = array == NULL;
    for (uint32_t i = 0; i < n && !j->failed; i++) {
        cJSON *item = point_array(&points[i]);
        if (item == NULL || !cJSON_AddItemToArray(array, item)) {
            cJSON_Delete(item);
            j->failed = true;
        }
    }
}

int json_out_text(struct json_out *j, char **text, struct zs_error *e)
{
    char *plain = j->failed ? NULL : cJSON_PrintUnformatted(j->root);
    cJSON_Delete(j->root);
    j->root = NULL;
    *text = NULL;
    if (plain == NULL)
        return error_memory(e);
    size_t members = strlen(plain) - 1; /* without the brace, which the check brings */
    char *whole = realloc(plain, members + CHECK_BYTES + 1);
    if (whole == NULL) {
        free(plain);
        return error_memory(e);
    }
    memcpy(whole + members, check_text(whole, members).s, CHECK_BYTES + 1);
    *text = whole;
    return ZS_OK;
}
