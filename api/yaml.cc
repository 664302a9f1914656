#include "api/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

#include "api/field_errors.h"
#include "api/yaml_scalar.h"

namespace keelson::api {
namespace {

// What a finished node costs, so that an alias to it can be charged before it is copied.
struct Cost {
  size_t nodes = 1;
  size_t bytes = 0;
  size_t height = 1;
};

// Turns yaml-cpp's events into JSON values. After the first failure it ignores what follows. Lives in
// one parseYaml.
class JsonBuilder : public YAML::EventHandler {
 public:
  explicit JsonBuilder(std::string_view text) : text_(text) {}

  void OnDocumentStart(const YAML::Mark&) override {
    anchors_.clear();
    frames_.clear();
    root_.reset();
    line_ = 0;
  }
  void OnDocumentEnd() override {
    if (failed() || !root_ || root_->is_null()) return;
    documents_.push_back({*std::move(root_), line_});
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { OnScalar(mark, "?", anchor, ""); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override;
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    start(mark, tag, "seq", anchor, json::array());
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    start(mark, tag, "map", anchor, json::object());
    if (!failed()) frames_.back().flow = style == YAML::EmitterStyle::Flow;
  }
  void OnMapEnd() override { end(); }

  // yaml-cpp takes the end of the text for a missing closing quote, so that half a file would pass.
  void checkLastQuote();

  bool failed() const { return failure_.has_value(); }
  const Error& failure() const { return *failure_; }
  std::vector<YamlDocument> takeDocuments() { return std::move(documents_); }

 private:
  struct Frame {
    json::value value;  // an array or an object
    YAML::anchor_t anchor = 0;
    int line = 0;
    Cost cost;
    std::optional<std::string> key;  // of an object: the value is awaited
    bool merging = false;            // the key was <<
    bool flow = false;
    std::map<std::string, int, std::less<>> key_lines;
  };
  struct Anchored {
    json::value value;
    Cost cost;
  };

  void fail(int line, Code code, std::string_view text) {
    if (!failed()) failure_ = Error{code, 0, fmt::format("line {}: {}", line, text)};
  }
  bool charge(int line, const Cost& cost);
  void start(const YAML::Mark& mark, const std::string& tag, std::string_view type, YAML::anchor_t anchor,
             json::value empty);
  void end();
  void finished(int line, YAML::anchor_t anchor, json::value value, const Cost& cost);
  void place(int line, json::value value, const Cost& cost);
  void takeKey(int line, Frame& frame, const json::value& key);
  void takeMerge(int line, Frame& frame, const json::value& value);
  bool lacksColon(const YAML::Mark& mark, const std::string& key) const;

  std::string_view text_;
  std::vector<YamlDocument> documents_;
  std::optional<json::value> root_;
  int line_ = 0;  // where the document's first value stands
  std::optional<YAML::Mark> last_quoted_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  size_t nodes_ = 0;
  size_t bytes_ = 0;
  size_t anchored_nodes_ = 0;
  size_t anchored_bytes_ = 0;
  std::optional<Error> failure_;
};

bool JsonBuilder::charge(int line, const Cost& cost) {
  if (line_ == 0) line_ = line;
  nodes_ += cost.nodes;
  bytes_ += cost.bytes;
  if (nodes_ > kMaxYamlNodes) {
    fail(line, Code::kResourceExhausted, fmt::format("more than {} values, aliases counted", kMaxYamlNodes));
  } else if (bytes_ > kMaxYamlScalarBytes) {
    fail(line, Code::kResourceExhausted,
         fmt::format("more than {} bytes, aliases counted", kMaxYamlScalarBytes));
  } else if (frames_.size() + cost.height > kMaxYamlDepth) {
    fail(line, Code::kResourceExhausted, fmt::format("nested deeper than {} levels", kMaxYamlDepth));
  }
  return !failed();
}

void JsonBuilder::OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) {
  if (failed()) return;
  const int line = mark.line + 1;
  const auto found = anchors_.find(anchor);
  if (found == anchors_.end()) {
    return fail(line, Code::kInvalidArgument, "an alias stands inside the node that it means");
  }
  if (charge(line, found->second.cost)) place(line, found->second.value, found->second.cost);
}

void JsonBuilder::OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                           const std::string& text) {
  if (failed()) return;
  const int line = mark.line + 1;
  const Cost cost{1, text.size(), 1};
  if (!charge(line, cost)) return;
  if (tag != "?") {
    last_quoted_ = mark;
    // yaml-cpp turns the escapes \_ and \N into lone bytes.
    if (findInvalidUtf8(text) != std::string_view::npos) {
      return fail(line, Code::kInvalidArgument, "an escape that does not give UTF-8 text");
    }
  }
  const bool wants_key = !frames_.empty() && frames_.back().value.is_object() && !frames_.back().key;
  if (wants_key && !frames_.back().flow && tag == "?" && lacksColon(mark, text)) {
    return fail(line, Code::kInvalidArgument, fmt::format("expected ':' after {}", quoted(text)));
  }
  if (wants_key && tag == "?" && text == "<<") {
    frames_.back().key = text;
    frames_.back().merging = true;
    return;
  }
  auto value = resolveScalar(tag, text);
  if (!value) return fail(line, value.error().code, value.error().text);
  finished(line, anchor, *std::move(value), cost);
}

void JsonBuilder::start(const YAML::Mark& mark, const std::string& tag, std::string_view type,
                        YAML::anchor_t anchor, json::value empty) {
  if (failed()) return;
  const int line = mark.line + 1;
  if (tag.size() > 1 && tag != fmt::format("tag:yaml.org,2002:{}", type)) {
    return fail(line, Code::kInvalidArgument, fmt::format("unknown tag {}", quoted(tag)));
  }
  if (!frames_.empty() && frames_.back().value.is_object() && !frames_.back().key) {
    return fail(line, Code::kInvalidArgument, "a key must be a scalar");
  }
  if (!charge(line, Cost{})) return;
  Frame frame;
  frame.value = std::move(empty);
  frame.anchor = anchor;
  frame.line = line;
  frames_.push_back(std::move(frame));
}

void JsonBuilder::end() {
  if (failed()) return;
  Frame frame = std::move(frames_.back());
  frames_.pop_back();
  finished(frame.line, frame.anchor, std::move(frame.value), frame.cost);
}

void JsonBuilder::finished(int line, YAML::anchor_t anchor, json::value value, const Cost& cost) {
  if (anchor != 0) {
    anchored_nodes_ += cost.nodes;
    anchored_bytes_ += cost.bytes;
    if (anchored_nodes_ > kMaxYamlNodes || anchored_bytes_ > kMaxYamlScalarBytes) {
      return fail(line, Code::kResourceExhausted, "too much is anchored");
    }
    anchors_[anchor] = {value, cost};
  }
  place(line, std::move(value), cost);
}

void JsonBuilder::place(int line, json::value value, const Cost& cost) {
  if (frames_.empty()) {
    root_ = std::move(value);
    return;
  }
  Frame& frame = frames_.back();
  frame.cost.nodes += cost.nodes;
  frame.cost.bytes += cost.bytes;
  frame.cost.height = std::max(frame.cost.height, cost.height + 1);
  if (json::array* array = frame.value.if_array()) {
    array->push_back(std::move(value));
  } else if (!frame.key) {
    takeKey(line, frame, value);
  } else if (frame.merging) {
    takeMerge(line, frame, value);
  } else {
    frame.value.get_object().insert_or_assign(*frame.key, std::move(value));
    frame.key.reset();
  }
}

void JsonBuilder::takeKey(int line, Frame& frame, const json::value& key) {
  std::string text;
  if (const json::string* string = key.if_string()) {
    text.assign(string->data(), string->size());
  } else if (key.is_bool()) {
    text = key.get_bool() ? "true" : "false";
  } else if (key.is_double()) {
    text = fmt::format("{}", key.get_double());
  } else if (key.is_number()) {
    text = json::serialize(key);
  } else {
    return fail(line, Code::kInvalidArgument,
                key.is_null() ? "a key must not be null" : "a key must be a scalar");
  }
  const auto [at, fresh] = frame.key_lines.emplace(text, line);
  if (!fresh) {
    return fail(line, Code::kInvalidArgument,
                fmt::format("key {} already stands at line {}", quoted(text), at->second));
  }
  frame.key = std::move(text);
}

// https://yaml.org/type/merge.html. As in sigs.k8s.io/yaml a merge overwrites the keys before it and the
// keys after it overwrite the merge; of several maps the first wins.
void JsonBuilder::takeMerge(int line, Frame& frame, const json::value& value) {
  frame.key.reset();
  frame.merging = false;
  json::object& own = frame.value.get_object();
  const auto merge = [&own](const json::value& map) {
    for (const auto& member : map.get_object()) own.insert_or_assign(member.key(), member.value());
  };
  const auto is_map = [](const json::value& one) { return one.is_object(); };
  if (value.is_object()) return merge(value);
  const json::array* list = value.if_array();
  if (list == nullptr || !std::all_of(list->begin(), list->end(), is_map)) {
    return fail(line, Code::kInvalidArgument, "<< takes a map or a list of maps");
  }
  std::for_each(list->rbegin(), list->rend(), merge);
}

// yaml-cpp reads a lone word among the keys of a block as a key without value; the YAML of Kubernetes
// refuses it. Only what is certain is reported: the key as written, not after "?", and no ':' behind it.
bool JsonBuilder::lacksColon(const YAML::Mark& mark, const std::string& key) const {
  if (mark.pos < 0 || key.empty()) return false;
  const auto at = static_cast<size_t>(mark.pos);
  if (at > text_.size() || !text_.substr(at).starts_with(key)) return false;
  const size_t before = text_.substr(0, at).find_last_not_of(" \t");
  if (before != std::string_view::npos && text_[before] == '?') return false;
  const size_t after = text_.find_first_not_of(" \t", at + key.size());
  return after == std::string_view::npos || text_[after] != ':';
}

void JsonBuilder::checkLastQuote() {
  if (failed() || !last_quoted_ || last_quoted_->pos < 0) return;
  auto at = static_cast<size_t>(last_quoted_->pos);
  // The mark may stand before an anchor or a tag.
  while (at < text_.size() && (text_[at] == '&' || text_[at] == '!')) {
    at = std::min(
        text_.find_first_not_of(" \t\r\n", std::min(text_.find_first_of(" \t\r\n", at), text_.size())),
        text_.size());
  }
  if (at >= text_.size() || (text_[at] != '"' && text_[at] != '\'')) return;
  const char quote = text_[at];
  for (size_t i = at + 1; i < text_.size(); ++i) {
    if (quote == '"' && text_[i] == '\\') {
      ++i;
    } else if (text_[i] == quote) {
      if (quote == '"' || i + 1 >= text_.size() || text_[i + 1] != quote) return;
      ++i;
    }
  }
  fail(last_quoted_->line + 1, Code::kInvalidArgument, fmt::format("a text in {} without its end", quote));
}

int lineOf(std::string_view text, size_t offset) {
  return 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(offset), '\n'));
}

}  // namespace

Result<std::vector<YamlDocument>> parseYaml(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const size_t bad = std::min(findInvalidUtf8(text), text.find('\0'));
  if (bad != std::string_view::npos) {
    return makeError(Code::kInvalidArgument, "line {}: a byte that is not UTF-8 text", lineOf(text, bad));
  }
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && (text[first] == '{' || text[first] == '[')) {
    // Flow style looks the same, so a failure is left for the YAML parser to explain with its line.
    auto value = parseJson(text, text.size());
    if (value) return std::vector<YamlDocument>{{*std::move(value), lineOf(text, first)}};
  }
  JsonBuilder builder(text);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (!builder.failed() && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& problem) {
    if (!builder.failed()) {
      return makeError(Code::kInvalidArgument, "line {}: {}", std::max(problem.mark.line, 0) + 1,
                       problem.msg);
    }
  }
  builder.checkLastQuote();
  if (builder.failed()) return builder.failure();
  return builder.takeDocuments();
}

}  // namespace keelson::api
