// The examples of docs/operations.md are read by the programs' own parsers, and say their defaults.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parse } from "yaml";
import { parseAgentConfig } from "../../../agent/config.ts";
import { parseDefinition } from "../../../agent/qemu/definition.ts";
import { buildProgram } from "../../../cli/program.ts";
import type { World } from "../../../cli/world.ts";
import { coordinatorFile } from "../../../coordinator/config.ts";
import { firmwareSimFile } from "../../../firmware-sim/config.ts";
import { managementFile } from "../../../management/config.ts";

const PAGE = join(import.meta.dirname, "..", "..", "..", "docs", "operations.md");
const page = readFileSync(PAGE, "utf8");

/** The file shown in the section of this heading. */
function example(heading: string): string {
  const section = page.slice(page.indexOf(`### ${heading}\n`));
  const [, text] = /^```yaml\n(.*?)^```$/ms.exec(section) ?? [];
  assert.ok(text, `no example under ${heading}`);
  return text!;
}

const operations = suite("docs/operations.md");

operations("shows the defaults of a site's file", () => {
  const site = parse(example("Control, management server, coordinator"));
  const { management } = managementFile.parse(site);
  const { coordinator } = coordinatorFile.parse(site);
  assert.equal(management, managementFile.parse({}).management);
  assert.equal(coordinator, coordinatorFile.parse({}).coordinator);
  assert.equal(Object.keys(site.management).sort(), Object.keys(management).sort());
  assert.equal(site.management.policy, management.policy);
  assert.equal(site.coordinator, coordinator);
});

operations("shows an agent's file that the agent takes", () => {
  assert.is(parseAgentConfig(example("Agent"), "agent.yaml").hostId as string, "alpha");
});

operations("shows a simulated server's file that the simulator takes", () => {
  const { serviceProcessor } = firmwareSimFile.parse(parse(example("Firmware simulator")));
  assert.is(serviceProcessor?.port, 8_443);
});

operations("shows a definition that can be run", () => {
  assert.is(parseDefinition(example("A guest"), "web.yaml").name, "web");
});

operations("names every command", () => {
  const names = buildProgram({} as World).commands.map((command) => command.name());
  const missing = names.filter((name) => !new RegExp(`\`[^\`\n]*\\b${name}\\b`).test(page));
  assert.equal(missing, []);
});

operations.run();
