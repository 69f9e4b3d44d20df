#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../kernel/loop.h"
#include "../names/forwarded.h"
#include "../names/resolv_conf.h"

namespace nacelle::egress {

// The addresses of a name, as the host's servers tell them.
class Lookup {
 public:
  using Servers = std::shared_ptr<const std::vector<names::NameServer>>;
  using Found = std::function<void(const std::vector<std::string>& addresses)>;
  // `found` is called once, never before begin() returns: those of IPv6 come first, and none when there are none, or nobody says.
  Lookup(Loop& loop, Servers servers, std::string name, Found found);
  ~Lookup();
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;
  void begin();

 private:
  struct Question {
    std::string message;
    names::Query query;
    std::vector<std::string> addresses;
    std::shared_ptr<names::Forwarded> asked;
    bool is_answered = false;
  };
  void ask(Question& question, bool is_tcp);
  void take(Question& question, const std::string& answer, bool is_tcp);

  Loop& loop_;
  const Servers servers_;
  const std::string name_;
  const Found found_;
  Question questions_[2];
  // what is told later must not reach one that is gone
  const std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace nacelle::egress
