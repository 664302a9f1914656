#include "kernel/mountinfo.h"

#include <charconv>

#include "base/fs.h"

namespace keelson::kernel {
namespace {

bool isOctal(char c) { return c >= '0' && c <= '7'; }

// The kernel writes space, tab, newline and backslash as \040, \011, \012, \134.
std::string unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && isOctal(text[i + 1]) && isOctal(text[i + 2]) &&
        isOctal(text[i + 3])) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// Takes the first word off `line`; empty when there is none.
std::string_view takeWord(std::string_view& line) {
  const size_t start = line.find_first_not_of(' ');
  if (start == std::string_view::npos) {
    line = {};
    return {};
  }
  line.remove_prefix(start);
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

bool takeNumber(std::string_view& line, int& number) {
  const std::string_view word = takeWord(line);
  const auto [end, err] = std::from_chars(word.data(), word.data() + word.size(), number);
  return err == std::errc{} && end == word.data() + word.size();
}

bool parseLine(std::string_view line, MountinfoEntry& entry) {
  if (!takeNumber(line, entry.id) || !takeNumber(line, entry.parent)) return false;
  if (takeWord(line).empty()) return false;  // major:minor
  entry.root = unescape(takeWord(line));
  entry.mount_point = unescape(takeWord(line));
  entry.options = takeWord(line);
  for (std::string_view word = takeWord(line); word != "-"; word = takeWord(line)) {
    if (word.empty()) return false;
    if (!entry.propagation.empty()) entry.propagation += ' ';
    entry.propagation += word;
  }
  entry.filesystem = unescape(takeWord(line));
  // An empty source leaves two blanks behind one another.
  if (line.starts_with("  ")) {
    entry.super_options = takeWord(line);
  } else {
    entry.source = unescape(takeWord(line));
    entry.super_options = takeWord(line);
  }
  return !entry.filesystem.empty();
}

}  // namespace

Result<std::vector<MountinfoEntry>> parseMountinfo(std::string_view text) {
  std::vector<MountinfoEntry> entries;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) continue;
    MountinfoEntry entry;
    if (!parseLine(line, entry))
      return makeError(Code::kDataLoss, "mountinfo: cannot read line \"{}\"", line);
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<std::vector<MountinfoEntry>> ownMountinfo() {
  const std::string text = TRY(readFile("/proc/self/mountinfo", kMountinfoLimit));
  return parseMountinfo(text);
}

}  // namespace keelson::kernel
