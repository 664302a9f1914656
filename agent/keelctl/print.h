// What keelctl prints: tables as kubectl's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace keelson::keelctl {

// The value at a dotted path of names and indices ("status.podIPs.0.ip"); null when a part is missing.
const json::value& at(const json::value& value, std::string_view path);
std::string textAt(const json::value& value, std::string_view path);  // "" when missing or not a string
int64_t numberAt(const json::value& value, std::string_view path);    // 0 when missing or not a number

// Columns padded as kubectl does, three spaces between them.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string str() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// kubectl's short age: "5s", "3m20s", "2h", "4d3h".
std::string shortDuration(Duration duration);
std::string ageSince(const json::value& rfc3339, WallTime now);  // "<unknown>" when absent

// The STATUS, READY and RESTARTS columns of `kubectl get pods`, from a Pod's JSON.
struct PodSummary {
  std::string ready;
  std::string status;
  std::string restarts;
};
PodSummary summarizePod(const json::value& pod, WallTime now);

// "12Mi", "1.5Gi"; "250m" cores.
std::string humanBytes(int64_t bytes);

}  // namespace keelson::keelctl
