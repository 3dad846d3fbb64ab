"""Reference weights of PyTorch's optimizers, schedules and clipping, for test/shared/replica/optimizer/pytorch.test.ts.

Run: python test/reference/optimizers.py    (needs torch and numpy; rewrites test/reference/data/optimizers.json)
"""
import json
import pathlib

import numpy as np
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, MultiStepLR, SequentialLR, StepLR

STEPS = 50
SHAPES = {"dense/kernel": (3, 3), "dense/bias": (3,), "out/kernel": (3, 2), "out/bias": (2,)}
CASES = {
    "sgd": dict(name="sgd", learningRate=0.05),
    "sgd, decay": dict(name="sgd", learningRate=0.05, weightDecay=0.02),
    "momentum": dict(name="sgd", learningRate=0.02, momentum=0.9),
    "momentum, decay, clip": dict(name="sgd", learningRate=0.02, momentum=0.9, weightDecay=0.01, clipNorm=1.5),
    "nesterov, decay": dict(name="sgd", learningRate=0.02, momentum=0.8, nesterov=True, weightDecay=0.01),
    "adam": dict(name="adam", learningRate=0.01),
    "adam, decay, betas": dict(name="adam", learningRate=0.02, weightDecay=0.05, beta1=0.8, beta2=0.95, epsilon=1e-4),
    "adam, clip": dict(name="adam", learningRate=0.01, clipNorm=0.7),
    "adamw": dict(name="adamw", learningRate=0.01, weightDecay=0.1),
    "adamw, clip that rarely clips": dict(name="adamw", learningRate=0.01, weightDecay=0.01, clipNorm=4.0),
    "step": dict(name="sgd", learningRate=0.1, schedule=dict(name="step", everySteps=12, gamma=0.5)),
    "milestones": dict(name="adam", learningRate=0.02, schedule=dict(name="step", milestones=[7, 31], gamma=0.1)),
    "cosine": dict(name="sgd", learningRate=0.1, momentum=0.9, schedule=dict(name="cosine", finalFraction=0.05)),
    "warm-up": dict(name="adam", learningRate=0.02, schedule=dict(name="constant", warmupSteps=20)),
    "cosine, warm-up": dict(name="adamw", learningRate=0.02, weightDecay=0.1, schedule=dict(name="cosine", warmupSteps=10)),
    "no decay on biases": dict(name="sgd", learningRate=0.05, weightDecay=0.1, decayExclude=["*/bias"]),
    "groups": dict(
        name="adamw", learningRate=0.01, weightDecay=0.1, groups=[dict(match=["out/*"], learningRateScale=3, weightDecay=0.02)]
    ),
    "frozen layer, clip": dict(name="sgd", learningRate=0.05, momentum=0.9, clipNorm=1.0, freeze=["dense/kernel"]),
    "ema": dict(name="adam", learningRate=0.05, ema=0.9),
}


def group_of(name, recipe):
    """Learning rate and decay of one tensor, in the words of torch's parameter groups."""
    own = next((g for g in recipe.get("groups", []) if name.startswith(g["match"][0].rstrip("*"))), {})
    decay = own.get("weightDecay", recipe.get("weightDecay", 0))
    if recipe.get("decayExclude") and name.endswith("/bias"):
        decay = 0
    return dict(lr=recipe["learningRate"] * own.get("learningRateScale", 1), weight_decay=decay)


def optimizer_of(parameters, recipe):
    groups = [dict(params=[p], **group_of(n, recipe)) for n, p in parameters.items() if n not in recipe.get("freeze", [])]
    if recipe["name"] == "sgd":
        return torch.optim.SGD(groups, momentum=recipe.get("momentum", 0), nesterov=recipe.get("nesterov", False))
    kind = torch.optim.Adam if recipe["name"] == "adam" else torch.optim.AdamW
    return kind(groups, betas=(recipe.get("beta1", 0.9), recipe.get("beta2", 0.999)), eps=recipe.get("epsilon", 1e-8))


def scheduler_of(optimizer, recipe):
    schedule = recipe.get("schedule")
    if schedule is None:
        return None
    warmup = schedule.get("warmupSteps", 0)
    if schedule["name"] == "cosine":
        floor = recipe["learningRate"] * schedule.get("finalFraction", 0)
        main = CosineAnnealingLR(optimizer, T_max=STEPS - warmup, eta_min=floor)
    elif schedule["name"] == "step" and "everySteps" in schedule:
        main = StepLR(optimizer, schedule["everySteps"], schedule["gamma"])
    elif schedule["name"] == "step":
        main = MultiStepLR(optimizer, schedule["milestones"], schedule["gamma"])
    else:
        main = LinearLR(optimizer, 1.0, 1.0)
    if warmup == 0:
        return main
    ramp = LinearLR(optimizer, 1 / warmup, 1.0, total_iters=warmup - 1)
    return SequentialLR(optimizer, [ramp, main], milestones=[warmup])


def run(recipe, initial, gradients):
    parameters = {n: torch.nn.Parameter(torch.tensor(v)) for n, v in initial.items()}
    for name in recipe.get("freeze", []):
        parameters[name].requires_grad_(False)
    moving = [p for p in parameters.values() if p.requires_grad]
    optimizer = optimizer_of(parameters, recipe)
    scheduler = scheduler_of(optimizer, recipe)
    average = {n: p.detach().clone() for n, p in parameters.items()}
    weights, averages = {}, {}
    for step in range(STEPS):
        for name, parameter in parameters.items():
            parameter.grad = torch.tensor(gradients[step][name]) if parameter.requires_grad else None
        if "clipNorm" in recipe:
            torch.nn.utils.clip_grad_norm_(moving, recipe["clipNorm"])
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        for name, parameter in parameters.items():
            average[name].lerp_(parameter.detach(), 1 - recipe.get("ema", 0))
        if step + 1 in (1, 10, STEPS):
            weights[step + 1] = {n: rounded(p.detach().numpy()) for n, p in parameters.items()}
            averages[step + 1] = {n: rounded(a.numpy()) for n, a in average.items()}
    return dict(optimizer=recipe, weights=weights, **(dict(averages=averages) if "ema" in recipe else {}))


def rounded(array):
    """Nine digits carry a float32 exactly."""
    return [float(f"{x:.9g}") for x in array.ravel()]


def main():
    random = np.random.default_rng(7)
    initial = {n: random.normal(size=s).astype(np.float32) for n, s in SHAPES.items()}
    gradients = [{n: (random.normal(size=s) * random.choice([0.01, 0.3, 1])).astype(np.float32) for n, s in SHAPES.items()} for _ in range(STEPS)]
    flat = lambda tensors: {n: rounded(v) for n, v in tensors.items()}
    data = dict(
        torch=torch.__version__,
        steps=STEPS,
        shapes={n: list(s) for n, s in SHAPES.items()},
        initial=flat(initial),
        gradients=[flat(g) for g in gradients],
        cases={name: run(recipe, initial, gradients) for name, recipe in CASES.items()},
    )
    path = pathlib.Path(__file__).parent / "data" / "optimizers.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(data, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
