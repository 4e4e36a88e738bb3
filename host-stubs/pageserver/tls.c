/* tls.c - see tls.h. */
#include "pageserver/tls.h"

#include "base/error.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

struct tls {
    SSL_CTX *context;
};

static int refused(struct zs_error *e, const char *what, const char *file)
{
    char why[160] = "";
    ERR_error_string_n(ERR_peek_last_error(), why, sizeof why);
    ERR_clear_error();
    error_set(e, ZS_BAD_VALUE, "%s %s cannot be used for TLS", what, file);
    error_detail(e, "%s", why);
    return error_hint(e, "Correct the path in pageserver.toml.");
}

static int load_files(SSL_CTX *context, const char *cert, const char *key, const char *ca,
                      struct zs_error *e)
{
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1)
        return refused(e, "the certificate", cert);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return refused(e, "the key", key);
    if (ca == NULL)
        return ZS_OK;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca);
    if (names == NULL || SSL_CTX_load_verify_locations(context, ca, NULL) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return refused(e, "the authority", ca);
    }
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, NULL);
    return ZS_OK;
}

int tls_open(const char *cert, const char *key, const char *ca, struct tls **out,
             struct zs_error *e)
{
    struct tls *t = calloc(1, sizeof *t);
    if (t == NULL)
        return error_memory(e);
    t->context = SSL_CTX_new(TLS_server_method());
    if (t->context == NULL) {
        tls_close(t);
        return error_memory(e);
    }
    (void)SSL_CTX_set_min_proto_version(t->context, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(t->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                              SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_session_cache_mode(t->context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(t->context,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    int rc = load_files(t->context, cert, key, ca, e);
    if (rc != ZS_OK) {
        tls_close(t);
        return rc;
    }
    *out = t;
    return ZS_OK;
}

void tls_close(struct tls *t)
{
    if (t == NULL)
        return;
    SSL_CTX_free(t->context);
    free(t);
}

int tls_accept(struct tls *t, struct conn *c, const struct patience *patience, struct zs_error *e)
{
    SSL *ssl = SSL_new(t->context);
    if (ssl == NULL || SSL_set_fd(ssl, c->stream.fd) != 1) {
        SSL_free(ssl);
        return error_memory(e);
    }
    for (;;) {
        ERR_clear_error();
        int rc = SSL_accept(ssl);
        if (rc == 1)
            break;
        int why = SSL_get_error(ssl, rc);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
            char text[160] = "the connection was closed";
            if (ERR_peek_last_error() != 0)
                ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
            ERR_clear_error();
            SSL_free(ssl);
            error_set(e, ZS_PROTOCOL_VIOLATION, "the TLS handshake failed");
            return error_detail(e, "%s", text);
        }
        if (patience_is_over(patience) || cancel_is_set(patience->cancel)) {
            SSL_free(ssl);
            return error_set(e, ZS_CONNECTION_LOST, "the TLS handshake took too long");
        }
        conn_poll(c, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, patience);
    }
    c->stream.ssl = ssl;
    return ZS_OK;
}

/* Compared as text and whole: the bytes of a name in another encoding, or the beginning of a
 * longer one, can be those of somebody else's name. */
static bool name_is(const X509_NAME *subject, const char *name)
{
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0)
        return false;
    unsigned char *text = NULL;
    int n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    bool same = n > 0 && (size_t)n == strlen(name) && memcmp(text, name, (size_t)n) == 0;
    OPENSSL_free(text);
    ERR_clear_error();
    return same;
}

bool tls_peer_is(const struct stream *s, const char *name)
{
    if (s->ssl == NULL || SSL_get_verify_result(s->ssl) != X509_V_OK)
        return false;
    X509 *cert = SSL_get0_peer_certificate(s->ssl);
    return cert != NULL && name_is(X509_get_subject_name(cert), name);
}
