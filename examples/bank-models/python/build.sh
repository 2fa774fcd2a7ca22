#!/usr/bin/env bash
# Builds the German credit model in Python as a component that imports nothing.
#
#   build.sh OUT.wasm PYTHON
#
# PYTHON is the interpreter of a virtual environment with requirements.txt installed.
set -euo pipefail

out=$(realpath -m "${1:?usage: build.sh OUT.wasm PYTHON}")
python=${2:?usage: build.sh OUT.wasm PYTHON}
here=$(cd "$(dirname "$0")" && pwd)
python=$(realpath -s "$python")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/app.py" "$here/scorecard.py" "$work"
# The same two files as the Rust model's, as text literals.
"$python" - "$here/../rust" >"$work/files.py" <<'PY'
import sys
from pathlib import Path
for name, file in (("DECLARATION", "model.json"), ("SCORECARD", "scorecard.json")):
    print(f"{name} = {Path(sys.argv[1], file).read_text(encoding='utf-8')!a}")
PY
mkdir -p "$(dirname "$out")"
cd "$work"
"$(dirname "$python")/componentize-py" -d "$here/../../../wit/model" -w model componentize app \
  --stub-wasi -o "$out"
