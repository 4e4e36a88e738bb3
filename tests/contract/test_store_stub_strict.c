/* test_store_stub_strict.c - the store contract over the in-memory store as a strict
 * host: values are copied, and iter_next comes back without a hit now and then. */
#include "store_stub_driver.h"

#include "stub/stub_store.h"

int main(int argc, char **argv)
{
    return store_stub_main("contract/store_stub_strict", STUB_STORE_COPIES | STUB_STORE_SHORT_LOOKS,
                           argc, argv);
}
