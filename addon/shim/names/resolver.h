#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "answer.h"
#include "forwarded.h"
#include "members_folder.h"
#include "resolv_conf.h"
#include "shares.h"

namespace nacelle::names {

// Answers queries: from the members' files at once, for other names by the host's servers.
class Resolver {
 public:
  // At most `most` queries are with the host's servers at a time.
  Resolver(Loop& loop, std::string resolv_conf, size_t most) : loop_(loop), resolv_conf_(std::move(resolv_conf)), shares_(most) {}
  // 0 or -errno.
  int open(int folder, unique_fd changes);

  // Reads what has changed in the members' files. Called after a query has come, so that who asks after a file was written finds it.
  void refresh() { folder_.refresh(); }
  // There is more to read than what the loop hears of.
  bool is_behind() const { return folder_.is_behind(); }

  // kAnswer: `out` has the answer. kForward: forward() is to be called.
  Outcome ask(const Scope& scope, std::string_view message, bool is_tcp, Query& query, std::string& out) const {
    return answer(message, is_tcp, scope, database_, query, out);
  }
  // Asks the host's servers. `later` gets an answer in any case, never before this call returns.
  using Later = std::function<void(const std::string& answer)>;
  void forward(uint64_t owner, const Scope& scope, std::string_view message, const Query& query, bool is_tcp, const Later& later);
  // The queries of an owner that are on their way come back without an answer.
  void forget(uint64_t owner) { shares_.remove_all(owner); }

 private:
  Loop& loop_;
  ResolvConf resolv_conf_;
  Database database_;
  MembersFolder folder_{database_};
  Watch changes_;
  Shares shares_;
  uint64_t last_ = 0;
  std::unordered_map<uint64_t, std::shared_ptr<Forwarded>> forwarded_;
};

}  // namespace nacelle::names
