/* See secret.h. */
#include "common/rpc/secret.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

/* HMAC comes from libcrypto when a secret asks for it: it costs 3 MB and is loaded only then. */
static bool hmac_sha256(const struct rpc_secret *secret, const void *p, size_t bytes, uint8_t out[PROOF_BYTES])
{
    static unsigned char *(*hmac)(const void *, const void *, int, const unsigned char *, size_t, unsigned char *,
                                  unsigned int *);
    static const void *(*sha256)(void);
    if (!hmac) {
        void *lib = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
        if (!lib)
            return false;
        *(void **)&sha256 = dlsym(lib, "EVP_sha256");
        *(void **)&hmac = dlsym(lib, "HMAC");
        if (!hmac || !sha256)
            return false;
    }
    unsigned int n = PROOF_BYTES;
    return hmac(sha256(), secret->bytes, (int)secret->count, p, bytes, out, &n) && n == PROOF_BYTES;
}

bool secret_proof(const struct rpc_secret *secret, bool initiator, const uint8_t *theirs, const uint8_t *ours,
                  uint8_t out[PROOF_BYTES])
{
    uint8_t text[1 + 2 * NONCE_BYTES];
    text[0] = initiator ? 'i' : 'a';
    memcpy(text + 1, theirs, NONCE_BYTES);
    memcpy(text + 1 + NONCE_BYTES, ours, NONCE_BYTES);
    return hmac_sha256(secret, text, sizeof text, out);
}

bool secret_same(const uint8_t a[PROOF_BYTES], const uint8_t b[PROOF_BYTES])
{
    uint8_t d = 0;
    for (size_t i = 0; i < PROOF_BYTES; i++)
        d |= a[i] ^ b[i];
    return d == 0;
}

int rpc_read_secret(struct rpc *rpc, const char *path, struct error *err)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return error_set(err, ERR_IO, "path", path, "message", strerror(errno), NULL);
    char text[4096];
    size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    while (n && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' '))
        n--;
    if (n < 16)
        return error_setf(err, ERR_AUTH, "message", "the secret in %s is shorter than 16 bytes", path);
    rpc->secret = (struct rpc_secret){xstrndup(text, n), n};
    return 0;
}
