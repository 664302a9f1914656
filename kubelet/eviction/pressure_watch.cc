#include "kubelet/eviction/pressure_watch.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "kernel/pressure.h"

namespace keelson::kubelet::eviction {

// Asio itself watches the descriptor, not Loop::onReadable: asking a trigger takes its event back, which an
// epoll inside of another loses, and besides EPOLLPRI it always says readable.
class PressureWatch::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(Loop& loop, UniqueFd fd, std::function<void()> stalled)
      : descriptor_(loop.context(), fd.release()), stalled_(std::move(stalled)) {}

  void wait() {
    using boost::asio::posix::descriptor_base;
    descriptor_.async_wait(descriptor_base::wait_error,
                           [weak = weak_from_this()](const boost::system::error_code& error) {
                             const auto self = weak.lock();
                             if (!self || error) return;
                             self->wait();
                             self->stalled_();
                           });
  }
  void close() {
    boost::system::error_code ignored;
    descriptor_.close(ignored);
  }

 private:
  boost::asio::posix::stream_descriptor descriptor_;
  const std::function<void()> stalled_;
};

Result<PressureWatch> PressureWatch::open(Loop& loop, const std::string& path,
                                          std::function<void()> stalled) {
  auto fd = kernel::openPressureTrigger(path, kernel::Stall::kSome, kStall, kWindow);
  if (!fd && fd.error().code == Code::kInvalidArgument) {  // without CAP_SYS_RESOURCE
    fd = kernel::openPressureTrigger(path, kernel::Stall::kSome, kStall * 2, kWindow * 2);
  }
  if (!fd) return std::move(fd).error();
  auto impl = std::make_shared<Impl>(loop, std::move(fd).value(), std::move(stalled));
  impl->wait();
  return PressureWatch(std::move(impl));
}

PressureWatch::PressureWatch(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
PressureWatch::PressureWatch(PressureWatch&&) noexcept = default;
PressureWatch& PressureWatch::operator=(PressureWatch&& other) noexcept {
  if (impl_) impl_->close();
  impl_ = std::move(other.impl_);
  return *this;
}
PressureWatch::~PressureWatch() {
  if (impl_) impl_->close();
}

}  // namespace keelson::kubelet::eviction
