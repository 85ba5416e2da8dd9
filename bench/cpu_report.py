"""What bench/compare_pytorch.py found, as tables: one with everything, a short one for the README."""

import json
import os

PLAIN = {"e2e": "end to end", "dgl": "DGL", "infopro_softmax": "InfoPro", "man": "MAN", "mlaan": "MLAAN, as published",
         "mlaan_shared": "MLAAN, work shared in PyTorch too"}
COMMAND = "bench/compare_pytorch.py"
MARKS = f"<!-- {COMMAND} --readme: begin -->", f"<!-- {COMMAND} --readme: end -->"


def mib(n_bytes):
    return f"{n_bytes / 2**20:.0f}"


def ms(seconds):
    return f"{1e3 * seconds:.0f}" if seconds >= 0.1 else f"{1e3 * seconds:.1f}"


def markdown(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *("| " + " | ".join(row) + " |" for row in rows)])


def name_of(row):
    return PLAIN.get(row["variant"], row["variant"])


def least_memory(row):
    return min(side["peak_resident_bytes"] for side in row["torch"])


def setting(row):
    return [name_of(row), f"{row['net']}, {row['modules']}", str(row["threads"]), row["precision"]]


# ---- beside PyTorch --------------------------------------------------------------------------------------------------


def steps_table(report):
    lines = []
    for row in report["rows"]:
        mine, best = row["mlaanc"], row["torch"][0]
        lines.append(setting(row) + [
            ms(mine["step_seconds"]), ms(best["step_seconds"]), f"**{best['step_seconds'] / mine['step_seconds']:.2f}**",
            f"{row['batch'] / mine['step_seconds']:.0f}", f"{row['batch'] / best['step_seconds']:.0f}",
            f"{mine['cpu_seconds']:.3f}", f"{best['cpu_seconds']:.3f}", f"{best['cpu_seconds'] / mine['cpu_seconds']:.2f}",
            best["name"], f"{row['losses']['first']:.0e}, {row['losses']['worst']:.0e}"])
    return markdown(["method", "net, modules", "threads", "precision", "mlaanc, ms", "PyTorch, ms", "times faster", "mlaanc, img/s", "PyTorch, img/s",
                     "mlaanc, CPU s", "PyTorch, CPU s", "ratio", "fastest of PyTorch", "losses apart: step 1, three steps"], lines)


def memory_table(report):
    imported, lines = report["versions"]["import_bytes"], []
    for row in report["rows"]:
        mine, best, least = row["mlaanc"], row["torch"][0], least_memory(row)
        lines.append(setting(row) + [mib(mine["allocated_bytes"]), mib(mine["peak_resident_bytes"]), mib(best["peak_resident_bytes"]), mib(least),
                                     mib(least - imported), f"**{least / mine['peak_resident_bytes']:.1f}**",
                                     f"{(least - imported) / mine['peak_resident_bytes']:.1f}"])
    return markdown(["method", "net, modules", "threads", "precision", "mlaanc: plan and states", "mlaanc: resident", "PyTorch, fastest: resident",
                     "PyTorch, smallest: resident", "beyond its import", "PyTorch's smallest / mlaanc", "the same beyond import"], lines)


def ways_table(report):
    lines = [setting(row) + [side["name"], ms(side["step_seconds"]), ms(side["least_seconds"]), str(side["n_timed"]), f"{side['cpu_seconds']:.3f}",
                             mib(side["peak_resident_bytes"]), f"{side.get('ready_seconds', 0):.0f}"]
             for row in report["rows"] for side in row["torch"]]
    return markdown(["method", "net, modules", "threads", "precision", "PyTorch", "ms", "least", "timed steps", "CPU s", "resident, MiB",
                     "s until the second step"], lines)


# ---- mlaanc beside itself ----------------------------------------------------------------------------------------------


def rate(side):
    """Seconds of a GFLOP."""
    return side["step_seconds"] / side["step_flops"] * 1e9


def own_lines(report):
    sides = {side["name"]: side for side in report["own"]}
    if not sides:
        return ["Not measured."]
    e2e, greedy, one = sides["e2e"], sides["greedy"], sides.get("e2e, 1 thread")
    bf16 = sides.get("e2e, bf16")
    lines = [f"* greedy in 16 modules against end to end: {ms(greedy['step_seconds'])} against {ms(e2e['step_seconds'])} ms a step, "
             f"{greedy['step_seconds'] / e2e['step_seconds'] - 1:+.1%}; {1e3 * rate(greedy):.2f} against {1e3 * rate(e2e):.2f} ms a GFLOP, "
             f"{rate(greedy) / rate(e2e) - 1:+.1%}"]
    if one:
        lines.append(f"* {e2e['threads']} threads against 1, end to end: {ms(e2e['step_seconds'])} against {ms(one['step_seconds'])} ms, "
                     f"{one['step_seconds'] / e2e['step_seconds']:.2f} times faster")
    if bf16:
        lines.append(f"* bf16 against f32, end to end: {ms(bf16['step_seconds'])} against {ms(e2e['step_seconds'])} ms, "
                     f"{e2e['step_seconds'] / bf16['step_seconds']:.2f} times faster")
    for name, who in (("e2e", "mlaanc"), ("PyTorch e2e", "PyTorch")):
        alone, beside = sides[name], sides[f"{name}, beside a busy process"]
        lines.append(f"* {who}, end to end, while another process keeps one core busy: {ms(beside['step_seconds'])} ms instead of {ms(alone['step_seconds'])}, "
                     f"{beside['step_seconds'] / alone['step_seconds']:.2f} times as long")
    return lines + pairs(report, "threads", 1, 2, "2 threads against 1") + pairs(report, "precision", "f32", "bf16", "bf16 against f32")


def pairs(report, key, slow, fast, title):
    """Rows of the table that differ in `key` alone: not measured in the same turns."""
    found = {}
    for row in report["rows"]:
        if row["variant"] == row["method"]:
            rest = tuple(row[k] for k in ("method", "net", "threads", "precision", "batch") if k != key)
            found.setdefault(rest, {})[row[key]] = row
    return [f"* {title}, {both[fast]['method']}, {both[fast]['net']} (from the table above): mlaanc "
            f"{both[slow]['mlaanc']['step_seconds'] / both[fast]['mlaanc']['step_seconds']:.2f} times faster, PyTorch "
            f"{both[slow]['torch'][0]['step_seconds'] / both[fast]['torch'][0]['step_seconds']:.2f}"
            for both in found.values() if slow in both and fast in both]


# ---- against the machine -----------------------------------------------------------------------------------------------


def roofline_table(report):
    lines = []
    for row in report["rows"]:
        mine = row["mlaanc"]
        if row["variant"] != row["method"] or "least_by_kernel" not in mine:
            continue
        larger, symbol, rate = max(mine["least_by_flops"], mine["least_by_bytes"]), *mine["fastest_kernel"]
        lines.append(setting(row) + [f"{mine['step_flops'] / 1e9:.1f}", mib(mine["moved_bytes"]), ms(mine["least_by_flops"]), ms(mine["least_by_bytes"]),
                                     ms(mine["least_by_kernel"]), ms(mine["step_seconds"]), f"{larger / mine['step_seconds']:.0%}",
                                     f"{mine['least_by_kernel'] / mine['step_seconds']:.0%}", f"{rate / 1e9:.0f}, `{symbol}`"])
    return markdown(["method", "net, modules", "threads", "precision", "GFLOP", "MiB moved", "ms at the peak", "ms at a copy's rate",
                     "ms, each kernel by the slower", "mlaanc, ms", "of the larger", "of each kernel's", "fastest kernel, GFLOP/s"], lines)


def peaks_text(report):
    return "\n".join(f"* {threads} thread{'s' if threads != '1' else ''}: multiply-adds {peak['f32'] / 1e9:.0f} GFLOP/s in float32"
                     f"{', %.0f in bfloat16' % (peak['bf16'] / 1e9) if peak['bf16'] else ''}; copies, read and written, {peak['copy'] / 1e9:.0f} GB/s "
                     f"in memory, {peak['copy_in_cache'] / 1e9:.0f} in the cache" for threads, peak in report["peaks"].items() if peak)


# ---- pages -------------------------------------------------------------------------------------------------------------


def versions_line(report):
    v = report["versions"]
    return (f"{v['cores']} cores of {v['cpu']}, {v['system']}, {v['cc']}; PyTorch {v['torch']} (Python {v['python']}, oneDNN: "
            f"{'yes' if v['onednn'] else 'no'}); {v['mlaanc']}. Other load of the machine (1 minute's average) before: {report['load_before']:.1f}.")


NOTES = """A step is forward, backward and update over one batch that lies in memory. All sides took turns in rounds; a time is the median of all
timed steps. "CPU s": processor seconds of a step, all threads. PyTorch computes as the papers' code is written (`bench/methods.py`), every way
in a process of its own: eager and, where it was tried, `torch.compile` (all losses as one graph with the same borders), channels-last and
contiguous, glibc's allocator plain and keeping all memory. The fastest way is what stands here; all are below. bf16: mlaanc's
`--precision bf16`, PyTorch's `autocast`. "as published" computes the modules of a cascade again, as the published code does; "work shared" is the
same losses and gradients from one forward pass of each module and two backward passes, written by hand in PyTorch.
Losses: the largest relative difference of any loss, from the same weights and images (batch 40), in the same precision."""

MEMORY = """Most resident memory of a process in MiB, its whole life long; mlaanc's includes its compiler, but not the C compilers that it starts. PyTorch's
includes the library: {imported} MiB after `import torch` with this build, which "beyond its import" leaves out (of PyTorch alone)."""


def page(report):
    left_out = "".join(f"* {line}\n" for line in report["skipped"]) or "Nothing.\n"
    return (f"# {report['date']}: training steps on a CPU beside PyTorch {report['versions']['torch']}, batch {report['batch']}\n\n"
            f"`{COMMAND}`. {versions_line(report)}\n\n{NOTES}\n\n## Steps\n\n{steps_table(report)}\n\n## Memory\n\n"
            f"{MEMORY.format(imported=mib(report['versions']['import_bytes']))}\n\n{memory_table(report)}\n\n## mlaanc beside itself\n\n"
            + "\n".join(own_lines(report)) + "\n\n## Against the machine\n\n"
            "Measured here (`bench/peak.c`):\n\n" + peaks_text(report) + "\n\nThe least time that a step's operations and bytes could take at these rates, and the "
            "share of it in mlaanc's time.\nBytes are those that kernels read and write; values that are still in a cache come faster than a copy in memory, "
            "Operations count\npadding as if it were multiplied too: kernels that skip it can be beyond the peak.\n\n" + roofline_table(report) + f"\n\n## All ways of PyTorch\n\n{ways_table(report)}\n\n## Left out\n\n{left_out}")


def write(report, name):
    """NAME.json and NAME.md, each whole at any time."""
    for ending, text in ((".json", json.dumps(report, indent=1)), (".md", page(report))):
        with open(name + ending + ".new", "w") as out:
            out.write(text + ("" if text.endswith("\n") else "\n"))
        os.replace(name + ending + ".new", name + ending)


def readme_table(report):
    lines = []
    for row in report["rows"]:
        mine, best, least = row["mlaanc"], row["torch"][0], least_memory(row)
        lines.append([name_of(row), f"{row['net']}, {row['modules']}", f"{row['threads']}, {row['precision']}", ms(mine["step_seconds"]), ms(best["step_seconds"]),
                      f"**{best['step_seconds'] / mine['step_seconds']:.2f}**", f"{mine['cpu_seconds']:.2f}", f"{best['cpu_seconds']:.2f}",
                      mib(mine["peak_resident_bytes"]), mib(least)])
    return markdown(["method", "net, modules", "threads, precision", "ms", "PyTorch", "faster", "CPU s", "PyTorch", "resident MiB", "PyTorch"], lines)


def write_readme(report, path):
    """Puts the short table between its marks."""
    with open(path) as file:
        text = file.read()
    begin, end = (text.find(mark) for mark in MARKS)
    if begin < 0 or end < begin:
        raise SystemExit(f"{path} has no {MARKS[0]} and {MARKS[1]}")
    results = f"bench/results/{report['date']}-cpu-pytorch.md"
    table = (f"{MARKS[0]}\nTraining steps, batch {report['batch']}, {report['date']}: {versions_line(report)}\nPyTorch: its fastest way of those tried, and the "
             f"least memory of any. All about it: [{results}]({results}); made by `{COMMAND} --readme`.\n\n{readme_table(report)}\n")
    with open(path, "w") as file:
        file.write(text[:begin] + table + text[end:])
