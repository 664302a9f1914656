#include "api/quantity.h"

#include <gtest/gtest.h>

#include <limits>

namespace keelson::api {
namespace {

struct Case {
  std::string text;
  int64_t value;
  int64_t milli;
  std::string canonical;
};

TEST(Quantity, ReadsWhatKubernetesReads) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  const Case cases[] = {
      {"0", 0, 0, "0"},
      {"1", 1, 1000, "1"},
      {"+1", 1, 1000, "1"},
      {"100m", 1, 100, "100m"},
      {"0.1", 1, 100, "100m"},
      {".5", 1, 500, "500m"},
      {"5.", 5, 5000, "5"},
      {"1.5", 2, 1500, "1500m"},
      {"1000m", 1, 1000, "1"},
      {"1500m", 2, 1500, "1500m"},
      {"16Mi", 16 << 20, int64_t{16 << 20} * 1000, "16Mi"},
      {"1024Mi", 1 << 30, int64_t{1 << 30} * 1000, "1Gi"},
      {"1.5Gi", 1536 << 20, int64_t{1536 << 20} * 1000, "1536Mi"},
      {"0.5Ki", 512, 512000, "512"},
      {"1023", 1023, 1023000, "1023"},
      {"1Ki", 1024, 1024000, "1Ki"},
      {"1e3", 1000, 1000000, "1e3"},
      {"1E3", 1000, 1000000, "1e3"},
      {"12e-3", 1, 12, "12e-3"},
      {"1.5e3", 1500, 1500000, "1500"},
      {"1k", 1000, 1000000, "1k"},
      {"1000k", 1000000, 1000000000, "1M"},
      {"1E", 1000000000000000000, kMax, "1E"},
      {"1n", 1, 1, "1m"},
      {"1u", 1, 1, "1m"},
      {"999u", 1, 1, "1m"},
      {"1001u", 1, 2, "2m"},
      {"0.0005", 1, 1, "1m"},
      {"000123", 123, 123000, "123"},
      {"-1", -1, -1000, "-1"},
      {"-0.5", -1, -500, "-500m"},
      {"-1Gi", -(1 << 30), -int64_t{1 << 30} * 1000, "-1Gi"},
      {"128974848", 128974848, 128974848000, "128974848"},
      {"129M", 129000000, 129000000000, "129M"},
      {"9223372036854775807", kMax, kMax, "9223372036854775807"},
      {"9223372036854775808", kMax, kMax, "9223372036854775807"},
      {"1e100", kMax, kMax, "9223372036854775807"},
      {"1e999999999999", kMax, kMax, "9223372036854775807"},
      {"1e-999999999999", 1, 1, "1e-3"},
      {"100Ei", kMax, kMax, "9223372036854775807"},
      {"0e100", 0, 0, "0"},
      {"0.000000000000000000001Ki", 1, 1, "1m"},
  };
  for (const auto& one : cases) {
    const auto quantity = Quantity::parse(one.text);
    ASSERT_TRUE(quantity.ok()) << one.text << ": " << quantity.error().text;
    EXPECT_EQ(quantity->value(), one.value) << one.text;
    EXPECT_EQ(quantity->milliValue(), one.milli) << one.text;
    EXPECT_EQ(quantity->str(), one.canonical) << one.text;
    const auto again = Quantity::parse(quantity->str());
    ASSERT_TRUE(again.ok()) << one.canonical;
    EXPECT_EQ(*again, *quantity) << one.text;
  }
}

TEST(Quantity, RefusesWhatIsNone) {
  for (const char* text :
       {"",    " 1", "1 ", "m",   "Ki",    "-",    "+",   ".",   "1.2.3", "1KB",   "1kb",  "1mi", "1K",
        "1ki", "e3", "1e", "1e+", "1e3.5", "0x10", "--1", "+-1", "1,5",   "1e3e3", "1Mib", "ten", "1\n"}) {
    const auto quantity = Quantity::parse(text);
    ASSERT_FALSE(quantity.ok()) << text;
    EXPECT_EQ(quantity.error().code, Code::kInvalidArgument);
    EXPECT_NE(quantity.error().text.find("quantity \""), std::string::npos) << quantity.error().text;
  }
  EXPECT_FALSE(Quantity::parse(std::string(1000, '1')).ok());
}

TEST(Quantity, ComparesByAmountNotByText) {
  EXPECT_EQ(*Quantity::parse("1Gi"), *Quantity::parse("1073741824"));
  EXPECT_LT(*Quantity::parse("999m"), *Quantity::parse("1"));
  EXPECT_GT(*Quantity::parse("1Gi"), *Quantity::parse("1G"));
  EXPECT_LT(*Quantity::parse("-1"), Quantity());
  EXPECT_TRUE(Quantity::parse("0Mi")->isZero());
}

TEST(Quantity, IsMadeFromNumbers) {
  EXPECT_EQ(Quantity::ofMilli(1500).str(), "1500m");
  EXPECT_EQ(Quantity::ofMilli(2000).str(), "2");
  EXPECT_EQ(Quantity::of(110).str(), "110");
  EXPECT_EQ(Quantity::ofBytes(int64_t{8} << 30).str(), "8Gi");
  EXPECT_EQ(Quantity::ofBytes(1000).str(), "1k");
  EXPECT_EQ(Quantity().str(), "0");
}

TEST(Quantity, AddsInTheStyleOfTheFirst) {
  EXPECT_EQ((*Quantity::parse("64Mi") + *Quantity::parse("64Mi")).str(), "128Mi");
  EXPECT_EQ((Quantity() + *Quantity::parse("64Mi")).str(), "64Mi");
  EXPECT_EQ((*Quantity::parse("250m") + *Quantity::parse("750m")).str(), "1");
  const auto most = *Quantity::parse("9223372036854775807");
  EXPECT_EQ((most + most).value(), std::numeric_limits<int64_t>::max());
}

}  // namespace
}  // namespace keelson::api
