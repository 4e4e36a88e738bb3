/* test_progress.c - the notices of a transfer: texts, totals, how often. */
#include "../../support/suite.h"

#include "base/clock.h"
#include "base/error.h"
#include "stub/stub_session.h"
#include "sync/progress.h"

#include <cJSON.h>
#include <string.h>

static void test_texts_are_for_people_and_programs(void)
{
    static const struct {
        struct transfer_facts facts;
        const char *message, *detail;
    } cases[] = {
        {{.branch = "main",
          .phase = PHASE_SEND,
          .records = 1,
          .bytes = 30,
          .wire_bytes = 5,
          .total_records = 3,
          .total_bytes = 100},
         "sending main: 30 %",
         "{\"progress\":{\"phase\":\"send\",\"records\":\"1\",\"total_records\":\"3\","
         "\"bytes\":\"30\",\"total_bytes\":\"100\",\"wire_bytes\":\"5\"}}"},
        {{.branch = "x/y", .phase = PHASE_RECEIVE, .records = 7, .bytes = 30, .wire_bytes = 5},
         "receiving x/y: 7 records",
         "{\"progress\":{\"phase\":\"receive\",\"records\":\"7\",\"bytes\":\"30\","
         "\"wire_bytes\":\"5\"}}"},
        /* more came than the estimate said */
        {{.branch = "main",
          .phase = PHASE_COMMIT,
          .records = 9,
          .bytes = 101,
          .wire_bytes = 500,
          .total_records = 3,
          .total_bytes = 100},
         "committing main: 100 %",
         "{\"progress\":{\"phase\":\"commit\",\"records\":\"3\",\"total_records\":\"3\","
         "\"bytes\":\"100\",\"total_bytes\":\"100\",\"wire_bytes\":\"500\"}}"},
        {{.branch = "main",
          .phase = PHASE_SEND,
          .records = UINT64_MAX - 1,
          .bytes = UINT64_MAX - 1,
          .wire_bytes = UINT64_MAX,
          .total_records = UINT64_MAX,
          .total_bytes = UINT64_MAX},
         "sending main: 100 %",
         "{\"progress\":{\"phase\":\"send\",\"records\":\"18446744073709551614\","
         "\"total_records\":\"18446744073709551615\",\"bytes\":\"18446744073709551614\","
         "\"total_bytes\":\"18446744073709551615\",\"wire_bytes\":\"18446744073709551615\"}}"},
        {{.branch = "main", .phase = PHASE_NEGOTIATE},
         "comparing histories of main",
         "{\"progress\":{\"phase\":\"negotiate\",\"records\":\"0\",\"bytes\":\"0\","
         "\"wire_bytes\":\"0\"}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error notice;
        memset(&notice, 'x', sizeof notice);
        progress_write(&cases[i].facts, &notice);
        ASSERT_TEXT(notice.sqlstate, "00000");
        ASSERT_TEXT(notice.message, cases[i].message);
        ASSERT_TEXT(notice.detail, cases[i].detail);
        ASSERT_TEXT(notice.hint, "");
    }
}

static void test_every_phase_gives_json_and_a_sentence(void)
{
    for (int phase = PHASE_CONNECT; phase <= PHASE_FAILED; phase++) {
        struct transfer_facts facts = {.phase = (enum transfer_phase)phase, .records = 1};
        struct zs_error notice;
        memset(facts.branch, 'b', ZS_BRANCH_NAME_MAX);
        progress_write(&facts, &notice);
        cJSON *root = cJSON_Parse(notice.detail);
        const cJSON *progress = cJSON_GetObjectItem(root, "progress");
        CU_ASSERT(cJSON_IsObject(progress));
        const cJSON *name = cJSON_GetObjectItem(progress, "phase");
        CU_ASSERT(cJSON_IsString(name));
        if (cJSON_IsString(name))
            ASSERT_TEXT(name->valuestring, phase_name((enum transfer_phase)phase));
        const cJSON *item;
        cJSON_ArrayForEach(item, progress)
            CU_ASSERT(cJSON_IsString(item)); /* a JSON number holds no 64 bits */
        CU_ASSERT(strstr(notice.message, facts.branch) != NULL);
        cJSON_Delete(root);
    }
}

static void test_at_most_one_notice_in_its_time(void)
{
    struct zs_error e = {0};
    struct stub_session session;
    struct transfer_list *list = NULL;
    CU_ASSERT_FATAL(stub_session_init(&session, &e) == ZS_OK);
    ASSERT_OK(transfer_list_open(&list, &e));
    struct transfer *t = transfer_begin(list, "perform_push", "main", "p");
    CU_ASSERT_FATAL(t != NULL);
    struct progress p = {.session = &session.session, .transfer = t};
    const int64_t every_ns = PROGRESS_EVERY_MS * INT64_C(1000000);
    int64_t begin_ns = clock_now_ns();
    for (int i = 0; i < 1000; i++)
        progress_tell(&p);
    uint64_t most = 1 + (uint64_t)((clock_now_ns() - begin_ns) / every_ns);
    CU_ASSERT(session.notice_count >= 1 && session.notice_count <= most);
    uint64_t before = session.notice_count;
    p.last_ns -= every_ns;
    progress_tell(&p);
    CU_ASSERT(session.notice_count == before + 1);

    struct progress deaf = {.session = NULL, .transfer = t};
    progress_tell(&deaf); /* nobody listens */
    stub_session_fini(&session);
    transfer_list_close(list);
}

SUITE("sync/progress",
      {"texts are for people and programs", test_texts_are_for_people_and_programs},
      {"every phase gives JSON and a sentence", test_every_phase_gives_json_and_a_sentence},
      {"at most one notice in its time", test_at_most_one_notice_in_its_time})
