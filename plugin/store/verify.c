/* verify.c - dispatcher of ZS_STORE_VERIFY (store.h).  Threads: the caller's. */
#include "base/error.h"
#include "store/store.h"

struct fault_listing {
    zs_fault_visit visit;
    void *context;
};

static int32_t check_and_visit_fault(void *context, const struct zs_error *theirs)
{
    const struct fault_listing *l = context;
    struct zs_error fault = *theirs;
    fault.message[sizeof fault.message - 1] = '\0';
    fault.detail[sizeof fault.detail - 1] = '\0';
    fault.hint[sizeof fault.hint - 1] = '\0';
    (void)error_check(ZS_FAIL, &fault, "branch_verify");
    return l->visit(l->context, &fault);
}

int store_branch_verify(const struct zs_store *store, const char *branch,
                        const struct zs_cancel *cancel, zs_fault_visit visit, void *context,
                        struct zs_error *e)
{
    struct fault_listing l = {.visit = visit, .context = context};
    if (!store_has(store, ZS_STORE_VERIFY))
        return ZS_OK;
    return error_check(
        store->branch_verify(store->self, branch, cancel, check_and_visit_fault, &l, e), e,
        "branch_verify");
}
