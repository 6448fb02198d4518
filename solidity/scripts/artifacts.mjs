// Writes `artifacts/<Contract>.json` (ABI and creation bytecode), which the Rust build embeds, so that it needs no solc.
// `--check` writes nothing and fails when what is committed differs from what the sources compile to.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compile, projectRoot, settings } from "./compiler.mjs";

const MAXIMUM_DEPLOYED_BYTES = 24_576; // EIP-170
const command = "cd solidity && npm ci && node scripts/artifacts.mjs";
const folder = join(projectRoot, "artifacts");

const options = process.argv.slice(2);
const check = options.includes("--check");
if (options.some((option) => option !== "--check")) fail("usage: node scripts/artifacts.mjs [--check]");

checkFoundrySettings();
const compiled = compile();
const outdated = [];
for (const [name, { abi, bytecode, deployedBytes }] of Object.entries(compiled)) {
  if (deployedBytes > MAXIMUM_DEPLOYED_BYTES) {
    fail(`${name} is ${deployedBytes} bytes on chain; Ethereum allows ${MAXIMUM_DEPLOYED_BYTES}`);
  }
  const path = join(folder, `${name}.json`);
  const text = `${JSON.stringify({ abi, bytecode }, null, 2)}\n`;
  if (check) {
    if (readIfThere(path) !== text) outdated.push(`artifacts/${name}.json`);
  } else {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, text);
  }
  console.error(`${name}: ${deployedBytes} bytes on chain`);
}
if (outdated.length > 0) {
  fail(`not what the sources compile to: ${outdated.join(", ")}\nRun: ${command}`);
}

function checkFoundrySettings() {
  const text = readFileSync(join(projectRoot, "foundry.toml"), "utf8");
  const expected = [
    `evm_version = "${settings.evmVersion}"`,
    `optimizer = ${settings.optimizer.enabled}`,
    `optimizer_runs = ${settings.optimizer.runs}`,
    `bytecode_hash = "${settings.metadata.bytecodeHash}"`,
    `cbor_metadata = ${settings.metadata.appendCBOR}`,
  ];
  const missing = expected.filter((line) => !text.split("\n").includes(line));
  if (missing.length > 0) fail(`foundry.toml must say what scripts/compiler.mjs says:\n${missing.join("\n")}`);
}

function readIfThere(path) {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(1);
}
