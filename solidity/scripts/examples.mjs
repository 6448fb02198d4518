// Compiles the Ethereum contracts that example secret contracts call (`secret-contracts/<name>/ethereum/*.sol`), and fails where
// `secret-contracts/<name>/abi/*.json`, from which the SDK makes their calls, says something else.
import { readdirSync, readFileSync, existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { createRequire } from "node:module";
import { projectRoot, settings } from "./compiler.mjs";

const solc = createRequire(import.meta.url)("solc");
const examples = join(projectRoot, "..", "secret-contracts");
const problems = [];
let compiled = 0;

for (const example of readdirSync(examples)) {
  const folder = join(examples, example, "ethereum");
  if (!existsSync(folder)) continue;
  for (const file of readdirSync(folder)) {
    const name = basename(file, ".sol");
    const declared = JSON.parse(readFileSync(join(dirname(folder), "abi", `${name}.json`), "utf8"));
    const real = abi(name, readFileSync(join(folder, file), "utf8")).map(shape);
    for (const entry of declared.map(shape)) {
      if (!real.includes(entry)) problems.push(`${example}/abi/${name}.json: not in ${file}: ${entry}`);
    }
    compiled += 1;
  }
}
if (problems.length > 0) {
  console.error(`error: ${problems.join("\n")}`);
  process.exit(1);
}
console.error(`examples: ${compiled} Ethereum contracts compile and are what their ABI files say`);

function abi(name, content) {
  const outputSelection = { "*": { "*": ["abi"] } };
  const input = { language: "Solidity", sources: { [name]: { content } }, settings: { ...settings, outputSelection } };
  const { errors = [], contracts } = JSON.parse(solc.compile(JSON.stringify(input)));
  problems.push(...errors.map((error) => error.formattedMessage));
  return contracts?.[name]?.[name]?.abi ?? [];
}

// What a call depends on.
function shape({ type, name, inputs, stateMutability }) {
  const types = (parameters) => parameters.map(({ type, components }) => type + (components ? types(components) : "")).join(",");
  return `${type} ${name}(${types(inputs)}) ${stateMutability}`;
}
