/* scram.c - see scram.h. */
#include "pageserver/scram.h"

#include "base/error.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PREFIX "SCRAM-SHA-256$"

/* ---- base64 and the primitives ---------------------------------------------------- */

void base64_encode(const uint8_t *bytes, size_t n, char *out)
{
    (void)EVP_EncodeBlock((unsigned char *)out, bytes, (int)n);
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(const char *text, size_t len, uint8_t *out, size_t max, size_t *n)
{
    size_t pad = 0;
    if (len == 0 || len % 4 != 0)
        return false;
    while (pad < 2 && text[len - 1 - pad] == '=')
        pad++;
    size_t bytes = len / 4 * 3 - pad;
    if (bytes > max)
        return false;
    uint32_t bits = 0;
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        int v = i >= len - pad ? 0 : base64_value(text[i]);
        if (v < 0)
            return false;
        bits = bits << 6u | (uint32_t)v;
        if (i % 4 != 3)
            continue;
        for (unsigned shift = 16; at < bytes; shift -= 8) {
            out[at++] = (uint8_t)(bits >> shift);
            if (shift == 0)
                break;
        }
    }
    *n = bytes;
    return true;
}

static int crypto_failed(struct zs_error *e)
{
    return error_set(e, ZS_INTERNAL_ERROR, "the cryptographic library failed");
}

static int hmac(const uint8_t key[SCRAM_KEY_BYTES], const void *data, size_t n,
                uint8_t out[SCRAM_KEY_BYTES], struct zs_error *e)
{
    unsigned len = 0;
    if (HMAC(EVP_sha256(), key, SCRAM_KEY_BYTES, data, n, out, &len) == NULL ||
        len != SCRAM_KEY_BYTES)
        return crypto_failed(e);
    return ZS_OK;
}

static int sha256(const void *data, size_t n, uint8_t out[SCRAM_KEY_BYTES], struct zs_error *e)
{
    unsigned len = 0;
    if (EVP_Digest(data, n, out, &len, EVP_sha256(), NULL) != 1 || len != SCRAM_KEY_BYTES)
        return crypto_failed(e);
    return ZS_OK;
}

static int random_bytes(void *out, size_t n, struct zs_error *e)
{
    if (getrandom(out, n, 0) != (ssize_t)n)
        return error_errno(e, errno, "cannot get random bytes");
    return ZS_OK;
}

/* ---- verifiers --------------------------------------------------------------------- */

int scram_verifier_make(const char *password, uint32_t iterations, const uint8_t *salt,
                        uint32_t salt_len, struct scram_verifier *out, struct zs_error *e)
{
    uint8_t salted[SCRAM_KEY_BYTES];
    uint8_t client_key[SCRAM_KEY_BYTES];
    *out = (struct scram_verifier){.iterations = iterations, .salt_len = salt_len};
    memcpy(out->salt, salt, salt_len);
    int rc = ZS_OK;
    if (PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, (int)salt_len, (int)iterations,
                          EVP_sha256(), SCRAM_KEY_BYTES, salted) != 1)
        rc = crypto_failed(e);
    if (rc == ZS_OK)
        rc = hmac(salted, "Client Key", 10, client_key, e);
    if (rc == ZS_OK)
        rc = sha256(client_key, sizeof client_key, out->stored_key, e);
    if (rc == ZS_OK)
        rc = hmac(salted, "Server Key", 10, out->server_key, e);
    OPENSSL_cleanse(salted, sizeof salted);
    OPENSSL_cleanse(client_key, sizeof client_key);
    return rc;
}

int scram_verifier_random(const char *password, struct scram_verifier *out, struct zs_error *e)
{
    uint8_t salt[SCRAM_SALT_BYTES];
    TRY(random_bytes(salt, sizeof salt, e));
    return scram_verifier_make(password, SCRAM_ITERATIONS, salt, sizeof salt, out, e);
}

static bool key_parse(const char *text, size_t len, uint8_t out[SCRAM_KEY_BYTES])
{
    size_t n = 0;
    return base64_decode(text, len, out, SCRAM_KEY_BYTES, &n) && n == SCRAM_KEY_BYTES;
}

bool scram_verifier_parse(const char *text, struct scram_verifier *out)
{
    struct scram_verifier v = {0};
    if (strncmp(text, PREFIX, strlen(PREFIX)) != 0)
        return false;
    const char *at = text + strlen(PREFIX);
    char *end = NULL;
    unsigned long iterations = *at >= '1' && *at <= '9' ? strtoul(at, &end, 10) : 0;
    if (iterations == 0 || iterations > 10000000 || *end != ':')
        return false;
    v.iterations = (uint32_t)iterations;
    const char *salt = end + 1;
    const char *dollar = strchr(salt, '$');
    const char *colon = dollar != NULL ? strchr(dollar, ':') : NULL;
    size_t n = 0;
    if (colon == NULL || !base64_decode(salt, (size_t)(dollar - salt), v.salt, sizeof v.salt, &n))
        return false;
    v.salt_len = (uint32_t)n;
    if (!key_parse(dollar + 1, (size_t)(colon - dollar - 1), v.stored_key) ||
        !key_parse(colon + 1, strlen(colon + 1), v.server_key))
        return false;
    *out = v;
    return true;
}

void scram_verifier_format(const struct scram_verifier *v, char out[SCRAM_VERIFIER_TEXT])
{
    char salt[SCRAM_SALT_MAX * 2];
    char stored[SCRAM_KEY_BYTES * 2];
    char server[SCRAM_KEY_BYTES * 2];
    base64_encode(v->salt, v->salt_len, salt);
    base64_encode(v->stored_key, SCRAM_KEY_BYTES, stored);
    base64_encode(v->server_key, SCRAM_KEY_BYTES, server);
    (void)snprintf(out, SCRAM_VERIFIER_TEXT, PREFIX "%u:%s$%s:%s", v->iterations, salt, stored,
                   server);
}

int scram_verifier_mock(const uint8_t key[SCRAM_KEY_BYTES], const char *user,
                        struct scram_verifier *out, struct zs_error *e)
{
    uint8_t salt[SCRAM_KEY_BYTES];
    TRY(hmac(key, user, strlen(user), salt, e));
    *out = (struct scram_verifier){.iterations = SCRAM_ITERATIONS, .salt_len = SCRAM_SALT_BYTES};
    memcpy(out->salt, salt, SCRAM_SALT_BYTES);
    return ZS_OK;
}

/* ---- the exchange --------------------------------------------------------------------- */

static int malformed(struct zs_error *e, const char *what)
{
    error_set(e, ZS_PROTOCOL_VIOLATION, "the SCRAM login message is malformed");
    return error_detail(e, "%s", what);
}

/* At "r=...": the length of what follows it up to a comma or the end. */
static size_t value_len(const char *at)
{
    return strcspn(at, ",");
}

int scram_nonce(char out[32], struct zs_error *e)
{
    uint8_t bytes[18];
    TRY(random_bytes(bytes, sizeof bytes, e));
    base64_encode(bytes, sizeof bytes, out);
    return ZS_OK;
}

static bool printable(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] < 0x21 || text[i] > 0x7e)
            return false;
    return n > 0;
}

int scram_first(struct scram *s, const char *message, const char *server_nonce,
                char reply[SCRAM_MESSAGE_MAX], struct zs_error *e)
{
    if (strlen(message) >= SCRAM_MESSAGE_MAX)
        return malformed(e, "It is too long.");
    if (message[0] == 'p') {
        error_set(e, ZS_NOT_SUPPORTED, "channel binding is not offered by this server");
        return error_hint(e, "Connect with channel_binding=prefer or disable.");
    }
    if ((message[0] != 'n' && message[0] != 'y') || message[1] != ',')
        return malformed(e, "It begins with neither \"n,\" nor \"y,\".");
    if (message[2] != ',')
        return malformed(e, "It asks for another user's authority.");
    const char *bare = message + 3;
    if (strncmp(bare, "n=", 2) != 0)
        return malformed(e, "It names no user.");
    const char *nonce = strchr(bare, ',');
    if (nonce == NULL || strncmp(nonce, ",r=", 3) != 0)
        return malformed(e, "It has no nonce.");
    nonce += 3;
    size_t n = value_len(nonce);
    if (!printable(nonce, n) || n + strlen(server_nonce) >= sizeof s->nonce)
        return malformed(e, "Its nonce is empty, too long or not printable.");

    s->gs2_header = message[0];
    (void)snprintf(s->nonce, sizeof s->nonce, "%.*s%s", (int)n, nonce, server_nonce);
    (void)snprintf(s->client_first, sizeof s->client_first, "%s", bare);
    char salt[SCRAM_SALT_MAX * 2];
    base64_encode(s->verifier.salt, s->verifier.salt_len, salt);
    (void)snprintf(s->server_first, sizeof s->server_first, "r=%s,s=%s,i=%u", s->nonce, salt,
                   s->verifier.iterations);
    memcpy(reply, s->server_first, sizeof s->server_first);
    return ZS_OK;
}

/* Does the proof show knowledge of the key whose hash is stored? */
static int proof_check(const struct scram *s, const char *auth, const uint8_t *proof, bool *fits,
                       struct zs_error *e)
{
    uint8_t signature[SCRAM_KEY_BYTES] = {0};
    uint8_t client_key[SCRAM_KEY_BYTES];
    uint8_t stored[SCRAM_KEY_BYTES];
    TRY(hmac(s->verifier.stored_key, auth, strlen(auth), signature, e));
    for (size_t i = 0; i < SCRAM_KEY_BYTES; i++)
        client_key[i] = proof[i] ^ signature[i];
    TRY(sha256(client_key, sizeof client_key, stored, e));
    *fits = CRYPTO_memcmp(stored, s->verifier.stored_key, SCRAM_KEY_BYTES) == 0;
    OPENSSL_cleanse(client_key, sizeof client_key);
    return ZS_OK;
}

int scram_final(struct scram *s, const char *message, char reply[SCRAM_MESSAGE_MAX],
                struct zs_error *e)
{
    size_t len = strlen(message);
    if (len >= SCRAM_MESSAGE_MAX)
        return malformed(e, "It is too long.");
    const char *binding = s->gs2_header == 'y' ? "c=eSws,r=" : "c=biws,r=";
    if (strncmp(message, binding, strlen(binding)) != 0)
        return malformed(e, "Its channel binding is not what the first message said.");
    const char *nonce = message + strlen(binding);
    size_t n = value_len(nonce);
    if (n != strlen(s->nonce) || memcmp(nonce, s->nonce, n) != 0)
        return malformed(e, "Its nonce is another one.");
    const char *proof_text = strstr(nonce, ",p=");
    uint8_t proof[SCRAM_KEY_BYTES] = {0};
    if (proof_text == NULL || !key_parse(proof_text + 3, strlen(proof_text + 3), proof))
        return malformed(e, "It has no proof of 32 bytes at its end.");

    char auth[3 * SCRAM_MESSAGE_MAX];
    (void)snprintf(auth, sizeof auth, "%s,%s,%.*s", s->client_first, s->server_first,
                   (int)(proof_text - message), message);
    bool fits = false;
    TRY(proof_check(s, auth, proof, &fits, e));
    if (!fits || !s->known) {
        error_set(e, ZS_WRONG_PASSWORD, "the user name or the password is wrong");
        return error_hint(e, "`zenith user list` on the server's machine shows who may log in.");
    }
    uint8_t signature[SCRAM_KEY_BYTES];
    char text[SCRAM_KEY_BYTES * 2];
    TRY(hmac(s->verifier.server_key, auth, strlen(auth), signature, e));
    base64_encode(signature, sizeof signature, text);
    (void)snprintf(reply, SCRAM_MESSAGE_MAX, "v=%s", text);
    return ZS_OK;
}
