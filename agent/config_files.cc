// Where the configuration's text comes from.
#include <algorithm>
#include <filesystem>

#include "agent/config.h"
#include "base/fs.h"

namespace keelson::agent {
namespace {

constexpr size_t kMaxConfigBytes = size_t{1} << 20;
constexpr size_t kMaxDropIns = 1000;

// Every *.conf below `directory`, sorted by path.
Result<std::vector<std::string>> findDropIns(const std::string& directory) {
  namespace fs = std::filesystem;
  std::vector<std::string> paths;
  std::error_code error;
  fs::recursive_directory_iterator each(directory, error);
  for (; !error && each != fs::recursive_directory_iterator(); each.increment(error)) {
    if (each->path().extension() != ".conf" || each->is_directory(error)) continue;
    paths.push_back(each->path().string());
    if (paths.size() > kMaxDropIns)
      return makeError(Code::kResourceExhausted, "--config-dir {}: more than {} files", directory,
                       kMaxDropIns);
  }
  if (error) return errnoError(error.value(), "--config-dir " + directory);
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

Result<Config> loadConfig(const Flags& flags) {
  ConfigDocuments documents;
  if (const std::string& file = flags.config_file; !file.empty())
    documents = TRY(parseConfigDocuments(TRY_CTX(readFile(file, kMaxConfigBytes), "configuration"), file));
  if (const std::string& file = flags.keelson_config_file; !file.empty())
    documents.keelson =
        TRY(parseConfigDocuments(TRY_CTX(readFile(file, kMaxConfigBytes), "configuration"), file)).keelson;
  if (!flags.config_dir.empty()) {
    for (const std::string& path : TRY(findDropIns(flags.config_dir)))
      TRY(mergeDropIn(documents, TRY_CTX(readFile(path, kMaxConfigBytes), "drop-in"), path));
  }
  return makeConfig(std::move(documents), flags);
}

}  // namespace keelson::agent
