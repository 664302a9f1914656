#include "base/result.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

#include "base/undo.h"
#include "base/unique_fd.h"

namespace keelson {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return makeError(Code::kInvalidArgument, "{} is odd", value);
  return value / 2;
}

Result<int> quarter(int value) {
  const int once = TRY(half(value));
  return TRY_CTX(half(once), "second half of {}", value);
}

Result<void> checkTwice(int value) {
  TRY(half(value));
  TRY_CTX(half(value / 2), "again");
  return {};
}

TEST(Result, HoldsAValueOrAnError) {
  const Result<int> good = 4;
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(*good, 4);
  const Result<int> bad = makeError(Code::kNotFound, "no {}", "pod");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().code, Code::kNotFound);
  EXPECT_EQ(bad.error().text, "no pod");
}

TEST(Result, CarriesMoveOnlyValues) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  const std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 7);
}

TEST(Result, CarriesAnErrorAsValueOfItsOwnKind) {
  Result<std::string> text = std::string("word");
  EXPECT_EQ(std::move(text).valueOr("other"), "word");
  Result<std::string> none = makeError(Code::kNotFound, "x");
  EXPECT_EQ(std::move(none).valueOr("other"), "other");
}

TEST(Try, GivesTheValueOrReturnsTheError) {
  EXPECT_EQ(quarter(12).value(), 3);
  EXPECT_EQ(quarter(7).error().text, "7 is odd");
  EXPECT_TRUE(checkTwice(8).ok());
  EXPECT_EQ(checkTwice(3).error().text, "3 is odd");
}

TEST(Try, PutsTheContextInFrontAndKeepsTheCode) {
  const Result<int> result = quarter(6);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().text, "second half of 6: 3 is odd");
  EXPECT_EQ(result.error().code, Code::kInvalidArgument);
}

TEST(ErrnoError, NamesTheErrnoAndMapsItToACode) {
  struct Case {
    int err;
    Code code;
  };
  for (const Case& c :
       {Case{ENOENT, Code::kNotFound}, Case{ESRCH, Code::kNotFound}, Case{EEXIST, Code::kAlreadyExists},
        Case{EPERM, Code::kPermissionDenied}, Case{EINVAL, Code::kInvalidArgument},
        Case{ELOOP, Code::kInvalidArgument}, Case{ENOSPC, Code::kResourceExhausted},
        Case{EAGAIN, Code::kResourceExhausted}, Case{ETIMEDOUT, Code::kDeadlineExceeded},
        Case{ECANCELED, Code::kCancelled}, Case{ECONNREFUSED, Code::kUnavailable},
        Case{ENOSYS, Code::kUnsupported}, Case{EBUSY, Code::kFailedPrecondition},
        Case{EBADMSG, Code::kDataLoss}, Case{EIO, Code::kInternal}}) {
    const Error error = errnoError(c.err, "do it");
    EXPECT_EQ(error.code, c.code) << error.text;
    EXPECT_EQ(error.sys, c.err);
  }
  EXPECT_EQ(errnoError(EPERM, "mount proc").text, "mount proc: EPERM (Operation not permitted)");
  EXPECT_EQ(errnoError(99999, "odd").text, "odd: errno 99999");
}

TEST(ErrnoError, TakesTheCurrentErrno) {
  errno = EACCES;
  const Error error = sysError("open {}", "/x");
  EXPECT_EQ(error.sys, EACCES);
  EXPECT_EQ(error.text, "open /x: EACCES (Permission denied)");
}

TEST(ErrorList, IsOkWhenEmptyAndJoinsWhatItHas) {
  ErrorList list;
  EXPECT_TRUE(list.result().ok());
  list.add(Result<void>());
  EXPECT_TRUE(list.empty());
  list.add(makeError(Code::kNotFound, "first"));
  ErrorList more;
  more.add(makeError(Code::kInternal, "second"));
  list.add(std::move(more));
  const Result<void> joined = list.result();
  ASSERT_FALSE(joined.ok());
  EXPECT_EQ(joined.error().code, Code::kNotFound);
  EXPECT_EQ(joined.error().text, "first; second");
}

TEST(Undo, RunsInReverseUnlessCommitted) {
  std::string order;
  {
    Undo undo;
    undo.push([&] { order += 'a'; });
    undo.push([&] { order += 'b'; });
  }
  EXPECT_EQ(order, "ba");
  {
    Undo undo;
    undo.push([&] { order += 'c'; });
    undo.commit();
  }
  EXPECT_EQ(order, "ba");
}

TEST(UniqueFd, ClosesOnceAndMoves) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  UniqueFd moved(std::move(writer));
  EXPECT_FALSE(writer.valid());
  moved = UniqueFd();
  char byte = 0;
  EXPECT_EQ(::read(reader.get(), &byte, 1), 0) << "the write end should be closed";
  const int number = reader.release();
  reader.reset();
  EXPECT_GE(::fcntl(number, F_GETFD), 0) << "a released descriptor stays open";
  ::close(number);
}

}  // namespace
}  // namespace keelson
