/**
 * What a first-time user may get wrong, a line each: the exit code, what the message must name, and the command line.
 * PORT is one that is in use; the files are those of place.ts.
 */
export const wrongRecipes = `
2 | runn | runn plain.yaml
2 | recipe | run
2 | run | run plain.yaml extra
2 | --worker | run plain.yaml --worker 2
2 | --workers | run plain.yaml --workers
2 | --workers | run plain.yaml --workers 0
2 | two | run plain.yaml --workers two
2 | 1.5 | run plain.yaml --workers 1.5
2 | 1 | run plain.yaml --workers -1
2 | --label-workers | run plain.yaml --label-workers 0
2 | cuda | run plain.yaml --backend cuda
2 | 1 | run plain.yaml --seed -1
2 | 1e3 | run plain.yaml --seed 1e3
2 | 99999999999 | run plain.yaml --seed 99999999999
2 | --set | validate plain.yaml --set
2 | epochs | validate plain.yaml --set epochs
2 | --set | validate plain.yaml --set =3
2 | epochs | validate plain.yaml --set epochs=
2 | epochs | validate plain.yaml --set epochs=x
2 | epochs | validate plain.yaml --set epochs=0
2 | 1.5 | validate plain.yaml --set epochs=1.5
2 | steps | validate plain.yaml --set steps=3
2 | batch.siez | validate plain.yaml --set batch.siez=3
2 | batch | validate plain.yaml --set batch=3
2 | epochs.x | validate plain.yaml --set epochs.x=3
2 | epochs | validate plain.yaml --set 'epochs=[1'
2 | --number | run plain.yaml --overwrite --number
2 | --resume | run plain.yaml --overwrite --resume
2 | --once | run plain.yaml --overwrite --once
2 | --once | run plain.yaml --number --once
2 | nothing-there | run plain.yaml --resume --out nothing-there
2 | nowhere.mjs | run plain.yaml --plugin nowhere.mjs
2 | folder | run plain.yaml --plugin folder
2 | nowhere.yaml | run nowhere.yaml
2 | folder | run folder
2 | empty | run empty
2 | text.txt | run text.txt
2 | list.yaml | run list.yaml
2 | cut.yaml | run cut.yaml
2 | tabs.yaml | run tabs.yaml
2 | twice.yaml | run twice.yaml
2 | bytes.yaml | run bytes.yaml
2 | good.csv | run good.csv
2 | run | run run
2 | onnx/student.onnx | run onnx/student.onnx
2 | empty | run plain.yaml --out empty
2 | empty/x | run plain.yaml --out empty/x
69 | proc/x | run plain.yaml --out /proc/x
2 | dev/null | run plain.yaml --out /dev/null
2 | run | run plain.yaml --out run
2 | holds a finished run of another recipe | run plain.yaml --out run --resume
2 | unfinished | run plain.yaml --out unfinished
2 | --overwrite | run plain.yaml --out unfinished --overwrite
2 | cut-recipe | run plain.yaml --out cut-recipe
2 | cut-summary | run plain.yaml --out cut-summary
2 | nowhere.npz | validate plain.yaml --set labels.from=nowhere.npz
2 | plain.yaml | validate plain.yaml --set losses.response.weight=1
2 | losses | validate plain.yaml --set losses={}
2 | 1 | validate plain.yaml --set losses.crossEntropy.weight=-1
2 | plain.yaml | validate plain.yaml --set losses.crossEntropi.weight=1
2 | plain.yaml | validate plain.yaml --set losses.crossEntropy.weight=0
2 | adamx | validate plain.yaml --set optimizer.name=adamx
2 | 1 | validate plain.yaml --set optimizer.learningRate=-1
2 | 1e400 | validate plain.yaml --set optimizer.learningRate=1e400
2 | cosine | validate plain.yaml --set optimizer.schedule=cosine
2 | batch.size | validate plain.yaml --set batch.size=0
2 | 50 | validate plain.yaml --set batch.micro=50
2 | cnn | validate plain.yaml --set student.builtin=cnn
2 | 16 | validate plain.yaml --set student.hidden=16
2 | student.hidden | validate plain.yaml --set student.hidden=[0]
2 | fp16 | validate plain.yaml --set compression=fp16
2 | evaluate.earlyStop.patience | validate plain.yaml --set evaluate.earlyStop.patience=0
2 | snapshots.keep | validate plain.yaml --set snapshots.keep=0
2 | run | validate plain.yaml --set 'name=my run'
2 | recipe | validate
2 | nowhere.yaml | validate nowhere.yaml
2 | folder | validate folder
2 | empty | validate empty
2 | epochs | validate plain.yaml --set epochs=x
2 | --workers | validate plain.yaml --workers 2
2 | plain.yaml | validate plain.yaml --set losses.nothing.weight=1 --plugin broken.mjs
65 | broken.mjs | validate plain.yaml --set losses.plugins.broken.weight=1 --plugin broken.mjs
65 | plugin.mjs | validate plain.yaml --set losses.plugins.plugin.weight=1 --plugin plugin.mjs
`;
