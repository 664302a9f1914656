#include "api/client/object_table.h"

#include <gtest/gtest.h>

namespace keelson::api::client {
namespace {

Item item(const std::string& key, const std::string& version, const std::string& uid = "u") {
  return {key, uid, version, std::make_shared<const std::string>(key + "@" + version), ""};
}

std::string nameOf(const std::shared_ptr<const void>& object) {
  return object == nullptr ? "none" : *std::static_pointer_cast<const std::string>(object);
}

std::string text(const std::vector<ObjectChange>& changes) {
  std::string out;
  for (const auto& change : changes) out += nameOf(change.was) + ">" + nameOf(change.now) + " ";
  return out;
}

std::string set(ObjectTable& table, Item what) {
  std::vector<ObjectChange> changes;
  table.set(std::move(what), changes);
  return text(changes);
}

std::string removed(ObjectTable& table, Item what) {
  std::vector<ObjectChange> changes;
  table.remove(std::move(what), changes);
  return text(changes);
}

TEST(CompareVersions, ComparesNumbersOfAnyLength) {
  EXPECT_TRUE(isOlder("9", "10"));
  EXPECT_TRUE(isOlder("99999999999999999999999", "100000000000000000000000"));
  EXPECT_FALSE(isOlder("010", "10"));
  EXPECT_FALSE(isOlder("10", "10"));
  EXPECT_FALSE(isOlder("a", "10"));
  EXPECT_FALSE(isOlder("", "10"));
  EXPECT_TRUE(isOlder("0", "1"));
}

TEST(ObjectTable, TellsNewsOnce) {
  ObjectTable table;
  EXPECT_EQ(set(table, item("a", "5")), "none>a@5 ");
  EXPECT_EQ(set(table, item("a", "5")), "");
  EXPECT_EQ(set(table, item("a", "4")), "");
  EXPECT_EQ(set(table, item("a", "6")), "a@5>a@6 ");
  EXPECT_EQ(removed(table, item("a", "7")), "a@7>none ");
  EXPECT_EQ(removed(table, item("a", "7")), "");
}

TEST(ObjectTable, TellsANewObjectOfAnOldNameAsTwoChanges) {
  ObjectTable table;
  set(table, item("a", "5"));
  EXPECT_EQ(set(table, item("a", "8", "v")), "a@5>none none>a@8 ");
  EXPECT_EQ(removed(table, item("a", "7", "u")), "");
  EXPECT_EQ(set(table, item("a", "6", "u")), "");
}

TEST(ObjectTable, DoesNotBringBackTheDeleted) {
  ObjectTable table;
  set(table, item("a", "5"));
  removed(table, item("a", "8"));
  EXPECT_EQ(set(table, item("a", "7")), "");
  EXPECT_EQ(set(table, item("a", "8")), "");
  EXPECT_EQ(set(table, item("a", "9", "v")), "none>a@9 ");
}

TEST(ObjectTable, TellsDifferencesOfAList) {
  ObjectTable table;
  EXPECT_EQ(text(table.replace({item("a", "1"), item("b", "2"), item("c", "3")}, "10", ListKind::kCached)),
            "none>a@1 none>b@2 none>c@3 ");
  EXPECT_EQ(text(table.replace({item("b", "12"), item("c", "3"), item("d", "13")}, "20", ListKind::kCached)),
            "a@1>none b@2>b@12 none>d@13 ");
  EXPECT_EQ(text(table.replace({item("b", "12"), item("c", "3"), item("d", "13")}, "20", ListKind::kCached)),
            "");
}

TEST(ObjectTable, TrustsAnOlderListOnlyIfItIsConsistent) {
  ObjectTable table;
  table.replace({item("a", "15"), item("b", "16")}, "20", ListKind::kCached);
  EXPECT_EQ(text(table.replace({item("a", "5")}, "10", ListKind::kCached)), "");
  EXPECT_EQ(text(table.replace({item("a", "5")}, "10", ListKind::kConsistent)), "b@16>none a@15>a@5 ");
}

TEST(ObjectTable, KeepsTheLastGoodValue) {
  ObjectTable table;
  set(table, item("a", "5"));
  EXPECT_EQ(set(table, {"a", "u", "6", nullptr, "a: bad"}), "");
  EXPECT_EQ(table.decodeError(), "a: bad");
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(text(table.replace({{"a", "u", "7", nullptr, "a: still bad"}}, "9", ListKind::kConsistent)), "");
  EXPECT_EQ(table.decodeError(), "a: still bad");
  EXPECT_EQ(set(table, item("a", "8")), "a@5>a@8 ");
  EXPECT_EQ(table.decodeError(), "");
  EXPECT_EQ(set(table, {"a", "v", "9", nullptr, "bad"}), "a@8>none ");
  EXPECT_EQ(removed(table, {"a", "v", "10", nullptr, "bad"}), "");
  EXPECT_EQ(table.decodeError(), "");
}

}  // namespace
}  // namespace keelson::api::client
