/* test_store_stub.c - the store contract over the in-memory store as it is by
 * default: views of its own memory, digests kept. */
#include "store_stub_driver.h"

#include "stub/stub_store.h"

int main(int argc, char **argv)
{
    return store_stub_main("contract/store_stub", 0, argc, argv);
}
