#include "api/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/yaml_scalar.h"

namespace keelson::api {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// All documents as compact JSON, one a line.
std::string asJson(std::string_view text) {
  const auto documents = parseYaml(text);
  if (!documents) return "error: " + documents.error().text;
  std::string out;
  for (const auto& document : *documents) out += json::serialize(document.value) + "\n";
  return out;
}

TEST(Yaml, PlainScalarsMeanWhatTheyMeanToKubernetes) {
  const std::pair<const char*, const char*> cases[] = {
      {"yes", "true"},
      {"No", "false"},
      {"on", "true"},
      {"OFF", "false"},
      {"y", "true"},
      {"n", "false"},
      {"true", "true"},
      {"False", "false"},
      {"yEs", "\"yEs\""},
      {"null", "null"},
      {"~", "null"},
      {"NULL", "null"},
      {"0644", "420"},
      {"0o644", "420"},
      {"0x1F", "31"},
      {"0b101", "5"},
      {"1_000", "1000"},
      {"-17", "-17"},
      {"+17", "17"},
      {"0", "0"},
      {"08", "8E0"},
      {"1.5", "1.5E0"},
      {".5", "5E-1"},
      {"1e3", "1E3"},
      {"-1.5e-3", "-1.5E-3"},
      {"1.2.3", "\"1.2.3\""},
      {"80:80", "\"80:80\""},
      {"1:30", "\"1:30\""},
      {"2001-12-14", "\"2001-12-14\""},
      {"2001-12-14T21:59:43Z", "\"2001-12-14T21:59:43Z\""},
      {"100m", "\"100m\""},
      {"16Mi", "\"16Mi\""},
      {"v1", "\"v1\""},
      {"-", "\"-\""},
      {"18446744073709551615", "18446744073709551615"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"99999999999999999999", "1E20"},
      {"1e400", "\"1e400\""},
      {"0x", "\"0x\""},
      {"12e03", "1.2E4"},
      {"hello world", "\"hello world\""},
      {"=", "\"=\""},
  };
  for (const auto& [text, want] : cases) {
    const auto value = resolvePlainScalar(text);
    ASSERT_TRUE(value.ok()) << text;
    EXPECT_EQ(json::serialize(*value), want) << text;
  }
  EXPECT_FALSE(resolvePlainScalar(".inf").ok());
  EXPECT_FALSE(resolvePlainScalar(".NaN").ok());
}

TEST(Yaml, QuotedScalarsAndTaggedOnesKeepTheirType) {
  EXPECT_EQ(asJson(R"({a: "yes", b: '0644', c: "null", d: "a\tb", e: !!str 5, f: !!int "7", g: !!float 2})"),
            R"({"a":"yes","b":"0644","c":"null","d":"a\tb","e":"5","f":7,"g":2E0})"
            "\n");
  EXPECT_EQ(asJson("a: !!binary aGVsbG8=\n"), "{\"a\":\"hello\"}\n");
  EXPECT_EQ(asJson("a: !!int x\n"), "error: line 1: cannot read \"x\" as !!int");
  EXPECT_EQ(asJson("\na: !Ref b\n"), "error: line 2: unknown tag \"!Ref\"");
  EXPECT_EQ(asJson("a: !!set {b}\n"), "error: line 1: unknown tag \"tag:yaml.org,2002:set\"");
  EXPECT_EQ(asJson("a: .inf"), "error: line 1: .inf is not a number that JSON can hold");
}

TEST(Yaml, ReadsBlockAndFlowStyle) {
  EXPECT_EQ(asJson("a:\n  - 1\n  - b: |\n      x\n      y\n    c: >-\n      x\n      y\n"),
            R"({"a":[1,{"b":"x\ny\n","c":"x y"}]})"
            "\n");
  EXPECT_EQ(asJson("args:\n- while true; do\n  date;\n  done\n"), R"({"args":["while true; do date; done"]})"
                                                                  "\n");
  EXPECT_EQ(asJson("a: {}\nb: []\nc:\nd: ''\n"), R"({"a":{},"b":[],"c":null,"d":""})"
                                                 "\n");
}

TEST(Yaml, ReadsSeveralDocumentsAndDropsEmptyOnes) {
  EXPECT_EQ(asJson("---\n# nothing\n---\na: 1\n---\n---\nb: 2\n...\n"), "{\"a\":1}\n{\"b\":2}\n");
  EXPECT_EQ(asJson(""), "");
  EXPECT_EQ(asJson("# only a comment\n"), "");
  const auto documents = parseYaml("a: 1\n---\n\nb: 2\n");
  ASSERT_EQ(documents->size(), 2U);
  EXPECT_EQ((*documents)[0].line, 1);
  EXPECT_EQ((*documents)[1].line, 4);
}

TEST(Yaml, ReadsJson) {
  EXPECT_EQ(asJson("\n {\"a\": \"\\u00e4\\ud83d\\ude00\", \"b\": [1.5, null]}\n"),
            "{\"a\":\"\xc3\xa4\xf0\x9f\x98\x80\",\"b\":[1.5E0,null]}\n");
  EXPECT_EQ(asJson("[1, 2]"), "[1,2]\n");
  EXPECT_EQ(asJson("{a: b}"), "{\"a\":\"b\"}\n");
  EXPECT_THAT(asJson("{\"a\": 1,\n\"b\": ]}"), StartsWith("error: line 2: "));
}

TEST(Yaml, KeysBecomeStrings) {
  EXPECT_EQ(asJson("1: a\non: b\n\"3\": c\n1.5: d\n"), R"({"1":"a","true":"b","3":"c","1.5":"d"})"
                                                       "\n");
  EXPECT_EQ(asJson("on: 1\nyes: 2\n"), "error: line 2: key \"true\" already stands at line 1");
  EXPECT_EQ(asJson("~: a\n"), "error: line 1: a key must not be null");
  EXPECT_EQ(asJson("? [a]\n: b\n"), "error: line 1: a key must be a scalar");
  EXPECT_EQ(asJson("x:\n  ? {a: b}\n  : c\n"), "error: line 2: a key must be a scalar");
}

TEST(Yaml, DuplicateKeysAreRefusedWithBothLines) {
  EXPECT_EQ(asJson("name: a\nspec: {}\nname: b\n"), "error: line 3: key \"name\" already stands at line 1");
  EXPECT_EQ(asJson("{\"a\": {b: 1,\n b: 2}}"), "error: line 2: key \"b\" already stands at line 1");
}

TEST(Yaml, SyntaxErrorsNameTheirLine) {
  EXPECT_THAT(asJson("a: 1\nb: [1, 2\nc: 3\n"), StartsWith("error: line "));
  EXPECT_THAT(asJson("a: 1\n\tb: 2\n"), StartsWith("error: line 2: "));
  EXPECT_EQ(asJson("b: 1\na: \"x\n"), "error: line 2: a text in \" without its end");
  EXPECT_EQ(asJson("a: &n !!str 'it''s\nb: c\n"), "error: line 1: a text in ' without its end");
  EXPECT_EQ(asJson("\"a\\\": 1\n"), "error: line 1: a text in \" without its end");
  EXPECT_EQ(asJson("\xef\xbb\xbf\"ä\": 'it''s \"'\r\nb: \"'\\\"\"\r\n"),
            "{\"ä\":\"it's \\\"\",\"b\":\"'\\\"\"}\n");
  EXPECT_EQ(asJson("a: \"x\\_y\"\n"), "error: line 1: an escape that does not give UTF-8 text");
  EXPECT_EQ(asJson("key: value\nfoo\n"), "error: line 2: expected ':' after \"foo\"");
  EXPECT_EQ(asJson("ä: 1\r\nfoo\r\n"), "error: line 2: expected ':' after \"foo\"");
  EXPECT_EQ(asJson("? a\n? b\n: c\nd : e\nf:\n"), R"({"a":null,"b":"c","d":"e","f":null})"
                                                  "\n");
  EXPECT_THAT(asJson("a: *nowhere\n"), StartsWith("error: line 1: "));
  EXPECT_EQ(asJson("a: 1\nb: \xff\n"), "error: line 2: a byte that is not UTF-8 text");
  EXPECT_EQ(asJson(std::string_view("a: 1\nb: \0\n", 10)), "error: line 2: a byte that is not UTF-8 text");
}

TEST(Yaml, AnchorsAndMergeKeysAreExpanded) {
  EXPECT_EQ(asJson("a: &x {k: 1}\nb: *x\nc: &y text\nd: [*y, *y]\n"),
            R"({"a":{"k":1},"b":{"k":1},"c":"text","d":["text","text"]})"
            "\n");
  EXPECT_EQ(asJson("base: &b {x: 1, z: 2}\nown:\n  <<: *b\n  z: 3\n"),
            R"({"base":{"x":1,"z":2},"own":{"x":1,"z":3}})"
            "\n");
  // As kubectl has it: what stands before the merge loses.
  EXPECT_EQ(asJson("own:\n  z: 3\n  <<: {x: 1, z: 2}\n"), R"({"own":{"z":2,"x":1}})"
                                                          "\n");
  EXPECT_EQ(asJson("a: &a {x: 1}\nb: &b {x: 2, z: 2}\nc:\n  <<: [*a, *b]\n"),
            R"({"a":{"x":1},"b":{"x":2,"z":2},"c":{"x":1,"z":2}})"
            "\n");
  EXPECT_EQ(asJson("'<<': 1\n"), "{\"<<\":1}\n");
  EXPECT_EQ(asJson("<<: 1\n"), "error: line 1: << takes a map or a list of maps");
  EXPECT_EQ(asJson("&k key: 1\n*k : 2\n"), "error: line 2: key \"key\" already stands at line 1");
}

TEST(Yaml, AnAliasInsideItsOwnNodeIsRefused) {
  EXPECT_EQ(asJson("a: &x\n  b: *x\n"), "error: line 2: an alias stands inside the node that it means");
}

TEST(Yaml, ABillionLaughsStopAtTheLimit) {
  std::string text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
  for (int i = 1; i < 10; ++i) {
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 9; ++j) text += (j > 0 ? ", *a" : "*a") + std::to_string(i - 1);
    text += "]\n";
  }
  const auto documents = parseYaml(text);
  ASSERT_FALSE(documents.ok());
  EXPECT_EQ(documents.error().code, Code::kResourceExhausted);
  EXPECT_THAT(documents.error().text, HasSubstr("aliases counted"));
}

TEST(Yaml, LargeAliasedTextStopsAtTheLimit) {
  std::string text = "a: &a " + std::string(1 << 20, 'x') + "\nb: [";
  for (int i = 0; i < 100; ++i) text += "*a, ";
  text += "]\n";
  const auto documents = parseYaml(text);
  ASSERT_FALSE(documents.ok());
  EXPECT_EQ(documents.error().code, Code::kResourceExhausted);
}

TEST(Yaml, DeepNestingStopsAtTheLimit) {
  for (size_t depth : {kMaxYamlDepth + 1, size_t{400}, size_t{100'000}}) {
    const std::string text = "a: " + std::string(depth, '[') + std::string(depth, ']');
    const auto documents = parseYaml(text);
    ASSERT_FALSE(documents.ok()) << depth;
  }
  const std::string fine = std::string(kMaxYamlDepth - 2, '[') + "a" + std::string(kMaxYamlDepth - 2, ']');
  EXPECT_TRUE(parseYaml(fine).ok());
  // An alias counts with what it holds.
  EXPECT_FALSE(parseYaml("a: &a " + std::string(40, '[') + std::string(40, ']') +
                         "\nb: " + std::string(40, '[') + "*a" + std::string(40, ']') + "\n")
                   .ok());
}

TEST(Yaml, ManyValuesStopAtTheLimit) {
  std::string text;
  for (size_t i = 0; i <= kMaxYamlNodes; ++i) text += "- 1\n";
  EXPECT_FALSE(parseYaml(text).ok());
}

TEST(Utf8, OnlyWellFormedTextPasses) {
  for (const char* text :
       {"", "abc", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xef\xbf\xbf"}) {
    EXPECT_EQ(findInvalidUtf8(text), std::string_view::npos) << text;
  }
  for (const char* text : {"a\x80", "a\xc3", "a\xc0\x80", "a\xed\xa0\x80", "a\xf5\x80\x80\x80",
                           "a\xf4\x90\x80\x80", "a\xe0\x80\x80", "a\xf0\x80\x80\x80", "a\xff", "a\xe2\x82"}) {
    EXPECT_EQ(findInvalidUtf8(text), 1U) << text;
  }
}

TEST(RenderYaml, LooksAsKubectlPrints) {
  const auto documents = parseYaml(
      R"({"b": {"z": 1, "a": [], "e": {}}, "a": [{"name": "x", "args": ["-c", "a: b", "yes", "1.5"]}, [1, 2]],
      "text": "one\ntwo\n", "n": null, "t": true, "d": 5.0, "s": " x", "u": "ä", "keep": "a\n\n", "open": "a\nb"})");
  ASSERT_TRUE(documents.ok());
  EXPECT_EQ(renderYaml(documents->front().value), R"(a:
- args:
  - -c
  - "a: b"
  - "yes"
  - "1.5"
  name: x
- - 1
  - 2
b:
  a: []
  e: {}
  z: 1
d: 5.0
keep: |+
  a

"n": null
open: |-
  a
  b
s: " x"
t: true
text: |
  one
  two
u: "ä"
)");
}

TEST(RenderYaml, IsReadBackAsTheSameValue) {
  const json::value values[] = {
      json::parse(
          R"(["", "~", "null", "yes", "0644", "0x1", "1e3", ".5", "- a", "-", "?", ": ", "a:", "#a", "a #b", "&a", "*a", "!a",
                     "|", ">", "%a", "@a", "`a", "'a'", "\"a\"", "a\\b", "\t", "\n", "a\n", "\na", " a\nb", "a\n b\n", "<<", "=",
                     "---", "...", "--- a", "{}", "[a]", "a, b", "\u0001", "\u007f", "2001-01-01", "a\rb", "ä", "\u2028"])"),
      json::parse(R"({"": 1, "a: b": 2, "yes": 3, "1": 4, "<<": 5, "-": [[[]]], "x": [{"a": [{"b": {}}]}]})"),
      json::parse(R"([1, -1, 18446744073709551615, 1.5, 5.0, 1e30, -0.001, true, false, null])"),
      json::value("a\nb\n"),
      json::value("x"),
      json::value(1),
  };
  for (const auto& value : values) {
    const auto again = parseYaml(renderYaml(value));
    ASSERT_TRUE(again.ok()) << renderYaml(value) << again.error().text;
    ASSERT_EQ(again->size(), 1U);
    EXPECT_EQ(again->front().value, value) << renderYaml(value);
  }
}

}  // namespace
}  // namespace keelson::api
