// The server's side of one SPDY connection: streams that a client opens, and who may send when.
#pragma once

#include <map>
#include <string>

#include "kubelet/server/http.h"
#include "kubelet/server/spdy_frames.h"

namespace keelson::kubelet::server::spdy {

// Talks over a SPDY upgrade or, tunnelled, over binary WebSocket messages. What breaks the protocol ends the
// connection. Home: loop. Owned by the connection.
class Session : public Conversation {
 public:
  void start(Channel& channel) override;
  void onMessage(std::string_view message) override;

  static constexpr size_t kMaxStreams = 2000;  // open at a time

 protected:
  // ---- what a derived class does with streams ----
  virtual void onStream(uint32_t stream, const Headers& headers) = 0;  // calls accept() or refuse()
  virtual void onData(uint32_t stream, std::string bytes, bool fin) = 0;
  virtual void onReset(uint32_t stream) = 0;
  // False: nothing is read from the client until readOn().
  virtual bool wantsMore() const = 0;

  void accept(uint32_t stream);
  void refuse(uint32_t stream);
  // `sent` runs when it left; at once when the stream is closed on our side or was reset, where nothing is
  // sent.
  void send(uint32_t stream, std::string_view bytes, bool fin, std::function<void()> sent);
  void reset(uint32_t stream);
  void readOn();
  // Says that this is the end, and closes after what is queued.
  void finish();

 private:
  void dispatch(Frame frame);
  void onSyn(SynStream syn);
  struct Ends {
    bool ours = false, theirs = false;
  };

  Channel* channel_ = nullptr;
  Reader reader_;
  Writer writer_;
  std::map<uint32_t, Ends> streams_;
  uint32_t last_ = 0;
  bool reading_ = false;
  bool finished_ = false;
};

}  // namespace keelson::kubelet::server::spdy
