// Read a JSON list of labels; write what ENSIP-15's reference makes of each, null for refused.
import { readFileSync } from "node:fs";
import { ens_normalize } from "@adraffy/ens-normalize";

function attempt(label) {
  try {
    const normal = ens_normalize(label);
    return normal.length ? normal : null;
  } catch {
    return null;
  }
}

const labels = JSON.parse(readFileSync(process.argv[2], "utf8"));
process.stdout.write(JSON.stringify(labels.map(attempt)));
