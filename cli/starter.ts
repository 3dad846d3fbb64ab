/** The recipe that `stillhouse init` writes. It is complete but for the user's own files, and explains each key. */

export const starterRecipe = `# Distils teachers into a small student. Check it:  stillhouse validate recipe.yaml    Run it:  stillhouse run recipe.yaml
name: my-student
seed: 0
student: { builtin: cnn-small, filters: 16 }    # or mlp, resnet; or { model: student/model.json }, a tfjs LayersModel
teachers:                                       # one or more, frozen: ONNX, or model.json of a tfjs LayersModel or GraphModel
  - { name: teacher, model: teacher.onnx }      # layout: nchw for a model from PyTorch; output: probabilities if it has a softmax
losses:                                         # total = sum of weight x term
  crossEntropy: { weight: 0.3 }
  response: { weight: 0.7, temperature: 4 }     # T^2 x KL(teachers || student)
data:                                           # paths are relative to this file
  train: { format: folder, images: images/train, labels: folders, size: [32, 32] }   # or idx, npy, csv, jsonl, parquet
  eval: { format: folder, images: images/eval, labels: folders, size: [32, 32] }
  preprocess: { scale: 0.00392156862745098 }    # bytes to 0..1; mean and std by channel, as the teacher had them
  augment: { flip: true, shift: 2, views: 4 }
optimizer: { name: adam, learningRate: 0.001, schedule: { name: cosine } }
batch: { size: 128, micro: 16 }                 # size / micro workers at most share a step
epochs: 10
baseline: true                                  # also trains the student alone, to see what the teachers are worth
`;
