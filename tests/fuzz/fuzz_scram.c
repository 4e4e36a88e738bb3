/* fuzz_scram.c - SCRAM messages from a client, and stored verifiers (pageserver/scram.h).
 * Input: a byte of mode, client-first, NUL, client-final (or what is put in front of a
 * right proof, with mode 1), NUL, a verifier.
 * Holds: only the right proof gets in, and only for a user that exists; messages out are
 * texts that fit; a verifier that parses is formatted to one that parses to the same. */
#include "support.h"

#include "pageserver/scram.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONCE "3rfcNHYJY1ZVvWVs7j"

static void hmac(const uint8_t *key, const char *text, uint8_t out[SCRAM_KEY_BYTES])
{
    unsigned len = 0;
    HOLDS(HMAC(EVP_sha256(), key, SCRAM_KEY_BYTES, (const uint8_t *)text, strlen(text), out,
               &len) != NULL);
}

/* "c=...,r=NONCE" EXTRA ",p=" and the proof of whoever knows the password "pw". */
static void make_final(const struct scram *s, const char *extra, char *out, size_t size)
{
    uint8_t salted[SCRAM_KEY_BYTES], key[SCRAM_KEY_BYTES], signature[SCRAM_KEY_BYTES];
    char proof[64], *auth = NULL;
    (void)snprintf(out, size, "c=%s,r=%s%.500s", s->gs2_header == 'y' ? "eSws" : "biws", s->nonce,
                   extra);
    HOLDS(PKCS5_PBKDF2_HMAC("pw", 2, s->verifier.salt, (int)s->verifier.salt_len, 1, EVP_sha256(),
                            SCRAM_KEY_BYTES, salted) == 1);
    hmac(salted, "Client Key", key);
    HOLDS(asprintf(&auth, "%s,%s,%s", s->client_first, s->server_first, out) > 0);
    hmac(s->verifier.stored_key, auth, signature);
    for (size_t i = 0; i < SCRAM_KEY_BYTES; i++)
        key[i] ^= signature[i];
    base64_encode(key, SCRAM_KEY_BYTES, proof);
    size_t used = strlen(out);
    (void)snprintf(out + used, size - used, ",p=%s", proof);
    free(auth);
}

static void check_login(uint8_t mode, const char *first, const char *final)
{
    static struct scram_verifier verifier;
    struct scram s = {.known = (mode & 2u) == 0};
    char reply[SCRAM_MESSAGE_MAX], made[SCRAM_MESSAGE_MAX + 128];
    struct zs_error e;
    fuzz_error_before(&e);
    if (verifier.iterations == 0)
        HOLDS(scram_verifier_make("pw", 1, (const uint8_t *)"salt", 4, &verifier, &e) == ZS_OK);
    s.verifier = verifier;
    if (!fuzz_error_after(scram_first(&s, first, NONCE, reply, &e), &e))
        return;
    HOLDS(strncmp(reply, "r=", 2) == 0 && strlen(reply) < SCRAM_MESSAGE_MAX);
    HOLDS(strstr(s.nonce, NONCE) != NULL);
    /* What stands between nonce and proof begins with a comma, and has no proof. */
    bool right =
        (mode & 1u) != 0 && (final[0] == ',' || final[0] == '\0') && strstr(final, ",p=") == NULL;
    if (right)
        make_final(&s, final, made, sizeof made);
    int rc = scram_final(&s, right ? made : final, reply, &e);
    bool in = fuzz_error_after(rc, &e);
    bool fits = right && strlen(made) < SCRAM_MESSAGE_MAX;
    HOLDS(in == (fits && s.known));
    HOLDS(!in || strncmp(reply, "v=", 2) == 0);
}

static void check_verifier(const char *text)
{
    struct scram_verifier v, again;
    char first[SCRAM_VERIFIER_TEXT];
    if (!scram_verifier_parse(text, &v))
        return;
    HOLDS(v.iterations >= 1 && v.salt_len >= 1 && v.salt_len <= SCRAM_SALT_MAX);
    scram_verifier_format(&v, first);
    HOLDS(scram_verifier_parse(first, &again) && memcmp(&v, &again, sizeof v) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 8192)
        return 0;
    struct fuzz_input in = {data, size};
    uint8_t mode = fuzz_take_byte(&in);
    const char *first = fuzz_take_text(&in, 0), *final = fuzz_take_text(&in, 1);
    check_login(mode, first, final);
    check_verifier(fuzz_take_text(&in, 2));
    return 0;
}
