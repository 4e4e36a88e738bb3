/* test_store_stub_plain.c - the store contract over the in-memory store as a host
 * that keeps no digests and no blobs. */
#include "store_stub_driver.h"

#include "stub/stub_store.h"

int main(int argc, char **argv)
{
    return store_stub_main("contract/store_stub_plain", STUB_STORE_NO_DIGEST | STUB_STORE_NO_BLOBS,
                           argc, argv);
}
