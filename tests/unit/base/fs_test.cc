#include "base/fs.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/fakes/temp_dir.h"

namespace keelson {
namespace {

namespace stdfs = std::filesystem;

void put(const std::string& path, std::string_view content = "x") {
  std::ofstream(path) << content;
  ASSERT_TRUE(stdfs::exists(path)) << path;
}

Code codeOf(const auto& result) { return result.ok() ? Code::kInternal : result.error().code; }

mode_t modeOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

class Fs : public ::testing::Test {
 protected:
  TempDir tmp_;
  DirFd dir_ = DirFd::open(tmp_.path()).value();
};

TEST_F(Fs, OpenTellsAMissingDirectoryFromAFile) {
  put(tmp_ / "file");
  EXPECT_EQ(codeOf(DirFd::open(tmp_ / "none")), Code::kNotFound);
  EXPECT_EQ(codeOf(DirFd::open(tmp_ / "file")), Code::kInvalidArgument);
  EXPECT_NE(DirFd::open(tmp_ / "none").error().text.find(tmp_ / "none"), std::string::npos);
}

TEST_F(Fs, DescriptorsAreCloseOnExec) {
  const DirFd copy = dir_.duplicate().value();
  const UniqueFd file = dir_.openBeneath("f", O_CREAT | O_WRONLY, 0600).value();
  const UniqueFd mem = sealedMemfd("m", "x").value();
  for (const int fd : {dir_.get(), copy.get(), file.get(), mem.get()}) {
    EXPECT_TRUE(::fcntl(fd, F_GETFD) & FD_CLOEXEC);
  }
}

TEST_F(Fs, EnsureMakesMissingDirectoriesWithExactlyTheModeAndMayRunTwice) {
  const mode_t before = ::umask(0077);
  EXPECT_TRUE(DirFd::ensure(tmp_ / "a/b//c/", 0751).ok());
  ::umask(before);
  EXPECT_EQ(modeOf(tmp_ / "a"), 0751U);
  EXPECT_EQ(modeOf(tmp_ / "a/b/c"), 0751U);
  EXPECT_TRUE(DirFd::ensure(tmp_ / "a/b/c", 0700).ok());
  EXPECT_EQ(modeOf(tmp_ / "a/b/c"), 0751U) << "what exists keeps its mode";
  put(tmp_ / "file");
  EXPECT_FALSE(DirFd::ensure(tmp_ / "file/below").ok());
  EXPECT_FALSE(DirFd::ensure("").ok());
}

TEST_F(Fs, EnsureGoesThroughLinksOfTheHost) {
  ASSERT_TRUE(DirFd::ensure(tmp_ / "real").ok());
  stdfs::create_symlink("real", tmp_ / "link");
  EXPECT_TRUE(DirFd::ensure(tmp_ / "link/sub").ok());
  EXPECT_TRUE(stdfs::is_directory(tmp_ / "real/sub"));
}

TEST_F(Fs, EnsureDirTakesOneNameAndNoLink) {
  EXPECT_TRUE(dir_.ensureDir("one", 0711).ok());
  EXPECT_TRUE(dir_.ensureDir("one").ok());
  EXPECT_EQ(modeOf(tmp_ / "one"), 0711U);
  stdfs::create_symlink("/", tmp_ / "link");
  EXPECT_FALSE(dir_.ensureDir("link").ok());
  for (const char* name : {"", ".", "..", "a/b", "/a"}) {
    EXPECT_EQ(codeOf(dir_.ensureDir(name)), Code::kInvalidArgument) << name;
  }
}

TEST_F(Fs, OpenBeneathRefusesEveryWayOut) {
  ASSERT_TRUE(DirFd::ensure(tmp_ / "in/sub").ok());
  put(tmp_ / "secret", "secret");
  put(tmp_ / "in/file", "inside");
  stdfs::create_symlink("/etc/passwd", tmp_ / "in/absolute");
  stdfs::create_symlink("../secret", tmp_ / "in/relative");
  stdfs::create_symlink("file", tmp_ / "in/harmless");
  stdfs::create_symlink("..", tmp_ / "in/sub/up");
  stdfs::create_symlink("/proc/self/fd", tmp_ / "in/magic");
  const DirFd in = dir_.openDir("in").value();
  for (const char* path : {"../secret", "/etc/passwd", "absolute", "relative", "harmless", "sub/up/file",
                           "sub/../../secret", "magic/0", ".."}) {
    EXPECT_EQ(codeOf(in.openBeneath(path, O_RDONLY)), Code::kInvalidArgument) << path;
    EXPECT_FALSE(in.readFile(path, 100).ok()) << path;
  }
  EXPECT_TRUE(in.openBeneath("sub/../file", O_RDONLY).ok());
  EXPECT_EQ(in.readFile("file", 100).value(), "inside");
}

TEST_F(Fs, InsideRootResolvesLinksAsIfTheDirectoryWereTheRoot) {
  ASSERT_TRUE(DirFd::ensure(tmp_ / "root/etc").ok());
  put(tmp_ / "root/etc/passwd", "inner");
  stdfs::create_symlink("/etc/passwd", tmp_ / "root/absolute");
  stdfs::create_symlink("../../../../etc/passwd", tmp_ / "root/climbing");
  const DirFd root = dir_.openDir("root").value();
  for (const char* path : {"absolute", "climbing", "/etc/passwd", "../../etc/passwd"}) {
    const UniqueFd fd = root.openBeneath(path, O_RDONLY, 0, Symlinks::kInsideRoot).value();
    EXPECT_EQ(readFd(fd.get(), 100).value(), "inner") << path;
  }
  stdfs::create_symlink("/missing", tmp_ / "root/dangling");
  EXPECT_EQ(codeOf(root.openBeneath("dangling", O_RDONLY, 0, Symlinks::kInsideRoot)), Code::kNotFound);
  stdfs::create_symlink("loop", tmp_ / "root/loop");
  EXPECT_EQ(codeOf(root.openBeneath("loop", O_RDONLY, 0, Symlinks::kInsideRoot)), Code::kInvalidArgument);
}

TEST_F(Fs, ReadFileHoldsItsLimitExactly) {
  put(tmp_ / "file", std::string(50'000, 'a'));
  EXPECT_EQ(dir_.readFile("file", 50'000).value().size(), 50'000U);
  EXPECT_EQ(codeOf(dir_.readFile("file", 49'999)), Code::kResourceExhausted);
  EXPECT_EQ(codeOf(readFile(tmp_ / "file", 10)), Code::kResourceExhausted);
  EXPECT_EQ(codeOf(readFile("/dev/zero", 1'000'000)), Code::kResourceExhausted);
  put(tmp_ / "empty", "");
  EXPECT_EQ(dir_.readFile("empty", 0).value(), "");
  EXPECT_EQ(codeOf(readFile(tmp_ / "none", 10)), Code::kNotFound);
}

TEST_F(Fs, ReadFileReadsProcFilesThatSayTheyAreEmpty) {
  EXPECT_NE(readFile("/proc/self/status", 1 << 20).value().find("Name:"), std::string::npos);
}

TEST_F(Fs, ReadFileDoesNotHangOnAFifo) {
  ASSERT_EQ(::mkfifo((tmp_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(codeOf(dir_.readFile("fifo", 10)), Code::kInvalidArgument);
  EXPECT_EQ(codeOf(dir_.readFile(".", 10)), Code::kInvalidArgument);
}

TEST_F(Fs, WriteFileAtomicReplacesTheWholeFileWithExactlyTheMode) {
  const mode_t before = ::umask(0077);
  EXPECT_TRUE(dir_.writeFileAtomic("f", "first", 0644).ok());
  ::umask(before);
  EXPECT_EQ(modeOf(tmp_ / "f"), 0644U);
  EXPECT_TRUE(dir_.writeFileAtomic("f", "second").ok());
  EXPECT_EQ(modeOf(tmp_ / "f"), 0600U);
  EXPECT_EQ(dir_.readFile("f", 100).value(), "second");
  EXPECT_EQ(dir_.list().value().size(), 1U) << "nothing is left beside it";
}

TEST_F(Fs, WriteFileAtomicReplacesALinkInsteadOfFollowingIt) {
  put(tmp_ / "victim", "untouched");
  stdfs::create_symlink("victim", tmp_ / "f");
  EXPECT_TRUE(dir_.writeFileAtomic("f", "mine").ok());
  EXPECT_EQ(readFile(tmp_ / "victim", 100).value(), "untouched");
  EXPECT_FALSE(stdfs::is_symlink(tmp_ / "f"));
}

TEST_F(Fs, WriteFileAtomicLeavesNothingWhenItFails) {
  ASSERT_TRUE(DirFd::ensure(tmp_ / "f").ok());
  EXPECT_FALSE(dir_.writeFileAtomic("f", "text").ok());
  EXPECT_EQ(dir_.list().value().size(), 1U);
  for (const char* name : {"", "..", "a/b"}) EXPECT_FALSE(dir_.writeFileAtomic(name, "x").ok());
  EXPECT_FALSE(writeFileAtomic(tmp_ / "none/f", "x").ok());
}

TEST_F(Fs, WriteFileAtomicByPathFindsTheDirectory) {
  EXPECT_TRUE(writeFileAtomic(tmp_ / "f", "text", 0640).ok());
  EXPECT_EQ(readFile(tmp_ / "f", 100).value(), "text");
  EXPECT_EQ(modeOf(tmp_ / "f"), 0640U);
}

TEST_F(Fs, ListIsSortedTypedAndBounded) {
  put(tmp_ / "b");
  put(tmp_ / ".hidden");
  ASSERT_TRUE(DirFd::ensure(tmp_ / "a").ok());
  stdfs::create_symlink("b", tmp_ / "c");
  const std::vector<DirEntry> entries = dir_.list().value();
  ASSERT_EQ(entries.size(), 4U);
  EXPECT_EQ(entries[0].name, ".hidden");
  EXPECT_EQ(entries[1].name, "a");
  EXPECT_EQ(entries[1].type, DT_DIR);
  EXPECT_EQ(entries[2].type, DT_REG);
  EXPECT_EQ(entries[3].type, DT_LNK);
  EXPECT_EQ(dir_.list().value().size(), 4U) << "listing twice starts at the beginning";
  EXPECT_TRUE(dir_.list(4).ok());
  EXPECT_EQ(codeOf(dir_.list(3)), Code::kResourceExhausted);
}

TEST_F(Fs, RemoveFileIsFineIfAbsentAndRemovesNoDirectory) {
  put(tmp_ / "f");
  EXPECT_TRUE(dir_.removeFile("f").ok());
  EXPECT_TRUE(dir_.removeFile("f").ok());
  ASSERT_TRUE(DirFd::ensure(tmp_ / "d").ok());
  EXPECT_FALSE(dir_.removeFile("d").ok());
}

TEST_F(Fs, WriteAllReportsAClosedPipe) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd writer(ends[1]);
  ::close(ends[0]);
  std::thread([&] {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    EXPECT_EQ(codeOf(writeAll(writer.get(), "x")), Code::kUnavailable);
    const timespec now{};
    ::sigtimedwait(&set, nullptr, &now);
  }).join();
}

TEST(SealedMemfd, HoldsItsContentAndCannotChange) {
  const UniqueFd fd = sealedMemfd("plan", "content").value();
  EXPECT_EQ(::lseek(fd.get(), 0, SEEK_CUR), 0);
  EXPECT_EQ(readFd(fd.get(), 100).value(), "content");
  EXPECT_EQ(::pwrite(fd.get(), "x", 1, 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(::ftruncate(fd.get(), 0), -1);
  EXPECT_EQ(::ftruncate(fd.get(), 100), -1);
  EXPECT_EQ(::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0), MAP_FAILED);
  EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE), -1) << "the seals are sealed";
  EXPECT_FALSE(sealedMemfd(std::string(300, 'n'), "x").ok());
}

TEST(SealedMemfd, CanBeExecuted) {
  const UniqueFd fd = sealedMemfd("true", readFile("/bin/true", 10 << 20).value()).value();
  const pid_t child = ::fork();
  if (child == 0) {
    char name[] = "true";
    char* const argv[] = {name, nullptr};
    char* const env[] = {nullptr};
    ::fexecve(fd.get(), argv, env);
    ::_exit(127);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace keelson
