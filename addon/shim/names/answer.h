#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "database.h"
#include "dns_message.h"

namespace nacelle::names {

// What may be known to who asks on a socket.
struct Scope {
  std::vector<std::string> networks;
  bool forwards = false;  // names that no network has are asked for at the host's servers
};

enum class Outcome : uint8_t { kNothing, kAnswer, kForward };

// Answers from the database; of several addresses any may come first. kNothing: it is no query. kForward: another server is to say, and
// `query` is what was asked. Afterwards `query.is_known` says whether the database has told the answer.
Outcome answer(std::string_view message, bool is_tcp, const Scope& scope, const Database& database, Query& query, std::string& out);

// The answer when no other server gives one, or `code` is to be said for another reason.
std::string refuse(std::string_view message, const Query& query, Code code, const Scope& scope);

// The answer of another server as the client gets it: over UDP, an answer that is longer than the client takes becomes one that sends the
// client to TCP.
std::string pass_on(std::string answer, std::string_view message, const Query& query, bool is_tcp);

}  // namespace nacelle::names
