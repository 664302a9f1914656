#include "api/client/watch_decode.h"

#include <gtest/gtest.h>

namespace keelson::api::client {
namespace {

Result<std::shared_ptr<const void>> decodeAny(const json::value& value) {
  if (value.as_object().contains("bad")) return makeError(Code::kInvalidArgument, "bad");
  return std::shared_ptr<const void>(std::make_shared<const int>(1));
}

TEST(DecodePage, ReadsItemsVersionAndContinue) {
  const auto page = decodePage(json::parse(R"({"metadata":{"resourceVersion":"7","continue":"c"},"items":[
        {"metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"5"}},
        {"metadata":{"name":"b"},"bad":1}, {"metadata":{}}, 7]})"),
                               &decodeAny);
  ASSERT_TRUE(page.ok()) << page.error().text;
  EXPECT_EQ(page->resource_version, "7");
  EXPECT_EQ(page->continue_token, "c");
  ASSERT_EQ(page->items.size(), 2U);
  EXPECT_EQ(page->items[0].key, "n/a");
  EXPECT_NE(page->items[0].object, nullptr);
  EXPECT_EQ(page->items[1].key, "b");
  EXPECT_EQ(page->items[1].error, "b: bad");
}

TEST(DecodePage, RefusesWhatIsNoList) {
  for (const char* text :
       {"null", "[]", "{}", R"({"metadata":{"resourceVersion":"1"}})",
        R"({"metadata":{"resourceVersion":"1"},"items":{}})", R"({"metadata":{},"items":[]})"}) {
    EXPECT_FALSE(decodePage(json::parse(text), &decodeAny).ok()) << text;
  }
  EXPECT_TRUE(
      decodePage(json::parse(R"({"metadata":{"resourceVersion":"1"},"items":null})"), &decodeAny).ok());
}

TEST(DecodeWatch, ReadsEventsAndBookmarks) {
  const WatchBatch batch = decodeWatch(
      R"({"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"9"}}}
{"type":"DELETED","object":{"metadata":{"name":"b","resourceVersion":"12"}}}

{"type":"MODIFIED","object":{"metadata":{"name":"c","resourceVersion":"11"}}}
{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"20"}}}
{"type":"NEWER-KIND","object":{}}
)",
      &decodeAny);
  EXPECT_FALSE(batch.error);
  EXPECT_EQ(batch.frames, 5U);
  ASSERT_EQ(batch.events.size(), 3U);
  EXPECT_EQ(batch.events[1].type, WatchEvent::Type::kDeleted);
  EXPECT_EQ(batch.resource_version, "20");
}

TEST(DecodeWatch, StopsAtAnError) {
  const WatchBatch batch = decodeWatch(
      R"({"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"9"}}}
{"type":"ERROR","object":{"code":410,"reason":"Expired","message":"old"}}
{"type":"ADDED","object":{"metadata":{"name":"b","resourceVersion":"10"}}}
)",
      &decodeAny);
  ASSERT_TRUE(batch.error);
  EXPECT_EQ(batch.error->code, Code::kDataLoss);
  EXPECT_EQ(batch.events.size(), 1U);
  for (const char* text : {"{\n", "7\n", "{}\n", "<html>\n"}) {
    EXPECT_TRUE(decodeWatch(text, &decodeAny).error) << text;
  }
}

}  // namespace
}  // namespace keelson::api::client
