// A smaller model cut out of a larger one's weights. Nothing is trained or mixed: every number of the smaller model stands in the
// larger one.
//
// What stays, when a size shrinks (ties: the lower number; the order of the teacher is kept):
// - channels of the hidden size: the same everywhere, those with the largest sum, over all matrices that read or write the
// channel
//   (embeddings, the projections of the kept blocks, heads) and the biases of those that write it, of the L2 norm of what the
//   matrix holds for this channel. A matrix from channels to channels (a pooler) counts for both. Norms of the model, which only
//   scale, do not count; they are cut like the rest.
// - heads, block by block: those whose map from the normed stream back to it, out_h * v_g, has the largest Frobenius norm
//   (g is the key/value head of query head h). Of key/value heads those whose query heads together (root of the sum of squares)
//   have the largest; then as many query heads in each as the sizes say.
// - feed-forward units, block by block: those with the largest L2 norm of their rows in gate and up together with their column
//   in down.
// All is measured on the whole teacher, before anything is cut.
#pragma once

#include <memory>

#include "distill/spec/resize.h"
#include "distill/spec/spec.h"
#include "distill/tensor/source.h"

namespace distill {

// The parts of the teacher that stay. All lists ascend.
struct KeptBlock {
  int64_t layer = 0;  // of the teacher
  std::vector<int64_t> heads, kv_heads, units;
};
struct KeptParts {
  std::vector<int64_t> channels;
  std::vector<KeptBlock> blocks;
};

// Reads the weights that a size asks about, one tensor at a time; nothing is read when only blocks go.
// InputError: weights that do not fit the teacher's config.json, NaN and infinity, by name.
KeptParts choose_parts(const ModelSpec& teacher, const TensorSource& source, const ModelSizes& sizes);

// The smaller model's checkpoint, under the names and with the shapes of `student`, which resize() made of `teacher` with these
// sizes. Tensors keep their stored type; each is cut when it is read, so that one whole tensor of the teacher is alive at most.
std::unique_ptr<TensorSource> cut_weights(const ModelSpec& teacher, std::unique_ptr<TensorSource> source,
                                          const ModelSpec& student, const ModelSizes& sizes);

}  // namespace distill
