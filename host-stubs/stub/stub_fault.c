/* stub_fault.c - the plan, see stub_fault.h; the decorators are in stub_fault_store.c
 * and stub_fault_channel.c. */
#include "stub/stub_fault.h"

#include "base/error.h"

#include <string.h>

int stub_faults_init(struct stub_faults *f, struct zs_error *e)
{
    memset(f, 0, sizeof *f);
    return pthread_mutex_init(&f->mutex, NULL) != 0 ? error_memory(e) : ZS_OK;
}

void stub_faults_fini(struct stub_faults *f)
{
    (void)pthread_mutex_destroy(&f->mutex);
}

void stub_faults_arm(struct stub_faults *f, const struct stub_fault *plan)
{
    (void)pthread_mutex_lock(&f->mutex);
    f->plan = *plan;
    f->calls = 0;
    f->fired = 0;
    (void)pthread_mutex_unlock(&f->mutex);
}

bool stub_faults_fired(struct stub_faults *f)
{
    (void)pthread_mutex_lock(&f->mutex);
    bool fired = f->fired > 0;
    (void)pthread_mutex_unlock(&f->mutex);
    return fired;
}

uint64_t stub_faults_calls(struct stub_faults *f)
{
    (void)pthread_mutex_lock(&f->mutex);
    uint64_t calls = f->calls;
    (void)pthread_mutex_unlock(&f->mutex);
    return calls;
}

bool stub_faults_due(struct stub_faults *f, unsigned kinds, const char *operation,
                     struct stub_fault *plan)
{
    bool due = false;
    (void)pthread_mutex_lock(&f->mutex);
    *plan = f->plan;
    bool meant = (kinds & (1u << plan->kind)) != 0 &&
                 (plan->operation == NULL || strcmp(plan->operation, operation) == 0);
    if (meant) {
        uint64_t times = plan->times == 0 ? 1 : plan->times;
        f->calls++;
        due = plan->nth != 0 && f->calls >= plan->nth && f->calls - plan->nth < times;
        f->fired += due ? 1 : 0;
    }
    (void)pthread_mutex_unlock(&f->mutex);
    return due;
}
