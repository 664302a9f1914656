#!/usr/bin/env python3
"""Checks the rules of structure that a compiler does not: layers, locks, clocks, logging, headers, READMEs.

    layers.py [ROOT]       prints "file:line: rule: what" for each breach; exit status 1 if there is any
    layers.py --self-test  breaks every rule in a tree of its own and expects each to be found
"""

import pathlib
import re
import sys
import tempfile

# Lower layers first; a folder may include lower layers and itself.
LAYERS = [
    ["base"],
    ["kernel", "api"],
    ["runtime", "cni", "probes"],
    ["kubelet", "proxy"],
    ["agent"],
]
LEVEL = {folder: level for level, folders in enumerate(LAYERS) for folder in folders}

# What the parts of a folder with sub-folders may include of each other.
PARTS = {
    "api": {"api"},
    "api/client": {"api/client", "api"},
    "runtime": {"runtime", "runtime/images", "runtime/shim", "runtime/init"},
    "runtime/images": {"runtime/images"},
    "runtime/init": {"runtime/init", "runtime"},
    "runtime/shim": {"runtime/shim", "runtime/init", "runtime"},
    "agent": {"agent"},
    "agent/keelctl": {"agent/keelctl"},
}
# Parts with a shorter list of lower folders than their layer gives.
ONLY = {"agent/keelctl": {"api", "base"}}

# Return errors and never log.
LIBRARIES = {"base", "kernel", "api", "runtime", "cni", "probes"}
LOGGER = {"base/log.h", "base/log.cc"}

LOCK = re.compile(
    r"\bstd::(?:recursive_|timed_|recursive_timed_|shared_|shared_timed_)?mutex\b"
    r"|\bstd::condition_variable(?:_any)?\b|\bpthread_(?:mutex|rwlock|cond|spin)_"
)
CLOCK = re.compile(
    r"\b(?:system_clock|steady_clock|high_resolution_clock)::now\b"
    r"|\b(?:clock_gettime|gettimeofday|timespec_get)\s*\(|\b(?:std::|::)time\s*\("
)
# Where the clock may be read directly, and why.
CLOCK_EXCEPTIONS = {
    "base": "holds the Clock",
    "runtime/shim": "static and single-threaded: its poll loop reads the time once a turn",
}
SLEEP = re.compile(r"\bsleep_(?:for|until)\b|(?<![\w.>])(?:usleep|nanosleep|clock_nanosleep|sleep)\s*\(")
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
# Comments, raw strings, strings and character literals, in the order in which they shadow each other.
TOKENS = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^()\\ ]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL,
)


def code_only(text):
    """The text with comments and literals blanked, line numbers kept."""
    return TOKENS.sub(lambda found: "\n" * found.group().count("\n") or " ", text)


def part_of(path):
    """The folder that a file belongs to: "base", "runtime/images", "tests"."""
    folder = "/".join(path.split("/")[:-1])
    while folder and folder not in PARTS and folder not in LEVEL and "/" in folder:
        folder = folder.rsplit("/", 1)[0]
    return folder


def may_include(part, target):
    top, target_top = part.split("/")[0], target.split("/")[0]
    if top == target_top:
        return target in PARTS.get(part, {part})
    if part in ONLY:
        return target_top in ONLY[part]
    return LEVEL[target_top] < LEVEL[top]


class Lint:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.breaches = []
        self.files = 0

    def breach(self, path, line, rule, what):
        self.breaches.append((path, line, rule, what))

    def run(self):
        folders = set()
        for top in [*LEVEL, "tests"]:
            for file in sorted(self.root.glob(f"{top}/**/*")):
                if file.suffix not in (".h", ".cc") or not file.is_file():
                    continue
                self.files += 1
                path = file.relative_to(self.root).as_posix()
                self.check_file(path, file.read_text(encoding="utf-8"))
                if top != "tests" and (file.suffix == ".h" or part_of(path) == path.rsplit("/", 1)[0]):
                    folders.add(path.rsplit("/", 1)[0])
        if (self.root / "tests").is_dir():
            folders.add("tests")
        for folder in sorted(folders):
            if not (self.root / folder / "README.md").is_file():
                self.breach(folder, 0, "readme", "a folder tells its purpose in README.md")
        return self.breaches

    def check_file(self, path, text):
        part = part_of(path)
        in_tests = path.startswith("tests/")
        lines = text.split("\n")
        if not in_tests:
            self.check_includes(path, part, lines)
        if path.endswith(".h"):
            self.check_header(path, lines)
        for number, line in enumerate(lines, 1):
            if UNFINISHED.search(line):
                self.breach(path, number, "unfinished", line.strip())
        for number, line in enumerate(code_only(text).split("\n"), 1):
            if SLEEP.search(line):
                self.breach(path, number, "sleep", "wait for the event, with a deadline (Stop)")
            if in_tests:
                continue
            if LOCK.search(line) and part != "base":
                self.breach(path, number, "lock", "locks live in base/; use Guarded<T>, a strand or the loop")
            if CLOCK.search(line) and part not in CLOCK_EXCEPTIONS:
                self.breach(path, number, "clock", "the time comes in as a Clock or a Stop")

    def check_includes(self, path, part, lines):
        for number, line in enumerate(lines, 1):
            found = INCLUDE.match(line)
            if not found:
                continue
            quote, name = found.groups()
            if part.split("/")[0] in LIBRARIES and path not in LOGGER:
                if name == "base/log.h" or name.startswith("spdlog/"):
                    self.breach(path, number, "log", f"{name}: libraries return errors and do not log")
            if quote == "<":
                continue
            if name.startswith("tests/"):
                self.breach(path, number, "layer", f"{name}: shipped code does not know the tests")
            elif name.split("/")[0] not in LEVEL:
                self.breach(path, number, "layer", f"{name}: includes are written from the root")
            elif not may_include(part, part_of(name)):
                self.breach(path, number, "layer", f"{part} must not include {name}")

    def check_header(self, path, lines):
        directives = [line for line in lines if line.lstrip().startswith("#")]
        if not directives or directives[0].strip() != "#pragma once":
            self.breach(path, 1, "header", "the first directive of a header is #pragma once")


def self_test():
    once = "// A header.\n#pragma once\n"
    cases = [  # (path, text, rule expected or None)
        ("base/a.cc", '#include "kernel/a.h"\n', "layer"),
        ("kernel/a.cc", '#include "api/a.h"\n', "layer"),
        ("kernel/b.cc", '#include "base/a.h"\n#include <vector>\n', None),
        ("cni/a.cc", '#include "runtime/a.h"\n', "layer"),
        ("kubelet/a.cc", '#include "runtime/images/a.h"\n#include "base/log.h"\n', None),
        ("kubelet/b.cc", '#include "agent/a.h"\n', "layer"),
        ("runtime/a.cc", '#include "runtime/images/a.h"\n#include "runtime/init/a.h"\n', None),
        ("runtime/images/a.cc", '#include "runtime/shim/a.h"\n', "layer"),
        ("runtime/images/b.cc", '#include "runtime/a.h"\n', "layer"),
        ("runtime/shim/a.cc", '#include "runtime/plan.h"\n#include "runtime/init/a.h"\n', None),
        ("runtime/init/a.cc", '#include "runtime/shim/a.h"\n', "layer"),
        ("agent/a.cc", '#include "kubelet/a.h"\n#include "base/a.h"\n', None),
        ("agent/keelctl/a.cc", '#include "api/a.h"\n#include "agent/keelctl/a.h"\n', None),
        ("agent/keelctl/b.cc", '#include "agent/a.h"\n', "layer"),
        ("agent/keelctl/c.cc", '#include "runtime/a.h"\n', "layer"),
        ("api/a.cc", '#include "pod.h"\n', "layer"),
        ("api/d.cc", '#include "api/client/a.h"\n', "layer"),
        ("api/client/a.cc", '#include "api/pod.h"\n#include "api/client/a.h"\n#include "base/a.h"\n', None),
        ("api/client/b.cc", '#include "kernel/a.h"\n', "layer"),
        ("kubelet/e.cc", '#include "api/client/a.h"\n', None),
        ("api/b.cc", '#include "tests/fakes/a.h"\n', "layer"),
        ("kernel/log.cc", '#include "base/log.h"\n', "log"),
        ("probes/a.cc", "#include <spdlog/spdlog.h>\n", "log"),
        ("base/log.h", once + "#include <spdlog/spdlog.h>\n", None),
        ("cni/b.cc", "static std::mutex m;\n", "lock"),
        ("cni/c.cc", "std::condition_variable_any c;\n", "lock"),
        ("cni/d.cc", "// std::mutex\nauto s = \"std::mutex\"; /* std::mutex\n */\n", None),
        ("base/b.cc", "static std::mutex m; auto t = std::chrono::steady_clock::now();\n", None),
        ("tests/unit/a.cc", "std::mutex m; auto t = steady_clock::now();\n", None),
        ("kernel/c.cc", "auto t = std::chrono::system_clock::now();\n", "clock"),
        ("kernel/d.cc", "int r = clock_gettime(CLOCK_MONOTONIC, &t);\n", "clock"),
        ("kernel/e.cc", 'const char* names = "clock_gettime sleep( nanosleep(";\n', None),
        ("runtime/shim/b.cc", "auto t = std::chrono::steady_clock::now();\n", None),
        ("kubelet/c.cc", "std::this_thread::sleep_for(1s);\n", "sleep"),
        ("tests/unit/b.cc", "::usleep(5);\n", "sleep"),
        ("kubelet/d.cc", "policy.sleep(); int n = 1'000; doNotsleep();\n", None),
        ("api/a.h", once, None),
        ("api/b.h", "#ifndef A_H\n#define A_H\n#endif\n", "header"),
        ("api/c.h", "// Nothing.\n", "header"),
        ("api/c.cc", "// TO" + "DO: later\n", "unfinished"),
    ]
    failures = 0
    for path, text, expected in cases:
        with tempfile.TemporaryDirectory() as root:
            file = pathlib.Path(root, path)
            file.parent.mkdir(parents=True)
            file.write_text(text, encoding="utf-8")
            (file.parent / "README.md").touch()
            pathlib.Path(root, "tests").mkdir(exist_ok=True)
            pathlib.Path(root, "tests", "README.md").touch()
            rules = sorted({rule for _, _, rule, _ in Lint(root).run()})
        if rules != ([expected] if expected else []):
            failures += 1
            print(f"self-test {path}: expected {expected}, found {rules}")
    with tempfile.TemporaryDirectory() as root:
        pathlib.Path(root, "api").mkdir()
        pathlib.Path(root, "api", "a.cc").touch()
        if [rule for _, _, rule, _ in Lint(root).run()] != ["readme"]:
            failures += 1
            print("self-test: a missing README.md was not found")
    return failures


def main():
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(1 if self_test() else 0)
    root = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2]
    lint = Lint(root)
    breaches = lint.run()
    if lint.files == 0:
        sys.exit(f"{root}: no sources here")
    for path, line, rule, what in breaches:
        print(f"{path}:{line}: {rule}: {what}")
    sys.exit(1 if breaches else 0)


if __name__ == "__main__":
    main()
