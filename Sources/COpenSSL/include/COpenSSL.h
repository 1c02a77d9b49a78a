// OpenSSL (package libssl-dev): TLS, hashes and HMAC. Beside the headers only wrappers for what Swift cannot import:
// macros, functions that are macros, and callbacks' constants.
#pragma once
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/// What a connection of ours never does: renegotiate, compress.
static inline void openssl_harden(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(
        context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
    // Several records in one read; given back when they have been decrypted (SSL_MODE_RELEASE_BUFFERS). Four records of 16 KB
    // or eight of 8 KB (the server's) with little over: OpenSSL moves what is over to the front before it reads on.
    SSL_CTX_set_default_read_buffer_len(context, 66000);
}

/// The server's order of ciphers counts.
static inline void openssl_prefer_own_ciphers(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
}

// OSSL_PARAM is built by macros' values. 1 if the context computes HMAC-SHA-256 under the key from here on.
static inline int openssl_hmac_sha256_begin(EVP_MAC_CTX *context, const unsigned char *key, size_t count) {
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0), OSSL_PARAM_construct_end()};
    return EVP_MAC_init(context, key, count, parameters);
}

/// Returns 0 where OpenSSL was built without kernel TLS.
static inline int openssl_enable_ktls(SSL_CTX *context) {
#ifdef OPENSSL_NO_KTLS
    return 0;
#else
    SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
    return 1;
#endif
}

static inline int openssl_set_minimum_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_min_proto_version(context, version);
}

static inline int openssl_set_host_name(SSL *connection, const char *name) {
    return (int)SSL_set_tlsext_host_name(connection, name);
}

static inline int openssl_sends_by_kernel(SSL *connection) { return BIO_get_ktls_send(SSL_get_wbio(connection)); }
static inline int openssl_receives_by_kernel(SSL *connection) { return BIO_get_ktls_recv(SSL_get_rbio(connection)); }

/// The peer's certificate with a reference of the caller's, or NULL.
static inline X509 *openssl_peer_certificate(const SSL *connection) { return SSL_get1_peer_certificate(connection); }

static inline int openssl_error_reason(unsigned long error) { return ERR_GET_REASON(error); }

/// Sessions are resumed by tickets, which the clients keep: a cache would keep every session of TLS 1.2 here, under a lock.
static inline void openssl_use_tickets(SSL_CTX *context, size_t count) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, count);
}

static inline unsigned long openssl_rfc2253(void) { return XN_FLAG_RFC2253; }

/// What BIO_s_mem has gathered.
static inline long openssl_memory(BIO *memory, char **bytes) { return BIO_get_mem_data(memory, bytes); }

/// Whom a connection belongs to, for callbacks that are given the connection only, or the store that verifies for it.
static inline void openssl_set_owner(SSL *connection, void *owner) { SSL_set_app_data(connection, owner); }
static inline void *openssl_owner(X509_STORE_CTX *store) {
    const SSL *connection = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    return connection ? SSL_get_app_data(connection) : NULL;
}
