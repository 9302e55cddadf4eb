// A plan for people and for programs.
#include <algorithm>
#include <cstdio>

#include "distill/cli/run_plan.h"
#include "distill/core/units.h"

namespace distill {
namespace {

std::string text_of(int64_t bytes) { return bytes_text(static_cast<uint64_t>(std::max<int64_t>(0, bytes))); }

std::string in_phase(UpdatePhase phase) {
  switch (phase) {
    case UpdatePhase::teacher_forward:
      return "in the teacher's forward pass";
    case UpdatePhase::student_forward:
      return "in the student's forward pass";
    case UpdatePhase::loss:
      return "in the loss";
    case UpdatePhase::backward:
      return "in the backward pass";
  }
  return "";
}

std::string row(const std::string& name, const std::string& value, const std::string& rest = "") {
  char text[64];
  std::snprintf(text, sizeof text, "%-24s%12s", name.c_str(), value.c_str());
  return std::string(text) + (rest.empty() ? "" : "   " + rest) + "\n";
}

std::string line(const std::string& name, const std::string& text) {
  char start[32];
  std::snprintf(start, sizeof start, "%-13s", name.c_str());
  return std::string(start) + text + "\n";
}

// 1.66e13 -> "16.6 TFLOP".
std::string flops_text(double flops) {
  char text[32];
  std::snprintf(text, sizeof text, flops < 1e10 ? "%.3g MFLOP" : "%.3g TFLOP", flops / (flops < 1e10 ? 1e6 : 1e12));
  return text;
}

std::string settings_text(const Change& change) {
  std::string text;
  for (const auto& [key, value] : change.settings()) text += (text.empty() ? "" : ", ") + key + ": " + value;
  return text;
}

std::string way_out(const Fit& fit) {
  if (fit.change) return settings_text(*fit.change) + " (then " + text_of(fit.change->plan.peak().bytes) + ")";
  return "none: one row of the shortest sequence still takes " + text_of(fit.smallest_bytes) + ", the " + fit.largest.name +
         " alone " + text_of(fit.largest.bytes);
}

std::string recomputes_text(GradientCheckpointing mode) {
  switch (mode) {
    case GradientCheckpointing::selective:
      return "norms and activations (train.gradient_checkpointing: selective)";
    case GradientCheckpointing::full:
      return "whole blocks (train.gradient_checkpointing: full)";
    default:
      return "nothing (train.gradient_checkpointing: none)";
  }
}

std::string memory_text(const RunPlan& plan) {
  if (!plan.memory) return "";
  const Fit& fit = *plan.memory;
  const PhaseBytes& peak = fit.plan.peak();
  std::string text;
  for (const MemoryPart& part : peak.parts) text += row(part.name, text_of(part.bytes));
  text += row("peak of an update", text_of(peak.bytes), in_phase(peak.phase));
  text +=
      row(plan.free_is_stated ? "stated memory" : "free memory", text_of(plan.free_bytes), fit.fits ? "fits" : "DOES NOT FIT");
  text += "\n";
  text += line("recomputes", recomputes_text(fit.checkpointing));
  if (!fit.fits) text += line("change", way_out(fit));
  return text;
}

std::string disk_text(const DiskPlan& disk) {
  return text_of(disk.needed_bytes()) + " for " + std::to_string(disk.num_checkpoints) + " checkpoints of " +
         text_of(disk.checkpoint_bytes) + " and the student; " + text_of(disk.free_bytes) + " free" +
         (disk.held_bytes > 0 ? " and " + text_of(disk.held_bytes) + " of this run there: " : ": ") +
         (disk.fits() ? "fits" : "DOES NOT FIT, lower train.keep_checkpoints or choose another output");
}

std::string time_text(const RunPlan& plan) {
  if (!plan.time) return "not known before the first updates have run";
  std::string text = seconds_text(plan.time->seconds_per_update) + " an update (median of the run's newest " +
                     std::to_string(plan.time->num_updates) + ")";
  if (plan.updates)
    text += ", " +
            seconds_text(plan.time->seconds_per_update *
                         static_cast<double>(std::max<int64_t>(0, *plan.updates - plan.time->newest_step))) +
            " left";
  return text;
}

Json json_of(const Fit& fit, int64_t free_bytes) {
  const PhaseBytes& peak = fit.plan.peak();
  Json parts = Json::array(), phases = Json::array(), change = nullptr;
  for (const MemoryPart& part : peak.parts) parts.push_back({{"name", part.name}, {"bytes", part.bytes}});
  for (const PhaseBytes& one : fit.plan.phases) phases.push_back({{"phase", enum_name(one.phase)}, {"bytes", one.bytes}});
  if (fit.change) {
    Json set = Json::object();
    for (const auto& [key, value] : fit.change->settings()) set[key] = value;
    change = {{"set", set}, {"peak_bytes", fit.change->plan.peak().bytes}};
  }
  Json json = {{"gradient_checkpointing", enum_name(fit.checkpointing)},
               {"free_bytes", free_bytes},
               {"peak_bytes", peak.bytes},
               {"phase", enum_name(peak.phase)},
               {"parts", parts},
               {"phases", phases},
               {"fits", fit.fits},
               {"change", change}};
  if (!fit.fits && !fit.change) json["largest_part"] = fit.largest.name;
  return json;
}

Json json_of(const DiskPlan& disk) {
  return {{"free_bytes", disk.free_bytes},
          {"held_bytes", disk.held_bytes},
          {"needed_bytes", disk.needed_bytes()},
          {"checkpoint_bytes", disk.checkpoint_bytes},
          {"checkpoints", disk.num_checkpoints},
          {"student_bytes", disk.student_bytes},
          {"fits", disk.fits()}};
}

Json json_of(const MeasuredTime& time, const std::optional<int64_t>& updates) {
  Json left = nullptr;
  if (updates) left = time.seconds_per_update * static_cast<double>(std::max<int64_t>(0, *updates - time.newest_step));
  return {{"seconds_per_update", time.seconds_per_update}, {"measured_updates", time.num_updates}, {"seconds_left", left}};
}

}  // namespace

std::string shortage_text(const Fit& fit, int64_t free_bytes) {
  const PhaseBytes& peak = fit.plan.peak();
  return "an update may not fit: it takes about " + text_of(peak.bytes) + " " + in_phase(peak.phase) + ", and " +
         text_of(free_bytes) + " are there. Smallest change that fits: " + way_out(fit) + ".";
}

std::string plan_text(const RunPlan& plan, const std::string& recipe_file) {
  std::string text = recipe_file + " on " + plan.device + ", " + plan.precision + "\n\n" + memory_text(plan);
  if (plan.loading_bytes > 0)
    text += line("loading", text_of(plan.loading_bytes) + " beside the weights, for the largest tensor");
  if (plan.disk) text += line("disk", disk_text(*plan.disk));
  text += line("updates", plan.updates ? std::to_string(*plan.updates) : "known once the data is read");
  if (plan.flops_per_update) text += line("work", flops_text(*plan.flops_per_update) + " an update");
  text += line("time", time_text(plan));
  for (const std::string& name : plan.not_counted) text += line("not counted", name);
  return text;
}

Json plan_json(const RunPlan& plan) {
  Json json = {{"device", plan.device}, {"precision", plan.precision}, {"fits", plan.fits()}};
  json["memory"] = plan.memory ? json_of(*plan.memory, plan.free_bytes) : Json();
  json["loading_bytes"] = plan.loading_bytes;
  json["disk"] = plan.disk ? json_of(*plan.disk) : Json();
  json["updates"] = plan.updates ? Json(*plan.updates) : Json();
  json["flops_per_update"] = plan.flops_per_update ? Json(*plan.flops_per_update) : Json();
  json["time"] = plan.time ? json_of(*plan.time, plan.updates) : Json();
  json["not_counted"] = plan.not_counted;
  return json;
}

}  // namespace distill
