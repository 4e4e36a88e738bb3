/* pg_peer_tls.c - see pg_peer_tls.h. */
#include "pg_peer_tls.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>

struct peer_tls {
    SSL_CTX *context;
    SSL *ssl;
};

static X509 *certify(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    if (cert == NULL)
        return NULL;
    X509_NAME *name = X509_get_subject_name(cert);
    bool made = X509_set_version(cert, 2) == 1 &&
                ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1 &&
                X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL &&
                X509_gmtime_adj(X509_getm_notAfter(cert), 3600) != NULL &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                           (const unsigned char *)"pg_peer", -1, -1, 0) == 1 &&
                X509_set_issuer_name(cert, name) == 1 && X509_set_pubkey(cert, key) == 1 &&
                X509_sign(cert, key, EVP_sha256()) > 0;
    if (made)
        return cert;
    X509_free(cert);
    return NULL;
}

static bool set_up(struct peer_tls *t, int fd)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key == NULL ? NULL : certify(key);
    t->context = SSL_CTX_new(TLS_server_method());
    bool ready = cert != NULL && t->context != NULL &&
                 SSL_CTX_use_certificate(t->context, cert) == 1 &&
                 SSL_CTX_use_PrivateKey(t->context, key) == 1;
    if (ready)
        t->ssl = SSL_new(t->context);
    X509_free(cert);
    EVP_PKEY_free(key);
    return t->ssl != NULL && SSL_set_fd(t->ssl, fd) == 1 && SSL_accept(t->ssl) == 1;
}

struct peer_tls *peer_tls_accept(int fd)
{
    struct peer_tls *t = calloc(1, sizeof *t);
    if (t == NULL || set_up(t, fd))
        return t;
    peer_tls_close(t);
    return NULL;
}

ssize_t peer_tls_write(struct peer_tls *t, const void *bytes, size_t len)
{
    return SSL_write(t->ssl, bytes, len > INT_MAX ? INT_MAX : (int)len);
}

bool peer_tls_read_all(struct peer_tls *t, void *bytes, size_t len)
{
    for (char *at = bytes; len > 0;) {
        int n = SSL_read(t->ssl, at, len > INT_MAX ? INT_MAX : (int)len);
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

void peer_tls_close(struct peer_tls *t)
{
    if (t == NULL)
        return;
    SSL_free(t->ssl);
    SSL_CTX_free(t->context);
    free(t);
}
