#!/usr/bin/env bash
# first_steps.sh PYTHON FILE: install a wheel or source distribution into a fresh environment, and in an empty folder use
# what the package brings with it: recipes, platforms, the page's assets, the templates of C. All of it goes afterwards.
set -euo pipefail
file=$(realpath "$2")
constraints=$(realpath constraints.txt)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$1" -m venv "$folder/environment"
export PATH="$folder/environment/bin:$PATH"
pip install --quiet --constraint "$constraints" "$file[demo]"
mkdir "$folder/empty"
cd "$folder/empty"

picojoule --version
picojoule formats >formats.txt
picojoule platforms moons2017 >platform.txt
picojoule demo
picojoule report runs/demo
picojoule verify runs/demo
picojoule export runs/demo --to c
picojoule train lenet5 --data mnist5k --bits 4 --recipe short --epochs 1 --out runs/short
for made in formats.txt platform.txt runs/demo/report.html runs/demo/plan.json; do
    test -s "$made" || { echo "$(basename "$file"): $made is missing or empty" >&2; exit 1; }
done
echo "$(basename "$file"): installed and demonstrated with $(python --version)"
