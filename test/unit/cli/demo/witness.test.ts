import { suite } from "uvu";
import * as assert from "uvu/assert";
import { witnessOf } from "../../../../cli/demo/witness.ts";
import type { GuestDefinition } from "../../../../protocol/definition.ts";
import { vmId } from "../../../../protocol/ids.ts";

const VM = vmId.parse("11111111-1111-4111-8111-111111111111");

const witness = suite("witnessOf");

/** Consoles by host; a guest that left its source has none there any more. */
async function watch(consoles: readonly Readonly<Record<string, string>>[], host: string) {
  const guests = [{ id: VM } as GuestDefinition];
  let now: Readonly<Record<string, string>> = {};
  const one = witnessOf(guests, "alpha", async (where) => now[where] ?? "");
  for (const next of consoles) {
    now = next;
    await one.lookAtSource();
  }
  return one.lookAt(VM, host);
}

witness("keeps what the source said last, after its console is gone", async () => {
  const seen = await watch(
    [{ alpha: "C 00000001\nC 00000002\n" }, { bravo: "\nC 00000003\nC 00000009\nC 0" }],
    "bravo",
  );
  assert.equal(seen, { before: 2, firstAfter: 3, after: 9, tornPages: 0, diskErrors: 0 });
});

witness("counts a torn page of either side, and memory errors as such", async () => {
  const torn = await watch([{ alpha: "!\n" }, { bravo: "C 00000003\n!\n" }], "bravo");
  assert.is(torn.tornPages, 2);
  const linux = await watch([{ bravo: "N 4 mem=1 disk=2 rounds=1,1\n" }], "bravo");
  assert.equal([linux.tornPages, linux.diskErrors], [1, 2]);
});

witness("counts nothing twice of a guest that stays", async () => {
  const seen = await watch([{ alpha: "C 00000001\n!\n" }], "alpha");
  assert.is(seen.tornPages, 1);
});

witness.run();
