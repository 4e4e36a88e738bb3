/* kv_sst.cc - see kv_sst.h.
 *
 * What the C API's rocksdb_sstfilewriter_create cannot set, 1 GiB of pages on 2 cores:
 *   invalidate_page_cache  is on there: the file leaves the page cache as it is written,
 *                          and a branch that was just imported was read back for its
 *                          first push at 0.4 GB/s from the disk in place of 4 from memory
 *   bytes_per_sync         is off there: all of the file waits for the disk at its end */
#include "kv/kv_sst.h"

#include "kv/kv_table.h"

#include <cstdio>
#include <memory>
#include <new>
#include <rocksdb/filter_policy.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>

struct sst_writer {
    rocksdb::SstFileWriter pages, large; /* by the kind of index */
    rocksdb::SstFileWriter *file;        /* which is being written */
    struct sst_text said;
    bool thrown; /* out of RocksDB, which then holds what its destructors free twice */
};

/* As in RocksDB's own c.cc, whose C API sets fewer of the options. */
struct rocksdb_ingestexternalfileoptions_t {
    rocksdb::IngestExternalFileOptions rep;
};

static rocksdb::EnvOptions env_options()
{
    rocksdb::EnvOptions env;
    env.bytes_per_sync = KV_BYTES_PER_SYNC;
    return env;
}

static rocksdb::Options file_options(int index_type)
{
    rocksdb::BlockBasedTableOptions table;
    table.block_size = KV_BLOCK_BYTES;
    table.checksum = static_cast<rocksdb::ChecksumType>(KV_BLOCK_CHECKSUM);
    table.format_version = KV_FORMAT_VERSION;
    table.index_type = static_cast<rocksdb::BlockBasedTableOptions::IndexType>(index_type);
    rocksdb::Options options;
    options.compression = rocksdb::kNoCompression;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    return options;
}

/* Run a step; its failure as text, an exception too.  That takes no memory: a failure that
 * could not be told would pass for success. */
template <typename Step>
static const char *run(struct sst_text &said, bool &thrown, Step step) noexcept
{
    said.of[0] = '\0';
    try {
        const rocksdb::Status status = step();
        if (!status.ok())
            (void)snprintf(said.of, sizeof said.of, "%s", status.ToString().c_str());
    } catch (...) {
        thrown = true;
        (void)snprintf(said.of, sizeof said.of, "Memory limit reached");
    }
    return said.of;
}

struct sst_writer *sst_writer_create(void)
{
    try {
        const rocksdb::EnvOptions env = env_options();
        return new sst_writer{{env, file_options(KV_INDEX_TYPE), nullptr, false},
                              {env, file_options(KV_INDEX_TYPE_LARGE), nullptr, false},
                              nullptr,
                              {""},
                              false};
    } catch (...) {
        return nullptr;
    }
}

void sst_writer_destroy(struct sst_writer *writer)
{
    if (writer->thrown)
        return; /* left as it is: RocksDB 7.8 frees some of it a second time */
    delete writer;
}

const char *sst_writer_open(struct sst_writer *writer, const char *path, int large)
{
    writer->file = large != 0 ? &writer->large : &writer->pages;
    return run(writer->said, writer->thrown, [&] { return writer->file->Open(path); });
}

const char *sst_writer_put(struct sst_writer *writer, const char *key, size_t key_len,
                           const void *value, size_t len)
{
    return run(writer->said, writer->thrown, [&] {
        return writer->file->Put(rocksdb::Slice(key, key_len),
                                 rocksdb::Slice(static_cast<const char *>(value), len));
    });
}

const char *sst_writer_delete(struct sst_writer *writer, const char *key, size_t key_len)
{
    return run(writer->said, writer->thrown,
               [&] { return writer->file->Delete(rocksdb::Slice(key, key_len)); });
}

const char *sst_writer_finish(struct sst_writer *writer)
{
    return run(writer->said, writer->thrown, [&] { return writer->file->Finish(); });
}

rocksdb_ingestexternalfileoptions_t *sst_ingest_options(void)
{
    try {
        rocksdb_ingestexternalfileoptions_t *options = rocksdb_ingestexternalfileoptions_create();
        options->rep.move_files = true;
        options->rep.write_global_seqno = false;
        return options;
    } catch (...) {
        return nullptr;
    }
}

const char *sst_ends(const char *path, struct sst_text *said)
{
    bool thrown = false;
    return run(*said, thrown, [&] {
        rocksdb::SstFileReader reader(file_options(KV_INDEX_TYPE));
        rocksdb::Status opened = reader.Open(path);
        if (!opened.ok())
            return opened;
        const std::unique_ptr<rocksdb::Iterator> it(reader.NewIterator(rocksdb::ReadOptions()));
        it->SeekToFirst();
        if (it->status().ok())
            it->SeekToLast();
        return it->status();
    });
}

const char *sst_verify(const char *path, struct sst_text *said)
{
    bool thrown = false;
    return run(*said, thrown, [&] {
        const enum tail tail = tail_look(path);
        if (tail == TAIL_NO_MEMORY)
            throw std::bad_alloc();
        if (tail == TAIL_DAMAGED)
            return rocksdb::Status::Corruption("what the file says of itself is not as written");
        rocksdb::SstFileReader reader(file_options(KV_INDEX_TYPE));
        rocksdb::ReadOptions options;
        options.readahead_size = 2 << 20;
        const rocksdb::Status opened = reader.Open(path);
        return opened.ok() ? reader.VerifyChecksum(options) : opened;
    });
}

const char *sst_keys(const char *path, sst_visit visit, void *context, int *ended,
                     struct sst_text *said)
{
    bool thrown = false;
    return run(*said, thrown, [&] {
        rocksdb::SstFileReader reader(file_options(KV_INDEX_TYPE));
        rocksdb::Status opened = reader.Open(path);
        if (!opened.ok())
            return opened;
        rocksdb::ReadOptions options;
        options.fill_cache = false;
        options.readahead_size = 2 << 20;
        const std::unique_ptr<rocksdb::Iterator> it(reader.NewIterator(options));
        for (it->SeekToFirst(); it->Valid() && *ended == 0; it->Next())
            *ended = visit(context, it->key().data(), it->key().size());
        return it->status();
    });
}
