"""Optuna's searches for bench/search.ts: TPESampler on the same functions, spaces and numbers of trials.

    python bench/search.py --functions JOBS.json    prints the least value of each job; its function is named in it
    python bench/search.py JOB.json    prints values, a JSON line each, and reads what each came to from its input
"""

import json
import math
import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


def branin(p):
    u, v = p["x"], p["y"]
    square = (v - 5.1 / (4 * math.pi**2) * u**2 + 5 / math.pi * u - 6) ** 2
    return square + 10 * (1 - 1 / (8 * math.pi)) * math.cos(u) + 10


KINDS = {"a": (0, 0.4), "b": (0.5, 0), "c": (-0.5, 0.2), "d": (1, 0.8)}


def mixed(p):
    shift, cost = KINDS[p["kind"]]
    heat = math.log(p["temperature"]) / math.log(20)
    return (
        (math.log10(p["rate"]) + 2.5 + shift) ** 2
        + 4 * (p["weight"] - 0.3 - 0.3 * heat) ** 2
        + 4 * (heat - 0.45) ** 2
        + abs(p["size"] - 24) / 40
        + cost
    )


FUNCTIONS = {"branin": branin, "mixed": mixed}


def suggest(trial, space):
    values = {}
    for dimension in space:
        key, span = dimension["key"], dimension["range"]
        if "choices" in span:
            values[key] = trial.suggest_categorical(key, span["choices"])
        elif span["whole"]:
            values[key] = trial.suggest_int(key, span["from"], span["to"], log=span["scale"] == "log")
        else:
            values[key] = trial.suggest_float(key, span["from"], span["to"], log=span["scale"] == "log")
    return values


def functions(jobs):
    for job in jobs:
        sampler = optuna.samplers.TPESampler(seed=job["seed"], multivariate=job["multivariate"])
        study = optuna.create_study(sampler=sampler)
        at, space = FUNCTIONS[job["function"]], job["space"]
        study.optimize(lambda trial: at(suggest(trial, space)), n_trials=job["trials"])
        print(json.dumps(study.best_value), flush=True)


def trials(job):
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=job["seed"]), direction="maximize")
    study.enqueue_trial(job["own"])
    for _ in range(job["trials"]):
        trial = study.ask()
        print(json.dumps(suggest(trial, job["space"])), flush=True)
        study.tell(trial, json.loads(sys.stdin.readline()))


def main():
    with open(sys.argv[-1], encoding="utf8") as file:
        given = json.load(file)
    if sys.argv[1] == "--functions":
        functions(given)
    else:
        trials(given)


if __name__ == "__main__":
    main()
