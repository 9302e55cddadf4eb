// Numbers whose type is known only when the program runs, as raw pointers: what CUDA launchers take. No torch header here.
#pragma once

namespace distill {

enum class ElementType { f16, bf16, f32, f64 };

struct Source {
  const void* data = nullptr;
  ElementType type = ElementType::f32;
};
struct Sink {
  void* data = nullptr;
  ElementType type = ElementType::f32;
};

}  // namespace distill
