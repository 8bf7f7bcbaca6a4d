import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Inventory } from "../../../../agent/sensors/inventory.ts";
import { tellComponents } from "../../../../agent/uplink/components.ts";
import { DEFAULT_CONFIG } from "../../../../predictor/config.ts";
import { type State, start, step } from "../../../../predictor/predictor.ts";
import { serverId } from "../../../../protocol/ids.ts";
import type { Message } from "../../../../protocol/message.ts";
import { diskReadings, WELL } from "../../predictor/readings.ts";

const components = suite("tellComponents");

function begin() {
  let state: State = start(0);
  let model: string | undefined;
  const link = { up: true, said: [] as Message[] };
  const system = (named: string) => ({ system: { model: named } }) as Inventory;
  const teller = tellComponents(
    serverId.parse("alpha"),
    { state: () => state },
    () => (model === undefined ? undefined : system(model)),
    {
      say(message) {
        if (link.up) link.said.push(message);
        return link.up;
      },
    },
  );
  return {
    teller,
    link,
    named(text: string): void {
      model = text;
    },
    disk(instance: string, device: string): void {
      const readings = diskReadings(WELL, instance, device);
      [state] = step(state, { type: "readings", atMs: 0, readings }, DEFAULT_CONFIG);
    },
  };
}

components("a link is greeted once anything is known", () => {
  const { teller, named, disk } = begin();
  assert.equal(teller.greeting(), []);
  named("X1");
  disk("ST4000/Z1", "sda");
  const [said] = teller.greeting();
  assert.equal([said?.model, said?.disks], ["X1", [{ device: "sda", model: "ST4000" }]]);
});

components("what changed is said once, and again if it could not be sent", () => {
  const { teller, link, disk } = begin();
  disk("ST4000/Z1", "sda");
  link.up = false;
  teller.look();
  link.up = true;
  teller.look();
  teller.look();
  assert.is(link.said.length, 1);
  disk("Maker/ST8000/Z2", "sdb");
  teller.look();
  const newest = link.said[1];
  const models = newest?.type === "server-components" ? newest.disks : [];
  assert.equal(
    models.map(({ model }) => model),
    ["ST4000", "Maker/ST8000"],
  );
});

components.run();
