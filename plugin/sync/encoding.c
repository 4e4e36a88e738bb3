/* encoding.c - see encoding.h. */
#include "sync/encoding.h"

#include "base/error.h"

#include <string.h>

/* A window is long enough that one slow moment does not decide: so many batches and so
 * long, or on a slow wire just long. */
#define WINDOW_BATCHES 32u
#define WINDOW_NS      INT64_C(40000000)
#define WINDOW_LONG_NS INT64_C(250000000)

/* What goes plain faster than that, 330 MB/s, is left plain, and no sample taken.  There the
 * stores and the cores are the limit and no wire: packing pages to a tenth took 4 % longer over
 * loopback (a byte 1.03 ns plain), though a sample promised a third of the time. */
#define FAST_NS 3.0

/* What must be gained: by a sample's promise, to try; by a trial, to stay with what costs
 * more; and what simpler packing may lose, which spares both sides' cores. */
#define PROMISE 0.85
#define BETTER  0.9
#define SIMPLER 1.02

bool encoding_parse(const char *name, uint32_t *asked)
{
    enum batch_encoding encoding = BATCH_NONE;
    *asked = ENCODING_AUTO;
    if (strcmp(name, "auto") == 0)
        return true;
    if (!batch_encoding_parse(name, &encoding))
        return false;
    *asked = (uint32_t)encoding;
    return true;
}

/* Holes are left out of batches that are packed, from so small a share on.  Of plain ones
 * they are not: to look for them took 0.3 ns a byte of a whole first push over loopback, as
 * the looks miss the caches, and what is saved there is less. */
#define HOLES_PACKED 64u

/* ---- the decision --------------------------------------------------------------------- */

struct encoding_state encoding_begin(uint32_t readable)
{
    return (struct encoding_state){.readable = readable | 1u << BATCH_NONE,
                                   .patience = ENCODING_PATIENCE_FIRST,
                                   .trusted = ENCODING_TRUST};
}

/* The next encoding up (step 1) or down (-1) that the receiver reads; the same if none. */
static enum batch_encoding next(const struct encoding_state *s, int step)
{
    for (int e = (int)s->now + step; e >= BATCH_NONE && e <= BATCH_ZSTD; e += step)
        if ((s->readable >> (unsigned)e & 1u) != 0)
            return (enum batch_encoding)e;
    return s->now;
}

static void wait_longer(struct encoding_state *s)
{
    s->rest = s->patience;
    s->patience =
        s->patience < ENCODING_PATIENCE_MOST / 2 ? 2 * s->patience : ENCODING_PATIENCE_MOST;
}

static void try_out(struct encoding_state *s, enum batch_encoding encoding, double now_ns)
{
    s->before = s->now;
    s->before_ns = now_ns;
    s->now = encoding;
    s->fresh = true;
    s->settled = false;
}

static void end_trial(struct encoding_state *s, double now_ns)
{
    bool up = s->now > s->before;
    if (now_ns <= s->before_ns * (up ? BETTER : SIMPLER)) {
        s->patience = ENCODING_PATIENCE_FIRST;
        s->trust = s->trusted = ENCODING_TRUST;
        s->rest = 1;
    } else {
        s->now = s->before;
        s->fresh = true;
        s->trusted = up ? s->trusted : 4 * s->trusted;
        s->trusted = s->trusted < 16 * ENCODING_TRUST ? s->trusted : 16 * ENCODING_TRUST;
        s->trust = s->trusted;
        wait_longer(s);
    }
    s->before = s->now;
    s->settled = false;
}

/* What a byte would take.  Packing and the wire go on at the same time where there is a core
 * for each, and one after the other where there is not: between the two. */
static double promise(const struct encoding_sample *sample, double wire_ns)
{
    double pack = sample->ns, wire = wire_ns * sample->ratio;
    return pack > wire ? pack + wire / 2 : wire + pack / 2;
}

struct encoding_state encoding_choose(struct encoding_state s, const struct encoding_window *w,
                                      const struct encoding_sample *sample)
{
    if (w->raw_bytes == 0 || w->wire_bytes == 0)
        return s;
    double now_ns = (double)w->elapsed_ns / (double)w->raw_bytes;
    double wire_ns = (double)w->elapsed_ns / (double)w->wire_bytes;
    bool fast = s.now == BATCH_NONE && now_ns < FAST_NS;
    bool blocked = !fast && w->blocked_ns >= w->elapsed_ns / 4;
    enum batch_encoding up = next(&s, 1), down = next(&s, -1);
    s.sample = BATCH_NONE;
    if (s.fresh) {
        s.fresh = false;
        return s;
    }
    if (s.before != s.now) {
        end_trial(&s, now_ns);
        return s;
    }
    s.trust -= s.trust > 0 ? 1 : 0;
    if (s.rest > 0) {
        s.rest--;
        s.settled = blocked;
        s.sample = blocked && s.rest == 0 && up != s.now ? up : BATCH_NONE;
        return s;
    }
    if (!blocked) {
        s.settled = false;
        if (down != s.now)
            try_out(&s, down, now_ns);
        return s;
    }
    if (!s.settled) {
        s.settled = true;
        s.sample = up != s.now ? up : BATCH_NONE;
        return s;
    }
    if (up != s.now && sample->encoding == up && promise(sample, wire_ns) <= now_ns * PROMISE)
        try_out(&s, up, now_ns);
    else if (down != s.now && s.trust == 0)
        try_out(&s, down, now_ns);
    else
        wait_longer(&s);
    return s;
}

/* ---- around it ------------------------------------------------------------------------ */

static void publish(struct encoding *x)
{
    atomic_store(&x->plan, (unsigned)x->state.now | (unsigned)x->state.sample << 8);
}

void encoding_open(struct encoding *x, uint32_t asked, uint32_t readable)
{
    bool reads = asked <= BATCH_ZSTD && (readable >> asked & 1u) != 0;
    memset(x, 0, sizeof *x);
    x->automatic = asked == ENCODING_AUTO;
    x->holes = (readable & BATCH_READS_HOLES) != 0;
    x->sums = (readable & BATCH_READS_SUMS) != 0;
    x->state = encoding_begin(readable);
    x->state.now = reads ? (enum batch_encoding)asked : BATCH_NONE;
    publish(x);
}

int encoding_plan(struct encoding *x, struct batch_writer *w, struct encoding_report *report,
                  struct zs_error *e)
{
    unsigned plan = atomic_load(&x->plan);
    enum batch_encoding sample = (enum batch_encoding)(plan >> 8);
    *report = (struct encoding_report){.asked = (enum batch_encoding)(plan & 0xff)};
    batch_writer_encoding(w, report->asked);
    batch_writer_sums(w, x->sums);
    if (x->holes)
        batch_writer_holes(w, report->asked == BATCH_NONE ? 0 : HOLES_PACKED);
    if (sample == BATCH_NONE)
        return ZS_OK;
    (void)atomic_fetch_and(&x->plan, 0xffu);
    report->sample.encoding = sample;
    return batch_sample(w, sample, &report->sample.ns, &report->sample.ratio, e);
}

static void window_begin(struct encoding *x, int64_t now_ns)
{
    x->window = (struct encoding_window){0};
    x->batches = 0;
    x->started_ns = now_ns;
}

void encoding_sent(struct encoding *x, const struct encoding_report *report, uint64_t raw_bytes,
                   uint64_t wire_bytes, int64_t started_ns, int64_t now_ns)
{
    if (!x->automatic)
        return;
    if (report->sample.encoding != BATCH_NONE)
        x->sample = report->sample;
    if (report->asked != x->state.now || x->started_ns == 0) {
        window_begin(x, now_ns); /* it was packed before the last change */
        return;
    }
    x->window.raw_bytes += raw_bytes;
    x->window.wire_bytes += wire_bytes;
    x->window.blocked_ns += now_ns - started_ns;
    x->window.elapsed_ns = now_ns - x->started_ns;
    x->batches++;
    if (x->window.elapsed_ns < WINDOW_LONG_NS &&
        (x->batches < WINDOW_BATCHES || x->window.elapsed_ns < WINDOW_NS))
        return;
    x->state = encoding_choose(x->state, &x->window, &x->sample);
    if (x->state.sample != BATCH_NONE)
        x->sample = (struct encoding_sample){0};
    publish(x);
    window_begin(x, now_ns);
}
