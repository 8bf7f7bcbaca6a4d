// limit: 480 s
// The demo's scenarios with replicas, as a user starts them: a power cut whose guests come up
// elsewhere with no more lost than was promised, and a rule that swaps roles and back.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { z } from "zod";
import { failoverReport } from "../../cli/demo/failover-report.ts";
import { swapReport } from "../../cli/demo/swap-report.ts";

const LIFEBOAT = join(import.meta.dirname, "..", "..", "bin", "lifeboat.mjs");

const demo = suite("demo with replicas");

/** Runs a scenario to its end: exit status 0, a report by its schema, and nothing left behind. */
async function play<Schema extends z.ZodType>(
  scenario: string,
  schema: Schema,
): Promise<z.output<Schema>> {
  // Short: the sockets of guests are below it.
  const temporary = mkdtempSync("/tmp/lb-");
  const args = ["demo", "--scenario", scenario, "--once", "-o", "json"];
  const child = spawn(process.execPath, [LIFEBOAT, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TMPDIR: temporary },
  });
  const said = { out: "", err: "" };
  child.stdout.on("data", (chunk: Buffer) => {
    said.out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    said.err += chunk.toString();
  });
  await once(child, "close");
  const left = readdirSync(temporary);
  rmSync(temporary, { recursive: true, force: true });
  assert.is(child.exitCode, 0, `${said.err}${said.out}`);
  assert.equal(left, []);
  return schema.parse(JSON.parse(said.out));
}

demo("after a power cut guests come up from their replicas", async () => {
  const { ok, proof, vms } = await play("power-cut", failoverReport);
  assert.ok(ok);
  assert.equal([proof.hostId, proof.reads.length], ["alpha", 3]);
  assert.equal(vms.map(({ name }) => name).sort(), ["counter", "linux"]);
  for (const vm of vms) {
    assert.ok(vm.to === "bravo" || vm.to === "charlie", `${vm.to}`);
    assert.ok(vm.term > 1, "authority changed hands");
    assert.ok(vm.counterPromised > 0 && vm.counterResumed >= vm.counterPromised);
    assert.ok(vm.counterResumed <= vm.counterBefore + 1, "it is not younger than the cut");
    assert.match(vm.lost ?? "", /after cut \d+/);
    assert.equal([vm.tornPages, vm.diskErrors], [0, 0]);
  }
});

demo("a hot host's guests swap roles by a rule, and come back by it", async () => {
  const { ok, vms } = await play("swap", swapReport);
  assert.ok(ok);
  assert.is(vms.length, 2);
  for (const { swaps } of vms) {
    assert.equal(
      swaps.map(({ from, to }) => `${from} -> ${to}`),
      ["alpha -> bravo", "bravo -> alpha"],
    );
    for (const { reason } of swaps) assert.match(reason, /temperature of .* outside/);
  }
});

demo.run();
