#!/usr/bin/env node
// A stand-in for smartctl(8), for the disks of a simulated server: `smartctl.mjs --root DIR` and
// then smartctl's own arguments. It answers a scan and one device at a time from DIR/smart, with
// the exit status that the document names. Its documents say "simulated" where smartctl's name the
// platform. An unusable command line ends with status 1, an unknown device with 2, as smartctl's.
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";

const COMMAND_LINE = 1;
const OPEN_FAILED = 2;

const options = {
  root: { type: "string" },
  scan: { type: "boolean" },
  "scan-open": { type: "boolean" },
  info: { type: "boolean", short: "i" },
  health: { type: "boolean", short: "H" },
  attributes: { type: "boolean", short: "A" },
  all: { type: "boolean", short: "a" },
  xall: { type: "boolean", short: "x" },
  log: { type: "string", short: "l", multiple: true },
  nocheck: { type: "string", short: "n" },
  device: { type: "string", short: "d" },
};

/** JSON is all it prints; `--json` has an optional value, which parseArgs does not know. */
const notJson = (arg) => !/^(--json(=\w*)?|-j\w?)$/.test(arg);

function failure(status, string) {
  return {
    json_format_version: [1, 0],
    smartctl: {
      version: [7, 4],
      platform_info: "simulated",
      build_info: "(lifeboat firmware-sim)",
      argv: ["smartctl"],
      messages: [{ string, severity: "error" }],
      exit_status: status,
    },
  };
}

function finish(document, args) {
  document.smartctl.argv = ["smartctl", ...args];
  process.stdout.write(`${JSON.stringify(document)}\n`);
  process.exitCode = document.smartctl.exit_status;
}

function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function answer(text, args) {
  let document;
  try {
    document = JSON.parse(text);
  } catch {
    // A disk that garbles its answer: printed as it is.
    process.stdout.write(text);
    return;
  }
  // A disk that never answers: only a signal ends this.
  if (document === "hang") setInterval(() => {}, 60_000);
  else finish(document, args);
}

function main(argv) {
  const args = argv.slice(2);
  let parsed;
  try {
    parsed = parseArgs({ args: argv.filter(notJson), options, allowPositionals: true });
  } catch (error) {
    return finish(failure(COMMAND_LINE, error.message), args);
  }
  const { values, positionals } = parsed;
  if (argv[0] !== "--root" || values.root === undefined) {
    return finish(failure(COMMAND_LINE, "Give --root DIR first"), args);
  }
  const folder = join(values.root, "smart");
  if (values.scan || values["scan-open"]) {
    const text = read(join(folder, "scan.json"));
    if (text !== undefined) return answer(text, args);
    return finish(failure(COMMAND_LINE, `No simulated server in ${values.root}`), args);
  }
  const device = positionals[0];
  if (positionals.length !== 1 || !/^\/dev\/[a-z0-9]+$/.test(device)) {
    return finish(failure(COMMAND_LINE, "Give one device"), args);
  }
  const text = read(join(folder, `${basename(device)}.json`));
  if (text !== undefined) return answer(text, args);
  const words = `Smartctl open device: ${device} failed: No such device`;
  return finish(failure(OPEN_FAILED, words), args);
}

main(process.argv.slice(2));
