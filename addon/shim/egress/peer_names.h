#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "../names/dns_message.h"

namespace nacelle::egress {

// What the server of names knows of one container's networks (names/member_answers.h), asked over a socket of UDP in the container's own
// namespace. There its programs may answer too, or in the server's place: so they deceive themselves alone, and any bytes may come.
class PeerNames {
 public:
  using Told = std::function<void(const std::string& answer)>;
  explicit PeerNames(Loop& loop) : loop_(loop) {}
  ~PeerNames() { *is_alive_ = false; }
  PeerNames(const PeerNames&) = delete;
  PeerNames& operator=(const PeerNames&) = delete;
  // Takes a connected socket of UDP. 0 or -errno.
  int start(unique_fd socket);
  bool is_there() const { return static_cast<bool>(socket_); }

  // `told` gets the answer, or '' when there is none within a second, or at once where nobody serves. Never before this call returns, and
  // not after the object is gone.
  void ask(std::string_view message, const names::Query& query, Told told);
  // Those that ask hear nothing more.
  void forget() { waiting_.clear(); }

 private:
  struct Waiting {
    std::string message;
    names::Query query;
    uint64_t ends_at = 0;
    Told told;
  };
  void ready();
  void take(std::string_view answer);
  void answer(uint64_t number, const std::string& with);
  void answer_all();
  void watch_time();

  Loop& loop_;
  unique_fd socket_;
  Watch watch_;
  Timer timer_;
  uint64_t last_ = 0;
  std::map<uint64_t, Waiting> waiting_;  // the oldest first; the id of each is the end of its number
  const std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

// The query as it goes there: of addresses with room for as many as there are, since who asks over UDP may be told that there are more.
std::string roomy_query(std::string_view message, const names::Query& query);

}  // namespace nacelle::egress
