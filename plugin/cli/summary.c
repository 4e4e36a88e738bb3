/* summary.c - see summary.h. */
#include "cli/summary.h"

#include "cli/format.h"
#include "cli/output.h"

#include <inttypes.h>
#include <string.h>

static void put_amounts(FILE *f, uint64_t records, uint64_t bytes)
{
    (void)fprintf(f, "%s record%s, %s", count_text(records).s, records == 1 ? "" : "s",
                  bytes_text(bytes).s);
}

static void put_time(FILE *f, uint64_t bytes, uint64_t ms)
{
    (void)fprintf(f, " in %s", duration_text(ms).s);
    if (bytes >= 1024 && ms > 0)
        (void)fprintf(f, " (%s)", rate_text(bytes, ms).s);
}

void transfer_sentence(FILE *f, const struct transfer_summary *s)
{
    const char *from = s->push ? s->branch : s->far_branch,
               *to = s->push ? s->far_branch : s->branch;
    if (strcmp(s->verdict, "equal") == 0) {
        print_clean(f, s->branch);
        (void)fputs(" is up to date with ", f);
        print_clean(f, s->origin);
        (void)fputc(':', f);
        print_clean(f, s->far_branch);
        (void)fprintf(f, " at %s\n", s->to_lsn);
        return;
    }
    if (s->dry_run)
        (void)fputs("would go: ", f);
    if (!s->push) {
        print_clean(f, s->origin);
        (void)fputc(':', f);
    }
    print_clean(f, from);
    (void)fputs(" -> ", f);
    if (s->push) {
        print_clean(f, s->origin);
        (void)fputc(':', f);
    }
    print_clean(f, to);
    (void)fprintf(f, "  %s..%s, %s", s->from_lsn, s->to_lsn, s->dry_run ? "about " : "");
    put_amounts(f, s->records, s->raw_bytes);
    if (s->dry_run) {
        (void)fprintf(f, " (%s %s); nothing was changed\n", s->push ? "the far side" : "this side",
                      strcmp(s->verdict, "absent") == 0 ? "has no such branch yet" : "is behind");
        return;
    }
    if (s->wire_bytes > 0 && s->wire_bytes < s->raw_bytes / 100 * 95)
        (void)fprintf(f, " (%s on the wire)", bytes_text(s->wire_bytes).s);
    put_time(f, s->raw_bytes, s->milliseconds);
    if (s->resumed)
        (void)fprintf(f, ", resumed at %" PRIu64 " %%", s->resumed_percent);
    (void)fputc('\n', f);
}

void verify_sentence(FILE *f, const struct verify_summary *s)
{
    print_clean(f, s->branch);
    if (s->origin == NULL && strcmp(s->result, "absent") == 0) {
        (void)fputs(" is not here yet; what an interrupted transfer of it left is sound\n", f);
        return;
    }
    if (s->origin == NULL) {
        (void)fputs(" is sound", f);
    } else {
        (void)fputs(" and ", f);
        print_clean(f, s->origin);
        (void)fputc(':', f);
        print_clean(f, s->far_branch);
        (void)fputs(" hold the same", f);
    }
    (void)fprintf(f, " up to %s: ", s->last_lsn);
    put_amounts(f, s->records, s->bytes);
    put_time(f, s->bytes, s->milliseconds);
    if (s->origin != NULL)
        (void)fprintf(f, ", %s on the wire", bytes_text(s->wire_bytes).s);
    if (s->origin != NULL && strcmp(s->near_lsn, s->far_lsn) != 0) {
        bool near = strcmp(s->near_lsn, s->last_lsn) != 0;
        (void)fprintf(f, "; %s side goes on to %s", near ? "this" : "the far",
                      near ? s->near_lsn : s->far_lsn);
    }
    (void)fputc('\n', f);
}

void import_sentence(FILE *f, const struct import_summary *s)
{
    print_clean(f, s->branch);
    if (strcmp(s->result, "unchanged") == 0) {
        (void)fprintf(f, " is up to date with the cluster at %s\n", s->to_lsn);
        return;
    }
    (void)fprintf(f, " %s  %s..%s, ", strcmp(s->result, "created") == 0 ? "created" : "changed",
                  s->from_lsn, s->to_lsn);
    put_amounts(f, s->records, s->bytes);
    put_time(f, s->bytes, s->milliseconds);
    (void)fputc('\n', f);
}

void export_sentence(FILE *f, const struct export_summary *s)
{
    print_clean(f, s->branch);
    (void)fprintf(f, " at %s -> ", s->lsn);
    print_clean(f, s->dir);
    (void)fprintf(f, "  %s file%s, %s", count_text(s->files).s, s->files == 1 ? "" : "s",
                  bytes_text(s->bytes).s);
    put_time(f, s->bytes, s->milliseconds);
    (void)fputc('\n', f);
}
