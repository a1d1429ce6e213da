/* Proofs of a shared secret: HMAC-SHA256 over the nonces of both sides. The secret itself is never sent. Thread: any. */
#pragma once

#include "common/rpc/conn.h"

enum { NONCE_BYTES = 32, PROOF_BYTES = 32 };

/* What the side that is (or is not) the initiator proves with, over the other side's nonce and its own. False: no libcrypto. */
bool secret_proof(const struct rpc_secret *secret, bool initiator, const uint8_t *theirs, const uint8_t *ours,
                  uint8_t out[PROOF_BYTES]);
/* Compares proofs in a time that does not tell where they differ. */
bool secret_same(const uint8_t a[PROOF_BYTES], const uint8_t b[PROOF_BYTES]);
