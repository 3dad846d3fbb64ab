/**
 * What a first-time user may get wrong, a line each: the exit code, what the message must name, and the command line.
 * PORT is one that is in use; the files are those of place.ts.
 */
export const wrongModels = `
2 | nowhere.onnx | validate plain.yaml --set 'student={ model: nowhere.onnx }'
2 | nowhere/model.json | validate plain.yaml --set 'student={ model: nowhere/model.json }'
65 | text.onnx | validate plain.yaml --set 'student={ model: text.onnx }'
65 | cut.onnx | validate plain.yaml --set 'student={ model: cut.onnx }'
2 | folder | validate plain.yaml --set 'student={ model: folder }'
65 | config.json | validate plain.yaml --set 'student={ model: config.json }'
65 | net.pt | validate plain.yaml --set 'student={ model: net.pt }'
65 | net.h5 | validate plain.yaml --set 'student={ model: net.h5 }'
65 | empty | validate plain.yaml --set 'student={ model: empty }'
65 | good.csv | validate plain.yaml --set 'student={ model: good.csv }'
65 | short/model.json | validate plain.yaml --set 'student={ model: short/model.json }'
2 | weightless/model.json | validate plain.yaml --set 'student={ model: weightless/model.json }'
2 | nowhere.safetensors | validate plain.yaml --set 'student={ model: run/student/model.json, weights: nowhere.safetensors }'
65 | text.txt | validate plain.yaml --set 'student={ model: run/student/model.json, weights: text.txt }'
2 | run/student/model.json | validate plain.yaml --set data.classes=5 --set 'student={ model: run/student/model.json }'
2 | teachers | validate taught.yaml --set teachers=[]
2 | run/student/model.json | validate taught.yaml --set teachers=run/student/model.json
2 | run/student/model.json | validate taught.yaml --set 'teachers={ model: run/student/model.json }'
2 | run/student/model.json | validate taught.yaml --set 'teachers=[run/student/model.json]'
2 | run/student/model.json | validate taught.yaml --set 'teachers=[{ model: run/student/model.json }]'
2 | teachers | validate taught.yaml --set 'teachers=[{ name: t }]'
2 | nowhere.onnx | validate taught.yaml --set 'teachers=[{ name: t, model: nowhere.onnx }]'
65 | text.onnx | validate taught.yaml --set 'teachers=[{ name: t, model: text.onnx }]'
65 | cut.onnx | validate taught.yaml --set 'teachers=[{ name: t, model: cut.onnx }]'
2 | empty | validate taught.yaml --set 'teachers=[{ name: t, model: empty }]'
2 | folder | validate taught.yaml --set 'teachers=[{ name: t, model: folder }]'
2 | run | validate taught.yaml --set 'teachers=[{ name: t, model: run }]'
2 | net.pt | validate taught.yaml --set 'teachers=[{ name: t, model: net.pt }]'
2 | net.h5 | validate taught.yaml --set 'teachers=[{ name: t, model: net.h5 }]'
2 | model.safetensors | validate taught.yaml --set 'teachers=[{ name: t, model: model.safetensors }]'
65 | model | validate taught.yaml --set 'teachers=[{ name: t, model: config.json }]'
65 | teacher t | validate taught.yaml --set 'teachers=[{ name: t, model: short/model.json }]'
2 | model | validate taught.yaml --set 'teachers=[{ name: t, model: weightless/model.json }]'
2 | wieght | validate taught.yaml --set 'teachers=[{ name: t, model: run/student/model.json, wieght: 2 }]'
2 | 2 | validate taught.yaml --set 'teachers=[{ name: t, model: run/student/model.json, weight: -2 }]'
2 | weight | validate taught.yaml --set 'teachers=[{ name: t, model: run/student/model.json, weight: 0 }]'
2 | onnx/student.onnx | validate taught.yaml --set 'teachers=[{ name: t, model: run/student/model.json }, { name: t, model: onnx/student.onnx }]'
2 | softmax | validate taught.yaml --set 'teachers=[{ name: t, model: run/student/model.json, output: softmax }]'
2 | probs | validate taught.yaml --set 'teachers=[{ name: t, model: onnx/student.onnx, outputName: probs }]'
2 | pixels | validate taught.yaml --set 'teachers=[{ name: t, model: onnx/student.onnx, input: pixels }]'
2 | ids | validate taught.yaml --set 'teachers=[{ name: t, model: onnx/student.onnx, inputs: { ids: x } }]'
2 | nchw | validate taught.yaml --set 'teachers=[{ name: t, model: onnx/student.onnx, layout: nchw }]'
2 | classes | validate taught.yaml --set 'teachers=[{ name: t, model: onnx/student.onnx, classes: [a, b] }]'
2 | nowhere.txt | validate taught.yaml --set 'teachers=[{ name: t, model: onnx/student.onnx, classes: nowhere.txt }]'
2 | mean | validate taught.yaml --set 'teachers=[{ name: t, model: onnx/student.onnx, preprocess: { mean: [1,2,3] } }]'
2 | resize | validate taught.yaml --set 'teachers=[{ name: t, model: onnx/student.onnx, resize: [0, 8] }]'
2 | 16 | validate taught.yaml --set 'teachers=[{ name: t, model: onnx/student.onnx, resize: [16, 16] }]'
2 | abc | validate taught.yaml --set 'teachers=[{ name: t, model: onnx/student.onnx, sha256: abc }]'
2 | 4 classes | validate taught.yaml --set data.classes=5
2 | mean | validate taught.yaml --set ensemble.combine=mean
2 | ensemble.subset | validate taught.yaml --set ensemble.subset=2
2 | losses.response.temperature | validate taught.yaml --set losses.response.temperature=0
2 | weight | validate taught.yaml --set 'losses.features={ weight: 1 }'
2 | teacher | validate taught.yaml --set 'losses.features={ weight: 1, pairs: [{ student: nothing, teacher: t/nothing }] }'
2 | other/dense | validate taught.yaml --set 'losses.features={ weight: 1, pairs: [{ student: nothing, teacher: other/dense }] }'
2 | pairs | validate taught.yaml --set 'losses.features={ weight: 1, pairs: [] }'
2 | net.safetensors | validate plain.yaml --set 'student={ model: net.safetensors }'
`;
