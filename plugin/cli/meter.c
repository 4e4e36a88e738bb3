/* meter.c - see meter.h. */
#include "cli/meter.h"

#include "base/clock.h"
#include "cli/format.h"

#include <cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define BAR_MAX       30
#define LINE_EVERY_NS ((int64_t)METER_LINE_EVERY_MS * 1000000)

/* A count, as text of digits; 0 if it is missing or something else. */
static uint64_t count_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    if (text == NULL || text[0] == '\0' || strlen(text) > 19 ||
        strspn(text, "0123456789") != strlen(text))
        return 0;
    return strtoull(text, NULL, 10);
}

bool progress_parse(const char *detail, struct progress *out)
{
    if (detail[0] != '{')
        return false;
    cJSON *root = cJSON_Parse(detail);
    const cJSON *p = cJSON_GetObjectItemCaseSensitive(root, "progress");
    bool is_progress = cJSON_IsObject(p) != 0;
    if (is_progress) {
        const char *phase = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(p, "phase"));
        memset(out, 0, sizeof *out);
        (void)snprintf(out->phase, sizeof out->phase, "%s", phase == NULL ? "" : phase);
        clean_text(out->phase);
        out->records = count_of(p, "records");
        out->total_records = count_of(p, "total_records");
        out->bytes = count_of(p, "bytes");
        out->total_bytes = count_of(p, "total_bytes");
        out->wire_bytes = count_of(p, "wire_bytes");
    }
    cJSON_Delete(root);
    return is_progress;
}

static const char *phase_verb(const char *phase)
{
    static const struct {
        char phase[16], verb[16];
    } verbs[] = {
        {"connect", "connecting"}, {"negotiate", "negotiating"}, {"sum", "comparing"},
        {"send", "sending"},       {"receive", "receiving"},     {"commit", "committing"},
        {"import", "importing"},   {"export", "exporting"},      {"scan", "scanning"},
        {"verify", "verifying"},
    };
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].phase, phase) == 0)
            return verbs[i].verb;
    return phase;
}

/* 0 to 100; 100 only when all is there. */
static unsigned percent(uint64_t part, uint64_t whole)
{
    if (whole == 0 || part >= whole)
        return 100;
    return (unsigned)((double)part / (double)whole * 100.0);
}

/* Append a part and its two blanks if it fits as a whole. */
static void append(char *line, size_t width, const char *part)
{
    size_t used = strlen(line), len = strlen(part), gap = used == 0 ? 0 : 2;
    if (len == 0 || used + gap + len > width)
        return;
    memcpy(line + used, "  ", gap);
    memcpy(line + used + gap, part, len + 1);
}

void progress_line(const struct progress *p, const char *label, uint64_t rate_bps, bool bar,
                   size_t columns, char *line, size_t size)
{
    size_t width = columns < size ? columns : size - 1;
    unsigned share = percent(p->bytes, p->total_bytes);
    bool total = p->total_bytes > 0, commit = strcmp(p->phase, "commit") == 0;
    char head[METER_LINE_MAX], amount[80], rate[48] = "", left[48] = "", part[16] = "";
    (void)snprintf(head, sizeof head, "%.100s: %s", label, phase_verb(p->phase));
    if (total)
        (void)snprintf(part, sizeof part, "%3u %%", share);
    if (total)
        (void)snprintf(amount, sizeof amount, "%s of %s", bytes_text(p->bytes).s,
                       bytes_text(p->total_bytes).s);
    else if (p->bytes > 0 || p->records > 0)
        (void)snprintf(amount, sizeof amount, "%s, %s records", bytes_text(p->bytes).s,
                       count_text(p->records).s);
    else
        amount[0] = '\0';
    if (rate_bps > 0 && !commit)
        (void)snprintf(rate, sizeof rate, "%s", rate_text(rate_bps, 1000).s);
    if (rate_bps > 0 && total && share < 100)
        (void)snprintf(left, sizeof left, "%s left",
                       clock_text((p->total_bytes - p->bytes) / rate_bps + 1).s);
    size_t rest = strlen(head) + strlen(part) + strlen(amount) + strlen(rate) + strlen(left) + 10;
    line[0] = '\0';
    append(line, width, head);
    if (bar && total && width >= rest + 12) {
        char drawn[BAR_MAX + 3];
        size_t cells = width - rest - 2 > BAR_MAX ? BAR_MAX : width - rest - 2;
        size_t full = cells * share / 100;
        drawn[0] = '[';
        memset(drawn + 1, '#', full);
        memset(drawn + 1 + full, '.', cells - full);
        memcpy(drawn + 1 + cells, "]", 2);
        append(line, width, drawn);
    }
    append(line, width, part);
    append(line, width, amount);
    append(line, width, rate);
    append(line, width, left);
}

void meter_open(struct meter *m, const char *label, bool wanted)
{
    memset(m, 0, sizeof *m);
    m->wanted = wanted;
    m->terminal = isatty(STDERR_FILENO) == 1;
    m->label = label;
    m->open_ns = clock_now_ns();
}

static size_t terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
        return 79;
    return (size_t)size.ws_col - 1;
}

bool meter_notice(struct meter *m, const struct zs_error *notice)
{
    struct progress p;
    char line[METER_LINE_MAX];
    if (!progress_parse(notice->detail, &p))
        return false;
    if (!m->wanted)
        return true;
    int64_t now = clock_now_ns();
    bool new_phase = strcmp(m->phase, p.phase) != 0;
    if (new_phase) {
        memcpy(m->phase, p.phase, sizeof m->phase);
        m->phase_ns = now;
        m->phase_bytes = p.bytes;
    }
    double seconds = (double)(now - m->phase_ns) / 1e9;
    uint64_t rate = seconds < 0.2 || p.bytes <= m->phase_bytes
                        ? 0
                        : (uint64_t)((double)(p.bytes - m->phase_bytes) / seconds);
    if (m->terminal) {
        progress_line(&p, m->label, rate, true, terminal_columns(), line, sizeof line);
        (void)fprintf(stderr, "\r%s\033[K", line);
        (void)fflush(stderr);
        m->drawn = true;
    } else if (m->line_ns == 0 ? p.bytes > 0 || now - m->open_ns >= LINE_EVERY_NS
                               : now - m->line_ns >= LINE_EVERY_NS) {
        progress_line(&p, m->label, rate, false, METER_LINE_MAX - 1, line, sizeof line);
        (void)fprintf(stderr, "%s\n", line);
        m->line_ns = now;
    }
    return true;
}

void meter_clear(struct meter *m)
{
    if (m->drawn)
        (void)fputs("\r\033[K", stderr);
    m->drawn = false;
}
