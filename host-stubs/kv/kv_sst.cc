/* kv_sst.cc - see kv_sst.h.
 *
 * RocksDB lays the files out, and kv_direct writes them, not its own file class: that one
 * through the C API's rocksdb_sstfilewriter_create has invalidate_page_cache on, so that a
 * branch that was just imported was read back for its first push at 0.4 GB/s from the disk in
 * place of 4 from memory; and it has one way for all files. */
#include "kv/kv_sst.h"

#include "kv/kv_direct.h"
#include "kv/kv_table.h"

#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>
#include <string>

namespace
{

rocksdb::IOStatus as_status(int error, const std::string &path)
{
    return error == 0 ? rocksdb::IOStatus::OK()
                      : rocksdb::IOStatus::IOError("While writing " + path, strerrordesc_np(error));
} // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): the status has what it made for its text

/* A file of RocksDB's that kv_direct writes.  One that is not ended, direct_destroy closes. */
class DirectFile : public rocksdb::FSWritableFile
{
  public:
    DirectFile(direct_writer *writer, std::string where) : to(writer), path(std::move(where))
    {
    }
    rocksdb::IOStatus Append(const rocksdb::Slice &data, const rocksdb::IOOptions &,
                             rocksdb::IODebugContext *) override
    {
        return as_status(direct_append(to, data.data(), data.size()), path);
    }
    rocksdb::IOStatus Flush(const rocksdb::IOOptions &, rocksdb::IODebugContext *) override
    {
        return rocksdb::IOStatus::OK();
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions &, rocksdb::IODebugContext *) override
    {
        return as_status(direct_sync(to), path);
    }
    rocksdb::IOStatus Close(const rocksdb::IOOptions &, rocksdb::IODebugContext *) override
    {
        return as_status(direct_close(to), path);
    }
    uint64_t GetFileSize(const rocksdb::IOOptions &, rocksdb::IODebugContext *) override
    {
        return direct_size(to);
    }

  private:
    direct_writer *to;
    std::string path;
};

class DirectFiles : public rocksdb::FileSystemWrapper
{
  public:
    explicit DirectFiles(direct_writer *writer)
        : FileSystemWrapper(rocksdb::FileSystem::Default()), to(writer)
    {
    }
    const char *Name() const override
    {
        return "zenith-kv-stage";
    }
    rocksdb::IOStatus NewWritableFile(const std::string &path, const rocksdb::FileOptions &,
                                      std::unique_ptr<rocksdb::FSWritableFile> *out,
                                      rocksdb::IODebugContext *) override
    {
        const int error = direct_open(to, path.c_str(), past_cache);
        if (error == 0)
            *out = std::make_unique<DirectFile>(to, path);
        return as_status(error, path);
    }

    bool past_cache = false; /* the next file */

  private:
    direct_writer *to;
};

} // namespace

/* As in RocksDB's own c.cc, whose C API sets fewer of the options. */
struct rocksdb_ingestexternalfileoptions_t {
    rocksdb::IngestExternalFileOptions rep;
};

static rocksdb::EnvOptions env_options()
{
    rocksdb::EnvOptions env;
    env.writable_file_max_buffer_size = 4096; /* kv_direct gathers */
    return env;
}

static rocksdb::Options file_options(int index_type, rocksdb::Env *env = rocksdb::Env::Default())
{
    rocksdb::BlockBasedTableOptions table;
    table.no_block_cache = true; /* nothing is read twice */
    table.block_size = KV_BLOCK_BYTES;
    table.checksum = static_cast<rocksdb::ChecksumType>(KV_BLOCK_CHECKSUM);
    table.format_version = KV_FORMAT_VERSION;
    table.index_type = static_cast<rocksdb::BlockBasedTableOptions::IndexType>(index_type);
    rocksdb::Options options;
    options.env = env;
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

struct sst_writer {
    explicit sst_writer(direct_writer *writer)
        : files(std::make_shared<DirectFiles>(writer)), env(rocksdb::NewCompositeEnv(files)),
          pages(env_options(), file_options(KV_INDEX_TYPE, env.get()), nullptr, false),
          large(env_options(), file_options(KV_INDEX_TYPE_LARGE, env.get()), nullptr, false)
    {
    }
    std::shared_ptr<DirectFiles> files;
    std::unique_ptr<rocksdb::Env> env;
    rocksdb::SstFileWriter pages, large;    /* by the kind of index */
    rocksdb::SstFileWriter *file = nullptr; /* which is being written */
    direct_writer *direct = nullptr;        /* outlives the files */
    struct sst_text said = {""};
    bool thrown = false; /* out of RocksDB, which then holds what its destructors free twice */
};

struct sst_writer *sst_writer_create(void)
{
    direct_writer *direct = direct_create();
    if (direct == nullptr)
        return nullptr;
    try {
        auto *writer = new sst_writer(direct);
        writer->direct = direct;
        return writer;
    } catch (...) {
        direct_destroy(direct);
        return nullptr;
    }
}

void sst_writer_destroy(struct sst_writer *writer)
{
    direct_writer *direct = writer->direct;
    if (!writer->thrown) /* else left as it is: RocksDB 7.8 frees some of it a second time */
        delete writer;
    direct_destroy(direct);
}

const char *sst_writer_open(struct sst_writer *writer, const char *path, int large, int past_cache)
{
    writer->file = large != 0 ? &writer->large : &writer->pages;
    writer->files->past_cache = past_cache != 0;
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
