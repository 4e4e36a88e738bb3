/* scram.h - the server's half of SCRAM-SHA-256 (RFC 5802, 7677), as PostgreSQL has it.
 * Flow: auth, users -> here -> OpenSSL (PBKDF2, HMAC, SHA-256).  Pure but for the
 * random bytes its callers bring.
 *
 * A verifier is stored as PostgreSQL stores it:
 *     SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY     (base64)
 * Passwords are taken as plain bytes: no SASLprep.  For ASCII that is the same; a
 * password with other characters must be given in the same form at each login.
 * A client's user name within the exchange is ignored, as libpq leaves it empty: the
 * startup packet has it.  Channel binding is not offered.
 * Threads: none of its own. */
#ifndef PAGESERVER_SCRAM_H
#define PAGESERVER_SCRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <zenith-sync/types.h>

#define SCRAM_KEY_BYTES     32
#define SCRAM_SALT_MAX      64
#define SCRAM_SALT_BYTES    16
#define SCRAM_ITERATIONS    4096
#define SCRAM_VERIFIER_TEXT 320
#define SCRAM_MESSAGE_MAX   1024 /* of either side; longer is refused */

struct scram_verifier {
    uint32_t iterations, salt_len;
    uint8_t salt[SCRAM_SALT_MAX];
    uint8_t stored_key[SCRAM_KEY_BYTES];
    uint8_t server_key[SCRAM_KEY_BYTES];
};

/* Make one out of a password.  XX000 if OpenSSL fails. */
int scram_verifier_make(const char *password, uint32_t iterations, const uint8_t *salt,
                        uint32_t salt_len, struct scram_verifier *out, struct zs_error *e);
/* The same with 16 random bytes of salt. */
int scram_verifier_random(const char *password, struct scram_verifier *out, struct zs_error *e);

bool scram_verifier_parse(const char *text, struct scram_verifier *out);
void scram_verifier_format(const struct scram_verifier *v, char out[SCRAM_VERIFIER_TEXT]);

/* What an unknown user is asked with: the same salt each time for one name, and no
 * password fits. */
int scram_verifier_mock(const uint8_t key[SCRAM_KEY_BYTES], const char *user,
                        struct scram_verifier *out, struct zs_error *e);

/* One login. */
struct scram {
    struct scram_verifier verifier;
    bool known;                           /* false: a mock; fails at the end, whatever is sent */
    char nonce[192];                      /* client's and server's; set by scram_first */
    char client_first[SCRAM_MESSAGE_MAX]; /* "bare" */
    char server_first[SCRAM_MESSAGE_MAX];
    char gs2_header; /* 'n' or 'y' */
};

/* Answer client-first-message with server-first-message.  `server_nonce` is
 * printable ASCII without a comma.  08P01 if it is malformed. */
int scram_first(struct scram *s, const char *message, const char *server_nonce,
                char reply[SCRAM_MESSAGE_MAX], struct zs_error *e);

/* Check client-final-message and make server-final-message.  08P01 malformed;
 * 28P01 wrong password, or no such user. */
int scram_final(struct scram *s, const char *message, char reply[SCRAM_MESSAGE_MAX],
                struct zs_error *e);

/* A fresh nonce of 24 characters. */
int scram_nonce(char out[32], struct zs_error *e);

/* Base64 of n bytes, NUL-terminated; out has at least 4 * (n + 2) / 3 + 1. */
void base64_encode(const uint8_t *bytes, size_t n, char *out);
/* Strict: no blanks, right padding.  False if it is not base64 or does not fit. */
bool base64_decode(const char *text, size_t len, uint8_t *out, size_t max, size_t *n);

#endif
