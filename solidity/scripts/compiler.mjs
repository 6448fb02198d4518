// The one place that names the compiler's settings for artifacts; foundry.toml repeats them and `artifacts.mjs` compares.
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);

export const projectRoot = dirname(dirname(fileURLToPath(import.meta.url)));

export const settings = Object.freeze({
  viaIR: true,
  evmVersion: "cancun",
  optimizer: { enabled: true, runs: 1000 },
  // No trace of the machine or of comments in the bytecode, so that everybody's build is the same.
  metadata: { bytecodeHash: "none", appendCBOR: false },
});

export const contracts = Object.freeze(["Enigma", "EnigmaToken", "DevelopmentVerifier"]);

/** Compiles `src/` with npm's solc; returns `{abi, bytecode, deployedBytes}` by contract name. */
export function compile() {
  const solc = require("solc");
  const input = {
    language: "Solidity",
    sources: readSources("src"),
    settings: {
      ...settings,
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: readImport }));
  const problems = output.errors ?? [];
  if (problems.length > 0) {
    throw new Error(problems.map((problem) => problem.formattedMessage).join("\n"));
  }
  return Object.fromEntries(contracts.map((name) => [name, pick(output, name)]));
}

function pick(output, name) {
  const contract = output.contracts[`src/${name}.sol`][name];
  return {
    abi: contract.abi,
    bytecode: `0x${contract.evm.bytecode.object}`,
    deployedBytes: contract.evm.deployedBytecode.object.length / 2,
  };
}

function readSources(folder) {
  const names = readdirSync(join(projectRoot, folder), { recursive: true })
    .map((name) => [folder, ...name.split(sep)].join("/"))
    .filter((name) => name.endsWith(".sol"))
    .sort();
  return Object.fromEntries(names.map((name) => [name, { content: readFileSync(join(projectRoot, name), "utf8") }]));
}

function readImport(name) {
  const path = join(projectRoot, "node_modules", name);
  if (relative(projectRoot, path).startsWith("..")) return { error: `import outside of the project: ${name}` };
  try {
    return { contents: readFileSync(path, "utf8") };
  } catch (error) {
    return { error: `${name}: ${error.message}; run \`npm ci\`` };
  }
}
