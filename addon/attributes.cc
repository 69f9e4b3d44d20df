#include "attributes.h"

#include <sys/xattr.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "shim/kernel/read_whole.h"

namespace nacelle {
namespace {

// What is no attribute of the file for this process: it was removed meanwhile, the file system has none, or a capability is another
// namespace's.
bool is_none(int result) { return result == -ENODATA || result == -ENOENT || result == -EOPNOTSUPP || result == -EOVERFLOW; }

int read_file(const std::string& path, uint32_t file, size_t& left, std::vector<Attribute>& found) {
  std::string names;
  const int listed = read_whole([&](char* buffer, size_t size) { return llistxattr(path.c_str(), buffer, size); }, names);
  if (listed < 0) return is_none(listed) ? 0 : listed;
  for (size_t start = 0; start < names.size();) {
    Attribute one{file, names.c_str() + start, {}};
    start += one.name.size() + 1;
    const int result =
        read_whole([&](char* buffer, size_t size) { return lgetxattr(path.c_str(), one.name.c_str(), buffer, size); }, one.value);
    if (is_none(result)) continue;
    if (result < 0) return result;
    const size_t size = one.name.size() + one.value.size();
    if (size > left) return -E2BIG;
    left -= size;
    found.push_back(std::move(one));
  }
  return 0;
}

class Reading : public Napi::AsyncWorker {
 public:
  Reading(Napi::Env env, std::string folder, std::vector<std::string> names, size_t most)
      : Napi::AsyncWorker(env, "fileAttributes"),
        deferred_(Napi::Promise::Deferred::New(env)),
        folder_(std::move(folder)),
        names_(std::move(names)),
        most_(most) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override { result_ = read_attributes(folder_, names_, most_, found_); }

  void OnOK() override {
    const Napi::HandleScope scope(Env());
    if (result_ < 0) {
      deferred_.Resolve(Napi::Number::New(Env(), result_));
    } else {
      deferred_.Resolve(attribute_list(Env(), found_));
    }
  }

 private:
  Napi::Promise::Deferred deferred_;
  std::string folder_;
  std::vector<std::string> names_;
  size_t most_;
  std::vector<Attribute> found_;
  int result_ = 0;
};

}  // namespace

int read_attributes(const std::string& folder, const std::vector<std::string>& names, size_t most, std::vector<Attribute>& found) {
  for (uint32_t file = 0; file < names.size(); ++file) {
    if (const int result = read_file(folder + "/" + names[file], file, most, found); result < 0) return result;
  }
  return 0;
}

Napi::Array attribute_list(Napi::Env env, const std::vector<Attribute>& found) {
  const Napi::Array list = Napi::Array::New(env, 3 * found.size());
  uint32_t place = 0;
  for (const Attribute& one : found) {
    list.Set(place++, Napi::Number::New(env, one.file));
    list.Set(place++, Napi::Buffer<char>::Copy(env, one.name.data(), one.name.size()));
    list.Set(place++, Napi::Buffer<char>::Copy(env, one.value.data(), one.value.size()));
  }
  return list;
}

Napi::Value FileAttributes(const Napi::CallbackInfo& info) {
  const Napi::Array given = info[1].As<Napi::Array>();
  std::vector<std::string> names;
  names.reserve(given.Length());
  for (uint32_t i = 0; i < given.Length(); ++i) {
    const Napi::Value name = given.Get(i);
    if (name.IsEmpty()) return {};  // the Worker was terminated just now
    names.push_back(name.As<Napi::String>().Utf8Value());
  }
  const size_t most = static_cast<size_t>(info[2].As<Napi::Number>().Int64Value());
  // the worker deletes itself when it is done
  auto* reading = new Reading(info.Env(), info[0].As<Napi::String>().Utf8Value(), std::move(names), most);
  const Napi::Promise promise = reading->promise();
  reading->Queue();
  return promise;
}

}  // namespace nacelle
