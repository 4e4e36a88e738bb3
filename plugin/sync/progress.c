/* progress.c - see progress.h. */
#include "sync/progress.h"

#include "sync/cancel.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static uint64_t at_most(uint64_t value, uint64_t total)
{
    return total != 0 && value > total ? total : value;
}

static const char *doing(enum transfer_phase phase)
{
    switch (phase) {
    case PHASE_CONNECT:
        return "connecting for";
    case PHASE_NEGOTIATE:
    case PHASE_SUM:
        return "comparing histories of";
    case PHASE_SEND:
        return "sending";
    case PHASE_RECEIVE:
        return "receiving";
    case PHASE_COMMIT:
        return "committing";
    case PHASE_SCAN:
        return "looking through";
    case PHASE_VERIFY:
        return "verifying";
    case PHASE_DONE:
        return "done with";
    case PHASE_FAILED:
        break;
    }
    return "failed with";
}

/* Append `, "name":"value"` to the detail. */
static void member(struct zs_error *notice, const char *name, uint64_t value)
{
    size_t used = strlen(notice->detail);
    (void)snprintf(notice->detail + used, sizeof notice->detail - used, ",\"%s\":\"%" PRIu64 "\"",
                   name, value);
}

void progress_write(const struct transfer_facts *facts, struct zs_error *notice)
{
    uint64_t bytes = at_most(facts->bytes, facts->total_bytes);
    if (facts->total_bytes != 0)
        error_set(notice, "00000", "%s %s: %u %%", doing(facts->phase), facts->branch,
                  (unsigned)((double)bytes / (double)facts->total_bytes * 100.0));
    else if (facts->records == 0)
        error_set(notice, "00000", "%s %s", doing(facts->phase), facts->branch);
    else
        error_set(notice, "00000", "%s %s: %" PRIu64 " records", doing(facts->phase), facts->branch,
                  facts->records);
    error_detail(notice, "{\"progress\":{\"phase\":\"%s\"", phase_name(facts->phase));
    member(notice, "records", at_most(facts->records, facts->total_records));
    if (facts->total_records != 0)
        member(notice, "total_records", facts->total_records);
    member(notice, "bytes", bytes);
    if (facts->total_bytes != 0)
        member(notice, "total_bytes", facts->total_bytes);
    member(notice, "wire_bytes", facts->wire_bytes);
    size_t used = strlen(notice->detail);
    (void)snprintf(notice->detail + used, sizeof notice->detail - used, "}}");
}

void progress_tell(struct progress *p)
{
    if (p->session == NULL || p->quiet)
        return;
    int64_t now = clock_now_ns();
    if (p->last_ns != 0 && now - p->last_ns < PROGRESS_EVERY_MS * INT64_C(1000000))
        return;
    struct transfer_facts facts = transfer_look(p->transfer);
    struct zs_error notice;
    progress_write(&facts, &notice);
    p->session->notice(p->session->self, &notice);
    p->last_ns = now;
}

void progress_say(struct progress *p, const char *format, ...)
{
    struct zs_error notice;
    char text[sizeof notice.message];
    if (p->session == NULL)
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    error_set(&notice, "01000", "%s", text);
    p->session->notice(p->session->self, &notice);
}
