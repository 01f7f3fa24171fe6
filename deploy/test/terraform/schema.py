"""The schema of Terraform's AWS provider, as the npm package @cdktf/provider-aws carries it: TypeScript in its source maps.

    // metric_query - computed: false, optional: true, required: false
    private _metricQuery = new CloudwatchMetricAlarmMetricQueryList(this, "metric_query", true);
"""

import base64
import dataclasses
import functools
import json
import pathlib
import re

CLASS = re.compile(r"^export class (\w+) extends", re.M)
ATTRIBUTE = re.compile(r"  // (\w+) - computed: (\w+), optional: (\w+), required: (\w+)\n(?:  // [^\n]*\n)*  (?:private _\w+(?:\?|!)?(?:: (?P<type>[^;=]+))?(?: = new (?P<nested>\w+)\()?|public get)")
NESTED = re.compile(r"(OutputReference|List|Map)$")


@dataclasses.dataclass(frozen=True)
class Attribute:
    """One attribute or block."""

    is_required: bool
    is_settable: bool
    type: str  # TypeScript's; empty for a block
    block: str | None  # the struct of a block


class Provider:
    """The provider's resources and data sources, from the unpacked package."""

    def __init__(self, folder):
        self._lib = pathlib.Path(folder) / "lib"

    @functools.cache
    def structs(self, kind):
        """Of a resource such as `aws_sqs_queue`, or `data_aws_region`, its attributes by struct; the resource itself is ''."""
        folder = re.sub(r"^(data_)?aws_", r"\1aws_" if kind.startswith("data_") else "", kind).replace("_", "-")
        text = self._source(self._lib / folder)
        names = [match.group(1) for match in CLASS.finditer(text)]
        bodies = CLASS.split(text)[2::2]
        resource = names[-1]
        return {("" if name == resource else NESTED.sub("", name)): self._attributes(body) for name, body in zip(names, bodies, strict=True) if ATTRIBUTE.search(body)}

    def has(self, kind):
        """Whether there is such a resource."""
        try:
            return bool(self.structs(kind))
        except FileNotFoundError:
            return False

    @staticmethod
    def _source(folder):
        script = (folder / "index.js").read_text()
        return json.loads(base64.b64decode(script.split("base64,")[-1].strip()))["sourcesContent"][0]

    @staticmethod
    def _attributes(body):
        found = {}
        for match in ATTRIBUTE.finditer(body):
            name, _, optional, required = match.groups()[:4]
            nested = match["nested"]
            block = NESTED.sub("", nested) if nested and not nested.startswith("cdktf") else None
            found[name] = Attribute(required == "true", "true" in (optional, required), (match["type"] or "").strip(), block)
        return found
