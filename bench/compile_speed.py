#!/usr/bin/env python3
"""From text to the first step: how long the compiler takes, cold (no kernel in the cache) and warm, by phases.

    bench/compile_speed.py MLAANC [--repeats 5] [--cold 2] [MODEL.mlaan [--set NAME=VALUE]...]

Without a model: ResNet-110 with momentum auxiliary networks, K=54, batch 2, the deepest that is shipped. Medians of the
repeats, in milliseconds; "work" is the process's own processor time, the C compiler's included."""
import argparse, json, os, resource, statistics, subprocess, tempfile


def run(mlaanc, model, cache):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run([mlaanc, "bench", *model, "--steps", "1", "--timing", "--json"], check=True, capture_output=True,
                         text=True, env={**os.environ, "MLAANC_CACHE": cache}).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    timing = next(json.loads(line)["timing"] for line in out.splitlines() if line.startswith('{"timing"'))
    phases = {phase["name"]: 1e3 * phase["seconds"] for phase in timing["phases"]}
    work = 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    details = {phase["name"]: phase["detail"] for phase in timing["phases"]}
    return {**phases, "text to first step": 1e3 * timing["seconds"], "work, with four steps": work}, details


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mlaanc")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cold", type=int, default=2)
    options, model = parser.parse_known_args()
    model = model or ["models/man.mlaan", "--set", "backbone=resnet110", "--set", "K=54", "--batch", "2"]
    cold = []
    for _ in range(options.cold):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(run(options.mlaanc, model, cache)[0])
    with tempfile.TemporaryDirectory() as cache:
        run(options.mlaanc, model, cache)
        warm, details = zip(*(run(options.mlaanc, model, cache) for _ in range(options.repeats)))
    print(" ".join(model))
    print(f"{'':24}{'cold':>10}{'warm':>10}   ms, medians of {options.cold} and {options.repeats}")
    for name in warm[0]:
        of = [f"{statistics.median(times[name] for times in several):10.1f}" for several in (cold, warm)]
        print(f"{name:24}{''.join(of)}   {details[0].get(name, '')}")


if __name__ == "__main__":
    main()
