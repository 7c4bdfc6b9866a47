/* A security key in software, as a library for OpenSSH (SecurityKeyProvider): one ed25519 key, in the folder TOKEN.
 *
 * To sign with it somebody has to be there: it waits for the file TOKEN/touch, and takes it.
 * With the file TOKEN/pulled it is there no more. */

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { API = 0x000a0000, ED25519 = 1, PRESENCE = 1, FAILED = -1, UNSUPPORTED = -2, NOT_FOUND = -4, SEED = 32, SIGNATURE = 64, HASH = 32 };
enum { LOOKS = 2000, PAUSE = 5000 }; /* in microseconds: ten seconds for somebody to touch it */

struct sk_option;
struct sk_resident_key;

struct sk_enroll_response {
    uint8_t flags;
    uint8_t *public_key;
    size_t public_key_len;
    uint8_t *key_handle;
    size_t key_handle_len;
    uint8_t *signature;
    size_t signature_len;
    uint8_t *attestation_cert;
    size_t attestation_cert_len;
    uint8_t *authdata;
    size_t authdata_len;
};

struct sk_sign_response {
    uint8_t flags;
    uint32_t counter;
    uint8_t *sig_r;
    size_t sig_r_len;
    uint8_t *sig_s;
    size_t sig_s_len;
};

static EVP_PKEY *key_of_token(int make) {
    uint8_t seed[SEED];
    FILE *file = fopen(TOKEN "/seed", make ? "wb" : "rb");
    size_t size;

    if (file == NULL)
        return NULL;
    if (make && RAND_bytes(seed, SEED) != 1)
        size = 0;
    else
        size = make ? fwrite(seed, 1, SEED, file) : fread(seed, 1, SEED, file);
    fclose(file);
    return size == SEED ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, SEED) : NULL;
}

static int touched(void) {
    for (int look = 0; look < LOOKS && access(TOKEN "/pulled", F_OK) != 0; look++) {
        if (unlink(TOKEN "/touch") == 0)
            return 1;
        usleep(PAUSE);
    }
    return 0;
}

uint32_t sk_api_version(void) {
    return API;
}

int sk_enroll(uint32_t alg, const uint8_t *challenge, size_t challenge_len, const char *application, uint8_t flags,
              const char *pin, struct sk_option **options, struct sk_enroll_response **response) {
    EVP_PKEY *key;
    struct sk_enroll_response *made;
    size_t size = SEED;

    if (alg != ED25519)
        return UNSUPPORTED;
    key = key_of_token(1);
    made = calloc(1, sizeof *made);
    if (key == NULL || made == NULL)
        return FAILED;
    made->flags = flags;
    made->public_key = calloc(1, size);
    made->public_key_len = size;
    made->key_handle = (uint8_t *)strdup("the key of the token");
    made->key_handle_len = strlen((char *)made->key_handle);
    made->signature = calloc(1, 1);
    made->attestation_cert = calloc(1, 1);
    made->authdata = calloc(1, 1);
    if (EVP_PKEY_get_raw_public_key(key, made->public_key, &size) != 1)
        return FAILED;
    EVP_PKEY_free(key);
    *response = made;
    return 0;
}

int sk_sign(uint32_t alg, const uint8_t *data, size_t data_len, const char *application, const uint8_t *key_handle,
            size_t key_handle_len, uint8_t flags, const char *pin, struct sk_option **options,
            struct sk_sign_response **response) {
    /* What is signed: the hash of the application, flags, a counter of four bytes, the hash of the data. */
    uint8_t text[HASH + 1 + 4 + HASH] = {0};
    EVP_PKEY *key = key_of_token(0);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    struct sk_sign_response *made = calloc(1, sizeof *made);
    size_t size = SIGNATURE;

    if (alg != ED25519)
        return UNSUPPORTED;
    if (key == NULL || context == NULL || made == NULL || ((flags & PRESENCE) && !touched()))
        return NOT_FOUND;
    made->flags = flags & PRESENCE;
    made->counter = 1;
    made->sig_r = calloc(1, size);
    made->sig_r_len = size;
    text[HASH] = made->flags;
    text[HASH + 4] = (uint8_t)made->counter;
    if (EVP_Digest(application, strlen(application), text, NULL, EVP_sha256(), NULL) != 1 ||
        EVP_Digest(data, data_len, text + HASH + 5, NULL, EVP_sha256(), NULL) != 1 ||
        EVP_DigestSignInit(context, NULL, NULL, NULL, key) != 1 ||
        EVP_DigestSign(context, made->sig_r, &size, text, sizeof text) != 1)
        return FAILED;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    *response = made;
    return 0;
}

int sk_load_resident_keys(const char *pin, struct sk_option **options, struct sk_resident_key ***keys, size_t *count) {
    *keys = NULL;
    *count = 0;
    return UNSUPPORTED;
}
