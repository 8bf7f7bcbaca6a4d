// limit: 240 s
// Real guests round the three hosts: alpha -> bravo -> charlie -> alpha, by an operator's word.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { counterGuest, linuxGuest } from "../../cli/demo/guests.ts";
import type { VmId } from "../../protocol/ids.ts";
import { ASSETS, evacuate, makeFleet, runGuest, status, until, vmOf } from "./site.ts";

const LINUX = "11111111-1111-4111-8111-111111111111" as VmId;
const COUNTER = "22222222-2222-4222-8222-222222222222" as VmId;
const evacuation = suite("evacuation");

evacuation("two guests go round three hosts and lose nothing", async () => {
  // One of the three hosts scans by threads.
  const agentLines = (host: string): string[] => (host === "bravo" ? ["scanThreads: 2"] : []);
  const fleet = makeFleet({ agentLines });
  try {
    await fleet.start();
    await runGuest(fleet, "alpha", await linuxGuest(`${fleet.folder}/guests`, ASSETS, LINUX));
    await runGuest(fleet, "alpha", await counterGuest(`${fleet.folder}/guests`, COUNTER));
    await until(
      "linux counts",
      () => fleet.counter("alpha", LINUX),
      ({ counter }) => (counter ?? 0) > 3,
    );
    const round = [
      ["alpha", "bravo"],
      ["bravo", "charlie"],
      ["charlie", "alpha"],
    ] as const;
    for (const [from, to] of round) {
      const before = await Promise.all([LINUX, COUNTER].map((id) => fleet.counter(from, id)));
      const done = await evacuate(fleet, from, to);
      assert.is(done.outcome, "evacuated", JSON.stringify(done));
      const seen = await status(fleet);
      for (const [at, id] of [LINUX, COUNTER].entries()) {
        assert.is(vmOf(seen, id)?.hostId, to);
        const after = await until(
          `${id} counts on ${to}`,
          () => fleet.counter(to, id),
          ({ counter }) => (counter ?? 0) > (before[at]?.counter ?? 0) + 2,
        );
        assert.is(after.tornPages, 0);
        assert.is(after.memoryErrors, 0);
        assert.is(after.diskErrors, 0);
      }
    }
  } finally {
    await fleet.close();
  }
});

evacuation.run();
