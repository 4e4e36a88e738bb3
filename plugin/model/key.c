/* key.c - see key.h. */
#include "model/key.h"

#include "base/bytes.h"

#include <inttypes.h>
#include <stdio.h>

static size_t put_hex(char *out, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = '\0';
    return 2 * n;
}

struct key_text key_text(const uint8_t key[ZS_KEY_BYTES])
{
    struct key_text t;
    size_t used = put_hex(t.s, key, KEY_PREFIX_BYTES);
    (void)snprintf(t.s + used, sizeof t.s - used, " block %" PRIu32,
                   get_u32be(key + KEY_PREFIX_BYTES));
    return t;
}

struct key_hex key_hex(const uint8_t key[ZS_KEY_BYTES])
{
    struct key_hex h;
    (void)put_hex(h.s, key, ZS_KEY_BYTES);
    return h;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool key_parse(const char *text, uint8_t key[ZS_KEY_BYTES])
{
    uint8_t got[ZS_KEY_BYTES];
    if (strnlen(text, (size_t)ZS_KEY_BYTES * 2 + 1) != (size_t)ZS_KEY_BYTES * 2)
        return false;
    for (size_t i = 0; i < ZS_KEY_BYTES; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        got[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(key, got, sizeof got);
    return true;
}

bool key_add(uint8_t key[ZS_KEY_BYTES], unsigned bit)
{
    if (bit >= 8 * ZS_KEY_BYTES)
        return false;
    uint8_t sum[ZS_KEY_BYTES];
    memcpy(sum, key, sizeof sum);
    unsigned carry = 1u << bit % 8;
    for (size_t i = ZS_KEY_BYTES - bit / 8; i > 0 && carry != 0; i--) {
        carry += sum[i - 1];
        sum[i - 1] = (uint8_t)carry;
        carry >>= 8;
    }
    if (carry != 0)
        return false;
    memcpy(key, sum, sizeof sum);
    return true;
}
