/**
 * What a first-time user may get wrong, a line each: the exit code, what the message must name, and the command line.
 * PORT is one that is in use; the files are those of place.ts.
 */
export const wrongVerbs = `
2 | frobnicate | frobnicate
2 | plain.yaml | init plain.yaml
2 | folder | init folder
2 | nowhere/recipe.yaml | init nowhere/recipe.yaml
2 | --force | init --force
2 | init | init a.yaml b.yaml
2 | --listen | coordinator plain.yaml
2 | --listen | coordinator plain.yaml --listen
2 | 7171 | coordinator plain.yaml --listen 7171
2 | 7171 | coordinator plain.yaml --listen :7171
2 | 99999 | coordinator plain.yaml --listen localhost:99999
2 | 7171 | coordinator plain.yaml --listen http://localhost:7171
2 | 0.0.0.0 | coordinator plain.yaml --listen 0.0.0.0:0
2 | token | coordinator plain.yaml --listen nowhere.invalid:0 --token-file token
69 | 127.0.0.1 | coordinator plain.yaml --listen 127.0.0.1:PORT --out x2
2 | nowhere | coordinator plain.yaml --listen 127.0.0.1:0 --token-file nowhere
2 | empty | coordinator plain.yaml --listen 127.0.0.1:0 --token-file empty
2 | 1 character; | coordinator plain.yaml --listen 127.0.0.1:0 --token-file one-letter
2 | token | coordinator plain.yaml --listen 127.0.0.1:0 --token-file token
2 | token-of-two-words | coordinator plain.yaml --listen 127.0.0.1:0 --token-file token-of-two-words
2 | folder | coordinator plain.yaml --listen 127.0.0.1:0 --token-file folder
2 | --expect | coordinator plain.yaml --listen 127.0.0.1:0 --expect 0
2 | --workers | coordinator plain.yaml --listen 127.0.0.1:0 --workers 2
2 | run | coordinator plain.yaml --listen 127.0.0.1:0 --out run
2 | folder is not there | coordinator plain.yaml --listen 127.0.0.1:0 --out x3 --trace nowhere/trace.json
2 | text.txt | run plain.yaml --out x3 --trace text.txt
2 | plain.yaml | run plain.yaml --out x3 --trace plain.yaml
2 | folder | run plain.yaml --out x3 --trace folder
2 | nowhere.yaml | coordinator nowhere.yaml --listen 127.0.0.1:0
2 | url | worker
2 | 7171 | worker 127.0.0.1:7171
2 | localhost | worker localhost
2 | 127.0.0.1 | worker http://127.0.0.1:1
2 | ws | worker ws://
2 | 99999 | worker ws://127.0.0.1:99999
2 | 1 | worker ws://127.0.0.1:1 --wait -1
2 | tpu | worker ws://127.0.0.1:1 --backend tpu
2 | teach | worker ws://127.0.0.1:1 --role teach
2 | --threads | worker ws://127.0.0.1:1 --threads 0
79 | wasm | worker ws://127.0.0.1:1 --backend wasm --gpu
79 | worker | worker ws://127.0.0.1:1 --backend onnx --gpu
2 | --preemption-notice | worker ws://127.0.0.1:1 --preemption-notice
2 | gpu | worker ws://127.0.0.1:1 --devices gpu
2 | cpu:0 | worker ws://127.0.0.1:1 --devices cpu:0
2 | cpu:9999 | worker ws://127.0.0.1:1 --devices cpu:9999
2 | --gpu | worker ws://127.0.0.1:1 --devices cpu:1 --gpu
79 | --devices 99 | worker ws://127.0.0.1:1 --devices 99
79 | GPU-none | worker ws://127.0.0.1:1 --devices GPU-none
2 | nowhere | worker ws://127.0.0.1:1 --token-file nowhere
2 | empty | worker ws://127.0.0.1:1 --token-file empty
2 | folder | worker ws://127.0.0.1:1 --token-file folder
2 | plain.yaml | worker plain.yaml
2 | recipe | label
2 | nowhere.yaml | label nowhere.yaml
2 | label | label plain.yaml
2 | label | label plain.yaml --out labels.npz
2 | labels.csv | label taught.yaml --out labels.csv
2 | folder | label taught.yaml --out folder
2 | 0.0.0.0 | label taught.yaml --listen 0.0.0.0:0
69 | 127.0.0.1 | label taught.yaml --listen 127.0.0.1:PORT --out l.npz
2 | --workers | label taught.yaml --workers 0
2 | l.npz | label taught.yaml --set labels.from=l.npz
2 | --data | eval
2 | --data | eval run
2 | nowhere | eval nowhere --data plain.yaml
2 | nowhere.yaml | eval run --data nowhere.yaml
2 | images.csv | eval run --data images.csv
2 | folder | eval run --data folder
65 | unfinished | eval unfinished --data plain.yaml
2 | folder | eval folder --data plain.yaml
65 | text.onnx | eval text.onnx --data plain.yaml
65 | cut.onnx | eval cut.onnx --data plain.yaml
2 | empty | eval empty --data plain.yaml
2 | net.pt | eval net.pt --data plain.yaml
2 | net.h5 | eval net.h5 --data plain.yaml
65 | config.json | eval config.json --data plain.yaml
2 | weightless | eval weightless --data plain.yaml
2 | eval | eval run --data table.yaml
2 | data.eval | eval run --data plain.yaml --set data.eval=
2 | run | eval run --data plain.yaml --set data.classes=5
2 | 64 | eval run --data plain.yaml --set data.eval.shape=[64]
2 | nowhere.csv | eval run --data plain.yaml --set data.eval.inputs=nowhere.csv
2 | --as | eval run --data plain.yaml --as t
2 | --as | eval run --data taught.yaml --as x
2 | nowhere | eval run --data plain.yaml --teacher nowhere
2 | nowhere | eval run --data plain.yaml --against nowhere
2 | softmax | eval run --data plain.yaml --output softmax
2 | probs | eval onnx/student.onnx --data plain.yaml --output-name probs
2 | pixels | eval onnx/student.onnx --data plain.yaml --input pixels
2 | ids | eval onnx/student.onnx --data plain.yaml --inputs ids
2 | ids | eval onnx/student.onnx --data plain.yaml --inputs '{ ids: x }'
2 | hwc | eval onnx/student.onnx --data plain.yaml --layout hwc
2 | nchw | eval onnx/student.onnx --data plain.yaml --layout nchw
2 | nowhere.txt | eval onnx/student.onnx --data plain.yaml --classes nowhere.txt
2 | text.txt | eval onnx/student.onnx --data plain.yaml --classes text.txt
2 | 255 | eval onnx/student.onnx --data plain.yaml --preprocess 255
2 | scal | eval onnx/student.onnx --data plain.yaml --preprocess '{ scal: 1 }'
2 | mean | eval onnx/student.onnx --data plain.yaml --preprocess '{ mean: [1,2] }'
2 | 224 | eval onnx/student.onnx --data plain.yaml --resize 224
2 | 16 | eval onnx/student.onnx --data plain.yaml --resize [16,16]
2 | --channels | eval onnx/student.onnx --data plain.yaml --channels 2
2 | [8, 8, 3] | eval onnx/student.onnx --data plain.yaml --channels 3
2 | onnx/student.onnx | eval onnx/student.onnx --data plain.yaml --signature x
2 | run | export
2 | nowhere | export nowhere
65 | folder | export folder
2 | empty | export empty
65 | unfinished | export unfinished
2 | pickle | export run --format pickle
2 | tfjs | export run --format tfjs,
2 | --format | export run --format ''
69 | empty | export run --out empty
69 | empty/x | export run --out empty/x
69 | proc/x | export run --out /proc/x
2 | --with-preprocessing | export run --format safetensors --with-preprocessing
65 | run/student | export run/student
2 | plain.yaml | export plain.yaml
2 | keras | export run --format=onnx,tfjs,keras
2 | recipe | compare
2 | nowhere.yaml | compare nowhere.yaml
2 | table.yaml | compare table.yaml
2 | --seeds | compare plain.yaml --seeds 0
2 | run | verify
2 | nowhere | verify nowhere
2 | folder | verify folder
2 | empty | verify empty
2 | run/student | verify run/student
2 | plain.yaml | verify plain.yaml
2 | runs | status
2 | nowhere | status nowhere
2 | folder | status folder
2 | http | status http://127.0.0.1:1
2 | nowhere | status ws://127.0.0.1:1 --token-file nowhere
69 | 127.0.0.1 | status ws://127.0.0.1:1 --watch
2 | wss:// | status ws://127.0.0.1:1 --tls-ca token
2 | url | stop
2 | folder | stop folder
69 | 127.0.0.1 | stop ws://127.0.0.1:1
2 | worker | drain ws://127.0.0.1:1
69 | 127.0.0.1 | drain ws://127.0.0.1:1 w1
2 | run | logs
2 | nowhere | logs nowhere
2 | empty | logs empty
69 | 127.0.0.1 | logs ws://127.0.0.1:1 --follow
2 | doctor | doctor extra
2 | --verbose | doctor --verbose
2 | token | token extra
2 | --bits | token --bits 3
2 | instal | backend instal cpu
2 | flavour | backend install
2 | tpu | backend install tpu
2 | onnx | backend install cpu --only onnx
2 | tpu | backend install cuda --only tpu
2 | nowhere.whl | backend install cpu --wheel nowhere.whl
65 | text.txt | backend install cpu --wheel text.txt
65 | folder | backend install cpu --wheel folder
2 | nowhere/labels.npz | label taught.yaml --out nowhere/labels.npz
2 | labelled.npz/x.npz | label taught.yaml --out labelled.npz/x.npz
65 | nan.csv | eval run --data plain.yaml --set data.eval.inputs=nan.csv
2 | text.txt | eval text.txt --data plain.yaml
`;
