/* kv_files.cc - see kv_files.h. */
#include "kv/kv_files.h"

#include <atomic>
#include <memory>
#include <new>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <string>

using namespace rocksdb;

/* As in RocksDB's c.cc: the C API makes no environment over a file system of one's own, and
 * no listener. */
struct rocksdb_env_t {
    Env *rep;
    bool is_default;
};
struct rocksdb_options_t {
    Options rep;
};

namespace
{

struct state {
    std::string stages; /* the folder of the stages, with a slash behind */
    std::atomic<bool> manifest_failed{false};
    std::atomic<bool> stage_unreadable{false};
    std::atomic<bool> stopped{false};
};

class Listener : public EventListener
{
  public:
    explicit Listener(std::shared_ptr<state> shared) : s(std::move(shared))
    {
    }
    void OnBackgroundError(BackgroundErrorReason why, Status *error) override
    {
        (void)why;
        if (error->severity() >= Status::Severity::kHardError)
            s->stopped = true;
    }

  private:
    std::shared_ptr<state> s;
};

bool begins(const std::string &text, const std::string &with)
{
    return text.compare(0, with.size(), with) == 0;
}

bool ends(const std::string &text, const std::string &with)
{
    return text.size() >= with.size() &&
           text.compare(text.size() - with.size(), with.size(), with) == 0;
}

class Manifest : public FSWritableFileOwnerWrapper
{
  public:
    Manifest(std::unique_ptr<FSWritableFile> &&file, state &shared)
        : FSWritableFileOwnerWrapper(std::move(file)), s(shared)
    {
    }
    IOStatus Append(const Slice &data, const IOOptions &o, IODebugContext *d) override
    {
        return seen(FSWritableFileWrapper::Append(data, o, d));
    }
    IOStatus Append(const Slice &data, const IOOptions &o, const DataVerificationInfo &info,
                    IODebugContext *d) override
    {
        return seen(FSWritableFileWrapper::Append(data, o, info, d));
    }
    IOStatus Flush(const IOOptions &o, IODebugContext *d) override
    {
        return seen(FSWritableFileWrapper::Flush(o, d));
    }
    IOStatus Sync(const IOOptions &o, IODebugContext *d) override
    {
        return seen(FSWritableFileWrapper::Sync(o, d));
    }
    IOStatus Fsync(const IOOptions &o, IODebugContext *d) override
    {
        return seen(FSWritableFileWrapper::Fsync(o, d));
    }

  private:
    IOStatus seen(IOStatus status)
    {
        if (!status.ok())
            s.manifest_failed = true;
        return status;
    }
    state &s;
};

class StageFile : public FSRandomAccessFileOwnerWrapper
{
  public:
    StageFile(std::unique_ptr<FSRandomAccessFile> &&file, state &shared)
        : FSRandomAccessFileOwnerWrapper(std::move(file)), s(shared)
    {
    }
    IOStatus Read(uint64_t offset, size_t n, const IOOptions &o, Slice *result, char *scratch,
                  IODebugContext *d) const override
    {
        IOStatus status = FSRandomAccessFileWrapper::Read(offset, n, o, result, scratch, d);
        if (!status.ok())
            status = FSRandomAccessFileWrapper::Read(offset, n, o, result, scratch, d);
        if (!status.ok())
            s.stage_unreadable = true;
        return status;
    }

  private:
    state &s;
};

/* The folder that CURRENT is in: a manifest is in use once its new name is synced. */
class Folder : public FSDirectoryWrapper
{
  public:
    Folder(std::unique_ptr<FSDirectory> &&folder, state &shared)
        : FSDirectoryWrapper(std::move(folder)), s(shared)
    {
    }
    IOStatus FsyncWithDirOptions(const IOOptions &o, IODebugContext *d,
                                 const DirFsyncOptions &why) override
    {
        IOStatus status = FSDirectoryWrapper::FsyncWithDirOptions(o, d, why);
        if (why.reason == DirFsyncOptions::kFileRenamed && ends(why.renamed_new_name, "/CURRENT"))
            s.manifest_failed = !status.ok();
        return status;
    }

  private:
    state &s;
};

class Files : public FileSystemWrapper
{
  public:
    explicit Files(std::shared_ptr<state> shared)
        : FileSystemWrapper(FileSystem::Default()), owned(std::move(shared)), s(*owned)
    {
    }
    const char *Name() const override
    {
        return "zenith-kv";
    }
    IOStatus NewWritableFile(const std::string &path, const FileOptions &o,
                             std::unique_ptr<FSWritableFile> *out, IODebugContext *d) override
    {
        IOStatus status = FileSystemWrapper::NewWritableFile(path, o, out, d);
        if (status.ok() && path.find("/MANIFEST-") != std::string::npos)
            *out = std::make_unique<Manifest>(std::move(*out), s);
        return status;
    }
    IOStatus NewRandomAccessFile(const std::string &path, const FileOptions &o,
                                 std::unique_ptr<FSRandomAccessFile> *out,
                                 IODebugContext *d) override
    {
        IOStatus status = FileSystemWrapper::NewRandomAccessFile(path, o, out, d);
        if (status.ok() && begins(path, s.stages))
            *out = std::make_unique<StageFile>(std::move(*out), s);
        return status;
    }
    IOStatus NewDirectory(const std::string &path, const IOOptions &o,
                          std::unique_ptr<FSDirectory> *out, IODebugContext *d) override
    {
        IOStatus status = FileSystemWrapper::NewDirectory(path, o, out, d);
        if (status.ok())
            *out = std::make_unique<Folder>(std::move(*out), s);
        return status;
    }
    IOStatus RenameFile(const std::string &from, const std::string &to, const IOOptions &o,
                        IODebugContext *d) override
    {
        IOStatus status = FileSystemWrapper::RenameFile(from, to, o, d);
        if (!status.ok() && ends(to, "/CURRENT"))
            s.manifest_failed = true;
        return status;
    }
    IOStatus LinkFile(const std::string &from, const std::string &to, const IOOptions &o,
                      IODebugContext *d) override
    {
        if (s.stage_unreadable && begins(from, s.stages))
            return IOStatus::IOError("a file of a stage could not be read", from);
        return FileSystemWrapper::LinkFile(from, to, o, d);
    }
    IOStatus DeleteFile(const std::string &path, const IOOptions &o, IODebugContext *d) override
    {
        if (s.manifest_failed && ends(path, ".sst") && !begins(path, s.stages))
            return IOStatus::OK();
        return FileSystemWrapper::DeleteFile(path, o, d);
    }

  private:
    std::shared_ptr<state> owned;
    state &s;
};

} // namespace

struct kv_files {
    std::shared_ptr<state> shared;
    std::unique_ptr<Env> env;
    rocksdb_env_t handle;
};

struct kv_files *kv_files_create(const char *stage_dir)
{
    try {
        auto files = std::make_unique<kv_files>();
        files->shared = std::make_shared<state>();
        files->shared->stages = std::string(stage_dir) + "/";
        files->env = NewCompositeEnv(std::make_shared<Files>(files->shared));
        files->handle = {files->env.get(), true};
        return files.release();
    } catch (...) {
        return nullptr;
    }
}

bool kv_files_use(struct kv_files *files, rocksdb_options_t *options)
{
    try {
        rocksdb_options_set_env(options, &files->handle);
        options->rep.listeners.push_back(std::make_shared<Listener>(files->shared));
        return true;
    } catch (...) {
        return false;
    }
}

bool kv_files_stopped(const struct kv_files *files)
{
    return files->shared->stopped;
}

void kv_files_destroy(struct kv_files *files)
{
    delete files;
}
