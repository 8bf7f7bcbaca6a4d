import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nicLinks } from "../../../management/nic-links.ts";
import type { Principal } from "../../../protocol/ids.ts";

const links = suite("nicLinks");
const nic = (name: string) => ({ peer: `nic:${name}` as Principal });

links("message() tells who is up, and when those that were lost were heard last", () => {
  const told = nicLinks();
  const both = [nic("alpha"), { peer: "agent:alpha" as Principal }, nic("bravo")];
  const first = { type: "nic-links", version: 0, up: ["alpha", "bravo"], lost: [] };
  assert.equal(told.message(both, 1_000), first);
  told.lost({ ...nic("alpha"), heardAtMs: () => 900 });
  told.lost({ peer: "agent:bravo" as Principal, heardAtMs: () => 900 });
  const lost = [{ serverId: "alpha", silentMs: 600 }];
  const second = { type: "nic-links", version: 1, up: ["bravo"], lost };
  assert.equal(told.message([nic("bravo")], 1_500), second);
});

links("message() forgets the silence of one that is heard again", () => {
  const told = nicLinks();
  told.lost({ ...nic("alpha"), heardAtMs: () => 900 });
  told.message([nic("alpha")], 1_000);
  assert.equal(told.message([], 2_000), { type: "nic-links", version: 1, up: [], lost: [] });
});

links.run();
