import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseAgentConfig } from "../../../agent/config.ts";

const config = suite("agent config");

const LINES = [
  "hostId: alpha",
  "serverId: server-alpha",
  "stateFolder: /var/lib/lifeboat/agent",
  "ramFolder: /dev/shm/lifeboat",
  "secretsFolder: /etc/lifeboat/secrets",
  "management: ws://127.0.0.1:7410",
  "coordinator: ws://127.0.0.1:7411",
  "data: { host: 127.0.0.1, port: 7412 }",
];

/** The sound file with one line in the place of another, or at its end. */
function withLine(line: string): string {
  const key = line.split(":")[0]!;
  const at = LINES.findIndex((one) => one.startsWith(`${key}:`));
  return (at < 0 ? [...LINES, line] : LINES.with(at, line)).join("\n");
}

config("parseAgentConfig() takes the documented file, and fills in what it leaves out", () => {
  const parsed = parseAgentConfig(LINES.join("\n"), "agent.yaml");
  assert.is(parsed.hostId, "alpha");
  assert.is(parsed.insecureNetwork, false);
  assert.is(parsed.allowUserNetwork, false);
  assert.is(parsed.accelerator, "auto");
});

const FAULTS: readonly [line: string, where: number, reason: RegExp][] = [
  ["colour: red", 9, /colour/],
  ["hostId: Alpha!", 1, /./],
  ["serverId: [1]", 2, /./],
  ["stateFolder: relative/folder", 3, /plain absolute path/],
  ["stateFolder: /var/lib/life boat", 3, /plain absolute path/],
  ["ramFolder: /dev/shm/$(id)", 4, /plain absolute path/],
  ["management: http://127.0.0.1:7410", 6, /ws:\/\//],
  ["coordinator: ws://user@host/path", 7, /ws:\/\//],
  ["data: { host: 127.0.0.1, port: 70000 }", 8, /./],
  ["data: { host: 127.0.0.1, ports: 1 }", 8, /ports/],
  ["accelerator: xen", 9, /./],
  ["memoryMiB: 0", 9, /./],
  ["scanThreads: 0", 9, /./],
  ["scanThreads: 17", 9, /./],
  ["hostId: alpha\nhostId: bravo", 2, /./],
  ["sensors: { smartctl: 5 }", 9, /./],
];

for (const [line, where, reason] of FAULTS) {
  config(`parseAgentConfig() refuses ${JSON.stringify(line)} and names its line`, () => {
    try {
      parseAgentConfig(withLine(line), "agent.yaml");
      assert.unreachable();
    } catch (thrown) {
      const { code, message } = thrown as { code?: string; message: string };
      assert.is(code, "CONFIG_INVALID");
      assert.match(message, new RegExp(`^agent\\.yaml:${where}: `));
      assert.match(message, reason);
    }
  });
}

config("parseAgentConfig() names what is missing, and every mistake at once", () => {
  try {
    parseAgentConfig("hostId: alpha\nserverId: UPPER", "agent.yaml");
    assert.unreachable();
  } catch (thrown) {
    const { message } = thrown as Error;
    for (const word of ["stateFolder", "ramFolder", "management", "serverId"]) {
      assert.match(message, word);
    }
  }
});

config.run();
