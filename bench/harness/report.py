"""The table, the JSON, and bench/RESULTS.md."""

import datetime
import json
import os
import platform
import subprocess

# Runs of all scenarios and runs of some (--only) do not replace each other.
BEGIN = {True: "<!-- results: written by bench/run --write-results -->",
         False: "<!-- results of some: written by bench/run --only S... --write-results -->"}
END = "<!-- end of results -->"


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return (done.stdout or done.stderr).strip().split("\n")[0]


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def debian_version(package):
    return first_line(["dpkg-query", "-W", "-f", "${Version}", package])


def surroundings(root, arms):
    """Machine and versions; enough to know whether two results may be compared."""
    changed = first_line(["git", "-C", root, "status", "--porcelain", "--untracked-files=no"])
    commit = first_line(["git", "-C", root, "rev-parse", "--short", "HEAD"])
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit + (" with changes" if changed else ""),
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "kernel": platform.release(),
        "compiler": first_line(["c++", "--version"]),
        "grpc": debian_version("libgrpc++-dev"),
        "protobuf": debian_version("libprotobuf-dev"),
        "libcurl": debian_version("libcurl4-openssl-dev"),
        "libevent": debian_version("libevent-dev"),
        "redis": debian_version("redis-server"),
        "benchmark": debian_version("libbenchmark-dev"),
        "arms": {arm.name: f"{arm.speaks} {arm.version()}".strip() for arm in arms},
    }


def number(value):
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def verdict(row):
    if row.goal is None:
        return ""
    sign = ">=" if row.at_least else "<="
    said = "noise" if row.noisy else "met" if row.met else "MISSED"
    return f"{sign} {row.goal:g} {said}"


def markdown(rows):
    """The rows as one Markdown table, aligned so that it also reads well on a terminal."""
    header = ["#", "what", "arm", "median", "", "lowest", "highest", "A/A", "goal"]
    notes = []
    lines = [header]
    for row in rows:
        marks = ""
        for mark in row.marks:
            if mark not in notes:
                notes.append(mark)
            marks += f" [{notes.index(mark) + 1}]"
        lines.append([row.scenario, row.what, row.arm, number(row.figure.median) + marks, row.unit,
                      number(row.figure.low), number(row.figure.high),
                      "" if row.limit is None else f"{100 * row.limit:.1f}%", verdict(row)])
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    right = {3, 5, 6, 7}

    def text(line):
        cells = [cell.rjust(width) if i in right else cell.ljust(width)
                 for i, (cell, width) in enumerate(zip(line, widths))]
        return "| " + " | ".join(cells) + " |"
    rule = "|" + "|".join("-" * (width + 1) + (":" if i in right else "-")
                          for i, width in enumerate(widths)) + "|"
    out = [text(lines[0]), rule, *(text(line) for line in lines[1:])]
    out += [""] * bool(notes) + [f"[{i + 1}] {note}" for i, note in enumerate(notes)]
    return "\n".join(out)


def write_json(path, where, settings, bench, rows):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"surroundings": where, "settings": settings, "rounds_thrown_away": bench.thrown,
                   "failures": bench.failures, "rows": [row.json() for row in rows]},
                  file, indent=1)
        file.write("\n")


def write_results(path, where, settings, bench, rows):
    """Replaces what stands in RESULTS.md of the last run of its kind: full, or not."""
    begin = BEGIN[settings["full"]]
    with open(path, encoding="utf-8") as file:
        text = file.read()
    before, rest = text.split(begin, 1)
    after = rest.split(END, 1)[1]
    arms = "".join(f"  - `{name}`: {what}\n" for name, what in where["arms"].items())
    arms = f"- arms:\n{arms}" if arms else ""
    dropped = [f"{count} of {name}" for name, count in bench.thrown.items() if count]
    failures = "".join(f"\nNot measured: {failure}\n" for failure in bench.failures)
    block = f"""{begin}
- {where['date']}, commit {where['commit']}; {settings['rounds']} rounds of {settings['seconds']} s;
  rounds thrown away: {', '.join(dropped) or 'none'}
- {where['cpus']} CPUs ({where['cpu']}), Linux {where['kernel']},
  load average before {where['load_before']}
- {where['compiler']}; gRPC {where['grpc']}, protobuf {where['protobuf']},
  libcurl {where['libcurl']}, libevent {where['libevent']},
  Redis {where['redis']}, Google Benchmark {where['benchmark']}
{arms}
{markdown(rows)}
{failures}{END}"""
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + block + after)
