#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../kernel/loop.h"
#include "dns_message.h"
#include "resolv_conf.h"
#include "upstream.h"

namespace nacelle::names {

// A query that the host's servers are asked: the first of them, after a second the next too, and so on in turn. A server that is not there,
// or answers SERVFAIL or REFUSED, makes way at once. The first answer of any of them is the answer.
class Forwarded {
 public:
  using Done = std::function<void(std::string answer)>;
  // `done` gets the answer; what the last server said when all have failed; or '' when none has said a thing in 4 s.
  Forwarded(Loop& loop, std::shared_ptr<const std::vector<NameServer>> servers, std::string message, Query query, bool is_tcp, Done done);
  void begin();
  // Ends it without an answer.
  void give_up() { finish(std::string()); }

 private:
  void ask_next();
  void take(size_t index, std::string answer);
  void finish(std::string answer);

  Loop& loop_;
  const std::shared_ptr<const std::vector<NameServer>> servers_;
  const std::string message_;
  const Query query_;
  Done done_;
  std::vector<std::unique_ptr<Upstream>> upstreams_;
  size_t turn_ = 0;
  uint64_t ends_at_ = 0;
  Timer timer_;
  std::string last_failure_;
};

}  // namespace nacelle::names
