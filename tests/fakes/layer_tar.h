// Tar streams for tests, written byte by byte so that they can hold what no tool would write.
#pragma once

#include <sys/types.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace keelson::fakes {

// One header's fields. Owner defaults to the process's own, so that tests without root can unpack.
struct TarFields {
  mode_t mode = 0644;
  int64_t uid = static_cast<int64_t>(geteuid());
  int64_t gid = static_cast<int64_t>(getegid());
  int64_t mtime = 1'700'000'000;
  std::string link;
  int64_t major = 0, minor = 0;
  std::map<std::string, std::string> pax;  // records of an extended header in front
  std::string claimed_size;                // written instead of the true size field
};

// Builds one ustar archive. Methods return *this.
class LayerTar {
 public:
  LayerTar& file(const std::string& name, std::string_view content, TarFields fields = {}) {
    return add('0', name, content, fields);
  }
  LayerTar& directory(const std::string& name, mode_t mode = 0755) {
    TarFields fields;
    fields.mode = mode;
    return add('5', name, "", fields);
  }
  LayerTar& symlink(const std::string& name, const std::string& target) {
    TarFields fields;
    fields.link = target;
    return add('2', name, "", fields);
  }
  LayerTar& hardLink(const std::string& name, const std::string& target) {
    TarFields fields;
    fields.link = target;
    return add('1', name, "", fields);
  }
  LayerTar& add(char type, const std::string& name, std::string_view content, const TarFields& fields) {
    std::map<std::string, std::string> pax = fields.pax;
    if (name.size() > 100 && !pax.contains("path")) pax["path"] = name;
    if (fields.link.size() > 100 && !pax.contains("linkpath")) pax["linkpath"] = fields.link;
    if (!pax.empty()) {
      std::string records;
      for (const auto& [key, value] : pax) records += paxRecord(key, value);
      header('x', "PaxHeaders/x", records.size(), {});
      body(records);
    }
    header(type, name.substr(0, 100), content.size(), fields);
    body(content);
    return *this;
  }
  // The archive with its end marker.
  std::string bytes() const { return bytes_ + std::string(1024, '\0'); }
  std::string withoutEnd() const { return bytes_; }

 private:
  static std::string paxRecord(const std::string& key, const std::string& value) {
    const size_t rest = key.size() + value.size() + 3;  // space, '=', newline
    size_t size = rest + 1;
    while (fmt::format("{}", size).size() + rest != size) size = fmt::format("{}", size).size() + rest;
    return fmt::format("{} {}={}\n", size, key, value);
  }
  void header(char type, const std::string& name, size_t size, const TarFields& fields) {
    char block[512] = {};
    const auto put = [&](size_t offset, const std::string& text) {
      std::memcpy(block + offset, text.data(), text.size());
    };
    put(0, name);
    put(100, fmt::format("{:07o}", fields.mode));
    put(108, fmt::format("{:07o}", fields.uid & 07777777));
    put(116, fmt::format("{:07o}", fields.gid & 07777777));
    put(124, fields.claimed_size.empty() ? fmt::format("{:011o}", size) : fields.claimed_size);
    put(136, fmt::format("{:011o}", fields.mtime));
    put(148, "        ");
    block[156] = type;
    put(157, fields.link.substr(0, 100));
    put(257, std::string("ustar\00000", 8));
    put(329, fmt::format("{:07o}", fields.major));
    put(337, fmt::format("{:07o}", fields.minor));
    unsigned sum = 0;
    for (const char c : block) sum += static_cast<unsigned char>(c);
    put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
    bytes_.append(block, sizeof block);
  }
  void body(std::string_view content) {
    bytes_ += content;
    bytes_.append((512 - content.size() % 512) % 512, '\0');
  }
  std::string bytes_;
};

inline std::string gzipped(std::string_view plain) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, plain.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

inline std::string zstdPacked(std::string_view plain) {
  std::string packed(ZSTD_compressBound(plain.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), plain.data(), plain.size(), 3));
  return packed;
}

}  // namespace keelson::fakes
