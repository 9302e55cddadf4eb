// Errors that reach a user, and the exit code of each.
// Every message has four parts: where, what was expected, what was found, and what to do now.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace distill {

enum class ExitCode : int {
  done = 0,
  findings = 1,    // check, doctor: the command worked and found something
  usage = 2,       // command line or recipe
  bad_input = 65,  // data or model file
  no_device = 69,
  diverged = 70,  // or a bug of ours
  cannot_create = 73,
  io = 74,            // read or write failed, disk full
  temporary = 75,     // run the same command again
  interrupted = 130,  // SIGINT
  terminated = 143,   // SIGTERM
};

struct Complaint {
  std::string where;  // file, file:line:column, tensor, option
  std::string expected;
  std::string found;
  std::string advice;   // the next step, as an order: "Pass ...", "Rename ..."
  std::string excerpt;  // optional: the offending line with a caret under it

  std::string text() const;
};

// Base of all errors that end a command. what() is the printable text of all complaints.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, std::vector<Complaint> complaints);
  ExitCode exit_code() const { return code_; }
  const std::vector<Complaint>& complaints() const { return complaints_; }

 private:
  ExitCode code_;
  std::vector<Complaint> complaints_;
};

struct RecipeError : Error {  // command line or recipe; all problems at once
  explicit RecipeError(std::vector<Complaint> complaints) : Error(ExitCode::usage, std::move(complaints)) {}
  explicit RecipeError(Complaint complaint) : Error(ExitCode::usage, {std::move(complaint)}) {}
};
struct InputError : Error {  // a data or model file
  explicit InputError(Complaint complaint) : Error(ExitCode::bad_input, {std::move(complaint)}) {}
};
struct DeviceError : Error {
  explicit DeviceError(Complaint complaint) : Error(ExitCode::no_device, {std::move(complaint)}) {}
};
struct DivergedError : Error {
  explicit DivergedError(Complaint complaint) : Error(ExitCode::diverged, {std::move(complaint)}) {}
};
struct CreateError : Error {  // an output cannot be created
  explicit CreateError(Complaint complaint) : Error(ExitCode::cannot_create, {std::move(complaint)}) {}
};
struct IoError : Error {  // reading or writing failed half-way
  explicit IoError(Complaint complaint) : Error(ExitCode::io, {std::move(complaint)}) {}
};
struct Bug : Error {  // an invariant of ours does not hold
  explicit Bug(const std::string& what)
      : Error(ExitCode::diverged, {{"distill", "an invariant to hold", what, "Please report this with the command line.", ""}}) {}
};

// The word of `known` nearest to `word` by edit distance, or "" when none is near.
std::string nearest_word(const std::string& word, const std::vector<std::string>& known);

}  // namespace distill
