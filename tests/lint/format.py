#!/usr/bin/env python3
"""Fails when a C++ source is not as clang-format 14 and .clang-format write it.

    format.py [ROOT]        exit status 1: differences; 77: clang-format 14 is not installed
    format.py --fix [ROOT]  rewrites the files
"""

import pathlib
import shutil
import subprocess
import sys

SKIPPED = 77  # told to ctest as "skipped" (SKIP_RETURN_CODE)
FOLDERS = ["agent", "api", "base", "cni", "kernel", "kubelet", "probes", "proxy", "runtime", "tests"]
BATCH = 40  # files for one run of the tool


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--fix"]
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).resolve().parents[2])
    # Other releases lay some lines out differently, so only this one decides.
    tool = shutil.which("clang-format-14")
    if tool is None:
        print("skipped: clang-format-14 is not installed (Debian package clang-format-14)")
        sys.exit(SKIPPED)
    files = [
        str(file)
        for folder in FOLDERS
        for file in sorted(root.glob(f"{folder}/**/*"))
        if file.suffix in (".h", ".cc") and file.is_file()
    ]
    if not files:
        sys.exit(f"{root}: no sources here")
    mode = ["-i"] if "--fix" in sys.argv else ["--dry-run", "-Werror"]
    failed = False
    for begin in range(0, len(files), BATCH):
        failed |= subprocess.run([tool, "--style=file", *mode, *files[begin : begin + BATCH]]).returncode != 0
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
