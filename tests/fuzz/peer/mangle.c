/* mangle.c - see mangle.h. */
#include "mangle.h"

#include "link.h"

#include "base/bytes.h"
#include "wire/batch.h"
#include "wire/batch_format.h"

#include <lz4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

static void insert(struct script *s, size_t place, enum step_kind kind, const void *bytes,
                   size_t len)
{
    if (s->n == STEPS_MAX)
        return;
    uint8_t *copy = malloc(len + 1);
    if (copy == NULL)
        abort();
    if (len > 0)
        memcpy(copy, bytes, len);
    memmove(&s->at[place + 1], &s->at[place], (s->n - place) * sizeof s->at[0]);
    s->at[place] = (struct step){.kind = kind, .bytes = copy, .len = len};
    s->n++;
}

void script_add(struct script *s, enum step_kind kind, const void *bytes, size_t len)
{
    insert(s, s->n, kind, bytes, len);
}

static void take_out(struct script *s, size_t i)
{
    free(s->at[i].bytes);
    s->n--;
    memmove(&s->at[i], &s->at[i + 1], (s->n - i) * sizeof s->at[0]);
}

/* ---- bytes ------------------------------------------------------------------------------------
 */

/* So that a lie in a batch gets past its checksum. */
static void mend(struct step *step)
{
    if (step->len < BATCH_HEAD || step->bytes[0] != 'B')
        return;
    put_u32le(step->bytes + BATCH_AT_BODY_LEN, (uint32_t)(step->len - BATCH_HEAD));
    put_u64le(step->bytes + BATCH_AT_CHECKSUM, batch_checksum(step->bytes, step->len - BATCH_HEAD));
}

static void flip(struct rng *r, struct step *step, size_t from)
{
    for (uint64_t n = 1 + rng_below(r, 4); n > 0 && step->len > from; n--)
        step->bytes[from + rng_below(r, step->len - from)] ^= (uint8_t)(1u << rng_below(r, 8));
}

static void lie_in_head(struct rng *r, struct step *step)
{
    static const size_t at[] = {BATCH_AT_COUNT, BATCH_AT_VALUES_LEN, BATCH_AT_NUMBER,
                                BATCH_AT_HOLES, 0};
    static const uint32_t values[] = {0,        1,        2,        16384,     16385,
                                      1u << 20, 1u << 23, 1u << 31, UINT32_MAX};
    if (step->len < BATCH_HEAD || step->bytes[0] != 'B')
        return;
    size_t place = at[rng_below(r, 5)];
    if (place == 0)
        step->bytes[1] = (uint8_t)rng_below(r, 5);
    else if (place == BATCH_AT_HOLES)
        put_u16le(step->bytes + place, (uint16_t)values[rng_below(r, 9)]);
    else
        put_u32le(step->bytes + place, values[rng_below(r, 9)]);
    mend(step);
}

/* Little on the wire that claims, or becomes, much. */
static void bomb(struct script *s, struct rng *r, size_t place)
{
    static uint8_t zeros[16u << 20], packed[(16u << 20) / 64];
    static const uint32_t claims[] = {0, 100, BATCH_VALUES_BYTES, 8u << 20, 16u << 20};
    size_t size = (size_t)1 << (10 + rng_below(r, 15)), len = 0;
    bool zstd = one_in(r, 2);
    if (size > sizeof zeros)
        size = sizeof zeros;
    if (zstd) {
        len = ZSTD_compress(packed + BATCH_HEAD, sizeof packed - BATCH_HEAD, zeros, size, 1);
        len = ZSTD_isError(len) ? 0 : len;
    } else {
        int n = LZ4_compress_default((const char *)zeros, (char *)packed + BATCH_HEAD, (int)size,
                                     (int)(sizeof packed - BATCH_HEAD));
        len = n > 0 ? (size_t)n : 0;
    }
    memset(packed, 0, BATCH_HEAD);
    packed[0] = 'B';
    packed[1] = zstd ? BATCH_ZSTD : BATCH_LZ4;
    put_u32le(packed + BATCH_AT_COUNT, one_in(r, 2) ? 1 : (uint32_t)(size / BATCH_COLUMN_BYTES));
    put_u32le(packed + BATCH_AT_VALUES_LEN, claims[rng_below(r, 5)]);
    insert(s, place, STEP_COPY, packed, BATCH_HEAD + len);
    if (s->at[place].len == BATCH_HEAD + len)
        mend(&s->at[place]);
}

/* ---- between the messages ----------------------------------------------------------------------
 */

static void insert_message(struct script *s, struct rng *r, size_t place)
{
    static const char types[] = "SOBCDAKQMx";
    char message[64] = {0};
    size_t len = 1 + rng_below(r, sizeof message - 1);
    for (size_t i = 0; i < len; i++)
        message[i] = (char)rng_next(r);
    message[0] = types[rng_below(r, sizeof types - 1)];
    insert(s, place, STEP_COPY, message, one_in(r, 2) ? 1 : len);
}

static void insert_keepalives(struct script *s, struct rng *r, size_t place)
{
    static const uint8_t keepalive[] = {'d', 0, 0, 0, 5, 'K'};
    size_t n = 1 + rng_below(r, 5000);
    uint8_t *flood = malloc(n * sizeof keepalive);
    if (flood == NULL)
        abort();
    for (size_t i = 0; i < n; i++)
        memcpy(flood + i * sizeof keepalive, keepalive, sizeof keepalive);
    insert(s, place, STEP_RAW, flood, n * sizeof keepalive);
    free(flood);
}

static void insert_frame(struct script *s, struct rng *r, size_t place)
{
    static const struct {
        const char *bytes;
        size_t len;
    } frames[] = {
        {BYTES("c\0\0\0\4")},                         /* CopyDone */
        {BYTES("f\0\0\0\11fail")},                    /* CopyFail */
        {BYTES("f\0\0\0\10none")},                    /* one that does not end */
        {BYTES("d\0\0\0\4")},                         /* an empty message */
        {BYTES("d\0\0\0\0")},                         /* lengths that cannot be */
        {BYTES("d\377\377\377\377")},                 /* */
        {BYTES("d\177\377\377\377")},                 /* */
        {BYTES("d\1\0\0\4")},                         /* 16 MiB, which do not come */
        {BYTES("Q\0\0\0\20branch_list\0")},           /* a query; what is behind it is shifted */
        {BYTES("Q\0\0\0\13status\0")},                /* */
        {BYTES("X\0\0\0\4")},                         /* Terminate */
        {BYTES("S\0\0\0\4")},                         /* Sync */
        {BYTES("H\0\0\0\4")},                         /* Flush */
        {BYTES("p\0\0\0\10pass")},                    /* a login */
        {BYTES("E\0\0\0\4")},                         /* a server's */
        {BYTES("E\0\0\0\27SERROR\0CZS001\0Mno\0\0")}, /* */
        {BYTES("N\0\0\0\5\0")},                       /* */
        {BYTES("Z\0\0\0\5I")},                        /* */
        {BYTES("C\0\0\0\11DONE\0")},                  /* */
        {BYTES("D\0\0\0\6\0\0")},                     /* */
        {BYTES("T\0\0\0\6\377\377")},                 /* */
        {BYTES("\0\0\0\0\0\0")},                      /* */
        {BYTES("?\0\0\0\5x")},                        /* */
    };
    size_t i = rng_below(r, sizeof frames / sizeof *frames);
    insert(s, place, STEP_RAW, frames[i].bytes, frames[i].len);
}

static void insert_long(struct script *s, struct rng *r, size_t place)
{
    static uint8_t message[(16u << 20) + 1];
    message[0] = (uint8_t) "BOCDKQM"[rng_below(r, 7)];
    insert(s, place, STEP_COPY, message, sizeof message - rng_below(r, 2));
}

static void mangle_once(struct script *s, struct rng *r)
{
    size_t i = rng_below(r, s->n), k = rng_below(r, s->n);
    struct step *step = &s->at[i];
    switch (rng_below(r, 14)) {
    case 0:
        take_out(s, i);
        break;
    case 1: /* twice, here or later: a COMMIT before its batches, a batch behind COMMIT */
        insert(s, k, step->kind, step->bytes, step->len);
        break;
    case 2: {
        struct step other = s->at[k];
        s->at[k] = s->at[i];
        s->at[i] = other;
        break;
    }
    case 3:
        step->len = step->len == 0 ? 0 : rng_below(r, step->len);
        break;
    case 4:
        flip(r, step, 0);
        break;
    case 5:
        flip(r, step, 1);
        mend(step);
        break;
    case 6:
        lie_in_head(r, step);
        break;
    case 7:
        insert_message(s, r, i);
        break;
    case 8:
        insert_keepalives(s, r, i);
        break;
    case 9:
        insert_frame(s, r, i);
        break;
    case 10:
        insert_frame(s, r, s->n);
        break;
    case 11: /* the rest is never said */
        while (s->n > i + 1)
            take_out(s, s->n - 1);
        break;
    case 12:
        bomb(s, r, i);
        break;
    default:
        if (one_in(r, 8))
            insert_long(s, r, i);
        break;
    }
}

void mangle_steps(struct script *s, struct rng *r)
{
    for (uint64_t n = 1 + rng_below(r, 3); n > 0 && s->n > 0; n--)
        mangle_once(s, r);
}

/* ---- text
 * ------------------------------------------------------------------------------------------ */

char *mangle_text(struct rng *r, char *text)
{
    static const char *const bits[] = {"null", "[]",   "{}",   "1e999",
                                       "-1",   "\"\"", "true", "\\u0000",
                                       "\"",   "\xff", ",",    "[[[[[[[[[[[[[[[[[[[[[[[[",
                                       "}"};
    char *check = strstr(text, ",\"check\"");
    if (check != NULL && !one_in(r, 8)) /* without one it is an older peer's */
        memcpy(check, "}", 2);
    size_t len = strlen(text);
    if (one_in(r, 30)) { /* longer than any may be */
        char *huge = malloc(100001);
        if (huge == NULL)
            abort();
        memset(huge, '[', 100000);
        huge[100000] = '\0';
        free(text);
        return huge;
    }
    const char *bit = bits[rng_below(r, sizeof bits / sizeof *bits)];
    size_t from = rng_below(r, len + 1), gone = rng_below(r, 12);
    size_t behind = from + gone > len ? len : from + gone;
    char *out = malloc(len + strlen(bit) + 1);
    if (out == NULL)
        abort();
    (void)snprintf(out, len + strlen(bit) + 1, "%.*s%s%s", (int)from, text, bit, text + behind);
    free(text);
    return out;
}
