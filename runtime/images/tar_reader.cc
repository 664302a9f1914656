#include "runtime/images/tar_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include <cerrno>

namespace keelson::runtime::images {
namespace {

constexpr size_t kMaxXattrBytes = 64 << 10;  // XATTR_SIZE_MAX
constexpr size_t kMaxXattrs = 256;
constexpr size_t kShownBytes = 300;

// libarchive converts names in pax headers from UTF-8 to the thread's character set; in the "C"
// locale that turns every other letter into '?'. So its calls run in C.UTF-8, where nothing changes.
class Utf8Thread {
 public:
  explicit Utf8Thread(locale_t locale) : before_(uselocale(locale)) {}
  ~Utf8Thread() { uselocale(before_); }
  Utf8Thread(const Utf8Thread&) = delete;
  Utf8Thread& operator=(const Utf8Thread&) = delete;

 private:
  locale_t before_;
};

struct FreeArchive {
  void operator()(archive* handle) const { archive_read_free(handle); }
};

EntryKind kindOf(archive_entry* entry) {
  if (archive_entry_hardlink(entry) != nullptr) return EntryKind::kHardLink;
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
      return EntryKind::kRegular;
    case AE_IFDIR:
      return EntryKind::kDirectory;
    case AE_IFLNK:
      return EntryKind::kSymlink;
    case AE_IFCHR:
      return EntryKind::kCharDevice;
    case AE_IFBLK:
      return EntryKind::kBlockDevice;
    case AE_IFIFO:
      return EntryKind::kFifo;
    default:
      return EntryKind::kOther;
  }
}

Result<TarEntry> toEntry(archive_entry* from) {
  const char* path = archive_entry_pathname(from);
  if (path == nullptr) return makeError(Code::kDataLoss, "tar entry without a name");
  TarEntry entry;
  entry.path = path;
  entry.kind = kindOf(from);
  const char* link =
      entry.kind == EntryKind::kHardLink ? archive_entry_hardlink(from) : archive_entry_symlink(from);
  if (link != nullptr) entry.link = link;
  entry.mode = archive_entry_perm(from) & 07777;
  entry.uid = archive_entry_uid(from);
  entry.gid = archive_entry_gid(from);
  entry.size = archive_entry_size(from);
  entry.mtime = {archive_entry_mtime(from), archive_entry_mtime_nsec(from)};
  entry.device_major = static_cast<int64_t>(archive_entry_rdevmajor(from));
  entry.device_minor = static_cast<int64_t>(archive_entry_rdevminor(from));
  archive_entry_xattr_reset(from);
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  while (archive_entry_xattr_next(from, &name, &value, &size) == ARCHIVE_OK) {
    if (size > kMaxXattrBytes || entry.xattrs.size() >= kMaxXattrs)
      return makeError(Code::kResourceExhausted, "extended attributes of \"{}\" are over their limit",
                       entry.path.substr(0, kShownBytes));
    entry.xattrs.emplace_back(name, std::string(static_cast<const char*>(value), size));
  }
  return entry;
}

}  // namespace

struct TarReader::Impl {
  explicit Impl(ByteSource& bytes) : source(bytes) {}
  ~Impl() {
    handle.reset();  // before its callback's target and its locale
    if (locale != nullptr) freelocale(locale);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  static la_ssize_t read(archive* handle, void* self, const void** piece) {
    auto& impl = *static_cast<Impl*>(self);
    auto next = impl.source.next();
    if (!next) {
      archive_set_error(handle, EIO, "source");
      impl.source_error = std::move(next).error();
      return -1;
    }
    *piece = next->data();
    return static_cast<la_ssize_t>(next->size());
  }

  // The source's own error where there is one, else libarchive's.
  Error failure(std::string_view what) {
    if (source_error) return *source_error;
    const char* text = archive_error_string(handle.get());
    return makeError(Code::kDataLoss, "{}: {}", what, text == nullptr ? "unknown error" : text);
  }

  ByteSource& source;
  std::optional<Error> source_error;
  std::unique_ptr<archive, FreeArchive> handle;
  locale_t locale = nullptr;
};

TarReader::TarReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TarReader::TarReader(TarReader&&) noexcept = default;
TarReader& TarReader::operator=(TarReader&&) noexcept = default;
TarReader::~TarReader() = default;

Result<TarReader> TarReader::open(ByteSource& source) {
  auto impl = std::make_unique<Impl>(source);
  impl->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (impl->locale == nullptr) return sysError("load the C.UTF-8 locale");
  const Utf8Thread utf8(impl->locale);
  impl->handle.reset(archive_read_new());
  if (!impl->handle) return makeError(Code::kResourceExhausted, "no memory for a tar reader");
  archive_read_support_format_tar(impl->handle.get());
  archive_read_support_format_empty(impl->handle.get());
  if (archive_read_open(impl->handle.get(), impl.get(), nullptr, Impl::read, nullptr) != ARCHIVE_OK)
    return impl->failure("read tar");
  return TarReader(std::move(impl));
}

Result<std::optional<TarEntry>> TarReader::next() {
  const Utf8Thread utf8(impl_->locale);
  archive_entry* entry = nullptr;
  const int code = archive_read_next_header(impl_->handle.get(), &entry);
  if (code == ARCHIVE_EOF) {
    if (impl_->source_error) return *impl_->source_error;
    return std::optional<TarEntry>();
  }
  // ARCHIVE_WARN: something in the entry was not kept as it was. Only a changed name is a failure: two
  // files could become one. Owner names, ACLs and vendor keywords do not matter here.
  if (code == ARCHIVE_WARN) {
    const char* text = archive_error_string(impl_->handle.get());
    const std::string_view warning = text == nullptr ? "" : text;
    if (warning.starts_with("Pathname") || warning.starts_with("Linkname"))
      return impl_->failure("tar entry cannot be represented");
  } else if (code != ARCHIVE_OK) {
    return impl_->failure("read tar");
  }
  return std::optional<TarEntry>(TRY(toEntry(entry)));
}

Result<std::optional<TarData>> TarReader::data() {
  const Utf8Thread utf8(impl_->locale);
  const void* bytes = nullptr;
  size_t size = 0;
  la_int64_t offset = 0;
  const int code = archive_read_data_block(impl_->handle.get(), &bytes, &size, &offset);
  if (code == ARCHIVE_EOF) return std::optional<TarData>();
  if (code != ARCHIVE_OK) return impl_->failure("read tar content");
  return std::optional<TarData>(TarData{std::string_view(static_cast<const char*>(bytes), size), offset});
}

}  // namespace keelson::runtime::images
