// Small values: JSON text, digests, identities, guarded values.
#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

#include "base/guarded.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/units.h"

namespace keelson {
namespace {

TEST(ParseJson, ReadsOneValueWithBlanksAround) {
  const Result<json::value> value = parseJson(" {\"a\": [1, 2.5, \"\\u00e9\", null, true]}\n");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->at("a").as_array().size(), 5U);
}

TEST(ParseJson, NamesTheByteOfTheMistake) {
  struct Case {
    const char* text;
    const char* begin;
  };
  for (const Case& c : {Case{"{\"a\": x}", "JSON at byte 6: "}, Case{"{} {}", "JSON at byte 3: extra data"},
                        Case{"[1,2", "JSON at byte 4: "}, Case{"", "JSON at byte 0: "},
                        Case{"\"\xff\"", "JSON at byte 1: "}, Case{"[1,]", "JSON at byte 3: "}}) {
    const Result<json::value> value = parseJson(c.text);
    ASSERT_FALSE(value.ok()) << c.text;
    EXPECT_EQ(value.error().code, Code::kInvalidArgument);
    EXPECT_TRUE(value.error().text.starts_with(c.begin)) << value.error().text;
  }
}

TEST(ParseJson, BoundsDepthAndSize) {
  EXPECT_TRUE(parseJson(std::string(64, '[') + std::string(64, ']')).ok());
  EXPECT_FALSE(parseJson(std::string(65, '[') + std::string(65, ']')).ok());
  EXPECT_FALSE(parseJson(std::string(1'000'000, '[')).ok());
  EXPECT_TRUE(parseJson("[1]", 3).ok());
  EXPECT_FALSE(parseJson("[1] ", 3).ok());
}

TEST(PrettyJson, IndentsByTwoAndEndsWithALine) {
  const json::value value =
      parseJson(R"({"name":"a\"b","list":[1,{"x":null}],"none":[],"empty":{}})").value();
  EXPECT_EQ(prettyJson(value), R"({
  "name": "a\"b",
  "list": [
    1,
    {
      "x": null
    }
  ],
  "none": [],
  "empty": {}
}
)");
  EXPECT_EQ(parseJson(prettyJson(value)).value(), value);
}

TEST(Sha256, GivesTheKnownDigests) {
  EXPECT_EQ(sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, DoesNotCareHowTheBytesAreCut) {
  const std::string bytes(1'000'000, 'a');
  Sha256 digest;
  for (size_t at = 0; at < bytes.size(); at += 77'777)
    digest.update(std::string_view(bytes).substr(at, 77'777));
  Sha256 moved = std::move(digest);
  EXPECT_EQ(moved.finishHex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Ids, AreSixtyFourRandomHexDigits) {
  std::set<ContainerId> seen;
  for (int i = 0; i < 100; ++i) {
    const ContainerId id = makeContainerId();
    EXPECT_EQ(id.str().size(), 64U);
    EXPECT_EQ(id.str().find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_TRUE(seen.insert(id).second);
  }
  EXPECT_EQ(randomHex(4).size(), 8U);
  EXPECT_EQ(randomHex(0), "");
}

TEST(Amount, AddsAndCompares) {
  Bytes bytes{5};
  bytes += Bytes{7};
  EXPECT_EQ(bytes, Bytes{12});
  EXPECT_LT(Bytes{1}, bytes);
}

TEST(Guarded, LosesNoUpdateOfManyThreads) {
  Guarded<int> counter(0);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&counter] {
        for (int turn = 0; turn < 10'000; ++turn) counter.with([](int& value) { ++value; });
      });
    }
  }
  EXPECT_EQ(counter.copy(), 40'000);
  EXPECT_EQ(counter.exchange(1), 40'000);
  EXPECT_EQ(std::as_const(counter).with([](const int& value) { return value; }), 1);
}

}  // namespace
}  // namespace keelson
