#pragma once

#include <sys/types.h>

#include <cstddef>

// Users and groups of a container, from the text of its own /etc/passwd and /etc/group.
namespace nacelle {

constexpr size_t kMaxGroups = 256;
constexpr size_t kMaxAccountFile = 4 * 1024 * 1024;

struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
  gid_t groups[kMaxGroups] = {};
  size_t group_count = 0;
  char home[512] = "/";
  bool known = false;  // the step `user` has looked the user up
};

struct AccountFiles {
  const char* passwd = "";
  size_t passwd_size = 0;
  const char* group = "";
  size_t group_size = 0;
};

// `user` is NAME, UID, NAME:GROUP, UID:GID (docker's --user). A number need not be in the files; a name must.
// Numbers are plain decimal, below 2^32 - 1. Its groups are its own, as docker's are, and without GROUP those of the files too. 0, or
// -ENOENT (no such name), -EINVAL (not a user), -E2BIG, -ENAMETOOLONG (its home).
int find_account(const char* user, const AccountFiles& files, Account& out);

// Adds a group unless the account has it. 0, or -E2BIG.
int add_group(gid_t gid, Account& out);

// The same for NAME or GID (docker's --group-add). 0, or -ENOENT (no such name), -EINVAL (not a group), -E2BIG.
int add_group(const char* group, const AccountFiles& files, Account& out);

}  // namespace nacelle
