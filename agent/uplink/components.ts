/**
 * What this server is made of, for the management server to compare it with its peers: said on
 * each new link, and when it changes.
 * @module
 */
import type { ServerId } from "../../protocol/ids.ts";
import { type ServerComponents, serverComponents } from "../../protocol/prediction.ts";
import type { Uplink } from "../../runtime/uplink.ts";
import type { Inventory } from "../sensors/inventory.ts";
import type { Watch } from "../sensors/watch.ts";

const DISKS_MAX = 256;
const TEXT_CHARACTERS_MAX = 255;

export interface ComponentTeller {
  /** For a new link; nothing before anything is known. */
  greeting(): readonly ServerComponents[];
  /** Now and then: whether a disk came or went. */
  look(): void;
}

export function tellComponents(
  serverId: ServerId,
  watch: Pick<Watch, "state">,
  inventory: () => Inventory | undefined,
  uplink: Pick<Uplink, "say">,
): ComponentTeller {
  let told = "";
  const now = (): ServerComponents =>
    serverComponents.parse({
      type: "server-components",
      serverId,
      model: inventory()?.system.model ?? "",
      disks: disksOf(watch),
    });
  return {
    greeting() {
      const message = now();
      return message.model === "" && message.disks.length === 0 ? [] : [message];
    },
    look() {
      const message = now();
      const text = JSON.stringify(message);
      if (text !== told && uplink.say(message)) told = text;
    },
  };
}

/** By the predictor's own names: a disk's hardware is its model and its serial number. */
function disksOf(watch: Pick<Watch, "state">): ServerComponents["disks"] {
  return Object.values(watch.state().components)
    .flatMap(({ component, device, families }) => {
      const instance = component === "disk" ? (families[0]?.instance ?? "") : "";
      const model = instance.slice(0, Math.max(0, instance.lastIndexOf("/")));
      return model === "" ? [] : [{ device: cut(device), model: cut(model) }];
    })
    .slice(0, DISKS_MAX);
}

function cut(text: string): string {
  return text.slice(0, TEXT_CHARACTERS_MAX);
}
