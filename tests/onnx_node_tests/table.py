"""Writes the results of check.py to a page, between <!-- node tests --> and <!-- end of node tests -->.

    python table.py PAGE RESULT.json…
"""

import collections
import json
import pathlib
import re
import sys

page = pathlib.Path(sys.argv[1])
results = [json.loads(pathlib.Path(path).read_text()) for path in sys.argv[2:]]
kinds = ["right", "refused", "wrong", "not comparable", "no float"]

lines = ["| ONNX | Right | Refused | Wrong | Not comparable | No floating-point input and output |", "|---|---|---|---|---|---|"]
for result in results:
    counts = collections.Counter(test["kind"] for test in result["tests"])
    lines.append(f"| {result['release']} | " + " | ".join(str(counts[kind]) for kind in kinds) + " |")


def short(reason):
    """The op and the reason, without the shapes."""
    reason = re.sub(r"^node `[^`]*`: ", "", reason)
    reason = re.sub(r" \(a node without a name, opset \d+, inputs .*?\]\)|\(node `[^`]*`, opset \d+, inputs .*?\]\)", "", reason)
    reason = re.sub(r" of opset \d+ on shapes [^:]*:", ":", reason)
    reason = re.sub(r" \(node `[^`]*`\)|node `` ", "", reason)
    reason = re.sub(r"\[[\d, \[\]]*\]", "[…]", reason)
    return reason.replace("|", "\\|")[:140]


refused = [collections.Counter(short(t["reason"]) for t in r["tests"] if t["kind"] == "refused") for r in results]
lines += ["", "Refused, with the number of tests in each release:", ""]
lines += ["| Reason | " + " | ".join(r["release"] for r in results) + " |", "|---|" + "---|" * len(results)]
for reason in sorted(set().union(*refused), key=lambda reason: (-sum(c[reason] for c in refused), reason)):
    lines.append(f"| {reason} | " + " | ".join(str(c[reason]) for c in refused) + " |")

text = page.read_text()
begin, end = "<!-- node tests -->\n", "<!-- end of node tests -->"
before, rest = text.split(begin)
after = rest.split(end, 1)[1]
page.write_text(before + begin + "\n".join(lines) + "\n" + end + after)
