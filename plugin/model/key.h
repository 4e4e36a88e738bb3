/* key.h - text forms of record keys.
 * Nothing is known of a key but its order and its block number (zenith-sync/types.h): for
 * people it is 28 hex digits and the number, between programs 36 hex digits.
 * Pure.  Threads: any. */
#ifndef ZS_MODEL_KEY_H
#define ZS_MODEL_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <zenith-sync/types.h>

#define KEY_PREFIX_BYTES (ZS_KEY_BYTES - 4) /* in front of the block number */

struct key_text {
    char s[(size_t)KEY_PREFIX_BYTES * 2 + sizeof " block 4294967295"];
};
struct key_hex {
    char s[(size_t)ZS_KEY_BYTES * 2 + 1];
};

struct key_text key_text(const uint8_t key[ZS_KEY_BYTES]);
struct key_hex key_hex(const uint8_t key[ZS_KEY_BYTES]);

/* True, and the key set, if the whole text is one. */
bool key_parse(const char *text, uint8_t key[ZS_KEY_BYTES]);

/* key + 2^bit, keys being big-endian numbers.  False: there is none so large. */
bool key_add(uint8_t key[ZS_KEY_BYTES], unsigned bit);

#endif
