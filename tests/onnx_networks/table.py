"""Writes the result of check.py to a page, between <!-- networks --> and <!-- end of networks -->.

    python table.py PAGE RESULT.json
"""

import collections
import json
import pathlib
import sys

page = pathlib.Path(sys.argv[1])
rows = json.loads(pathlib.Path(sys.argv[2]).read_text())
counts = collections.Counter(row["kind"] for row in rows)

lines = [f"{len(rows)} networks: " + ", ".join(f"{n} {kind}" for kind, n in counts.most_common()) + ".", ""]
lines += ["| Package | File | Given | With respect to | Result |", "|---|---|---|---|---|"]
for row in rows:
    result = f"right (error {row['error']:.0e})" if row["kind"] == "right" else f"{row['kind']}: {row['reason']}"
    cells = [f"{row['package']} {row['version']}", row["file"], row["given"], row.get("wrt", ""), result]
    lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")

text = page.read_text()
begin, end = "<!-- networks -->\n", "<!-- end of networks -->"
before, rest = text.split(begin)
page.write_text(before + begin + "\n".join(lines) + "\n" + end + rest.split(end, 1)[1])
