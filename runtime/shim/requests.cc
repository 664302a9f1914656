// The requests of shim_protocol.h.
#include "runtime/shim/shim.h"
#include "runtime/wire.h"

namespace keelson::runtime::shim {
namespace {

// Decodes the body and calls `act`, whose error or success becomes the answer.
template <class Body, class Act>
void answerWith(Control& control, const Control::Request& request, const Message& message, Act&& act) {
  auto body = decodeWire<Body>(message.body);
  if (!body) return control.fail(request, body.error());
  auto done = act(*body);
  if (!done) return control.fail(request, done.error());
  control.answer(request, MessageKind::kOk);
}

}  // namespace

void Shim::handle(const Control::Request& request, Message message) {
  switch (message.kind) {
    case MessageKind::kHello: {
      if (message.descriptors.size() != 1)
        return control_.fail(request, makeError(Code::kInvalidArgument, "hello without an eventfd"));
      control_.setEventfd(std::move(message.descriptors[0]));
      Hello hello;
      hello.build = KEELSON_VERSION;
      const int netns[] = {sandbox_.netns()};
      return control_.answer(request, MessageKind::kHello, encodeWire(hello), netns);
    }
    case MessageKind::kGetState:
      return control_.answer(request, MessageKind::kState, encodeWire(state()), {}, true);
    case MessageKind::kPutDescriptors:
      return answerWith<PutDescriptors>(control_, request, message, [&](const PutDescriptors& body) {
        return control_.hold(body.first_token, std::move(message.descriptors));
      });
    case MessageKind::kEnsureTmpfs: {
      auto body = decodeWire<EnsureTmpfs>(message.body);
      auto directory = body ? sandbox_.ensureTmpfs(*body) : Result<UniqueFd>(body.error());
      if (!directory) return control_.fail(request, directory.error());
      const int descriptors[] = {directory->get()};
      return control_.answer(request, MessageKind::kOk, {}, descriptors);
    }
    case MessageKind::kStartContainer:
      return onStart(request, std::move(message));
    case MessageKind::kStopContainer:
      return answerWith<StopContainer>(control_, request, message,
                                       [&](const StopContainer& body) { return containers_.stop(body); });
    case MessageKind::kRemoveContainer:
      return answerWith<ContainerRef>(control_, request, message,
                                      [&](const ContainerRef& body) { return containers_.remove(body.id); });
    case MessageKind::kExec:
      return onExec(request, std::move(message));
    case MessageKind::kShutdown:
      control_.answer(request, MessageKind::kOk);
      return shutDown();
    case MessageKind::kResizeTty:
      return answerWith<ResizeTty>(control_, request, message,
                                   [&](const ResizeTty& body) { return containers_.resize(body); });
    default:
      return control_.fail(
          request, makeError(Code::kUnsupported, "request of kind {}", static_cast<uint32_t>(message.kind)));
  }
}

void Shim::onStart(const Control::Request& request, Message message) {
  auto body = decodeWire<StartContainer>(message.body);
  if (!body) return control_.fail(request, body.error());
  auto mounts = control_.takeHeld(body->first_token, body->token_count);
  if (shutdown_deadline_)
    return control_.fail(request, makeError(Code::kFailedPrecondition, "the shim shuts down"));
  control_.pause();
  containers_.start(std::move(*body), std::move(message.descriptors), std::move(mounts),
                    [this, request](Result<ContainerRecord> record) {
                      if (!record) {
                        control_.fail(request, record.error());
                      } else {
                        control_.answer(request, MessageKind::kStarted,
                                        encodeWire(Started{std::move(*record)}));
                      }
                      control_.resume(request);
                    });
}

void Shim::onExec(const Control::Request& request, Message message) {
  auto body = decodeWire<Exec>(message.body);
  if (!body) return control_.fail(request, body.error());
  if (shutdown_deadline_)
    return control_.fail(request, makeError(Code::kFailedPrecondition, "the shim shuts down"));
  control_.pause();
  execs_.start(std::move(*body), std::move(message.descriptors), [this, request](Result<UniqueFd> terminal) {
    if (!terminal) {
      control_.fail(request, terminal.error());
    } else {
      const int descriptors[] = {terminal->get()};
      const std::span<const int> sent(descriptors, terminal->valid() ? 1 : 0);
      control_.answer(request, MessageKind::kExecStarted, {}, sent);
    }
    control_.resume(request);
  });
}

}  // namespace keelson::runtime::shim
