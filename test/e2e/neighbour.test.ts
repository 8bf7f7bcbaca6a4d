// limit: 60 s
// What an agent sees of another host's kernel, between two network namespaces of a real kernel.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCommand } from "../../runtime/command.ts";

const WORLD = new URL("neighbour-world.ts", import.meta.url).pathname;
const UNSHARE = ["--user", "--map-root-user", "--net"];

const neighbour = suite("observer");

/** Why there can be no namespaces here; undefined: there can. */
async function missing(): Promise<string | undefined> {
  const command = [...UNSHARE, "ip", "link", "add", "va", "type", "veth", "peer", "name", "vb"];
  const tried = await runCommand("unshare", command).catch(() => undefined);
  if (tried?.code === 0) return undefined;
  return `no network namespaces: ${tried?.stderr.trim() ?? "no unshare"}`;
}

neighbour(
  "sees a kernel live by any answer, and silent only if not even ARP is answered",
  async () => {
    const why = await missing();
    if (why !== undefined) return console.log(`skipped: ${why}`);
    const limits = { timeoutMs: 50_000 };
    const command = [...UNSHARE, process.execPath, WORLD];
    const { code, stdout, stderr } = await runCommand("unshare", command, limits);
    assert.is(code, 0, stderr);
    assert.equal(JSON.parse(stdout), {
      alive: "refused, ARP complete",
      "queue is full": "timed-out",
      "agent stands still": "refused, ARP complete",
      dropping: "unreachable, ARP complete",
      dead: "silent, ARP incomplete",
      back: "refused, ARP complete",
    });
  },
);

neighbour.run();
