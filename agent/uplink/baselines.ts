/**
 * What an operator has acknowledged of this server: taken from the management server, durable
 * before it is said to be, and tied to the hardware that it was said of.
 * @module
 */
import { type Baseline, lapsed } from "../../predictor/accepted.ts";
import type { OperationId, ServerId } from "../../protocol/ids.ts";
import type { Baselines } from "../../protocol/prediction.ts";
import type { Kept } from "../../runtime/document.ts";
import type { Uplink } from "../../runtime/uplink.ts";
import type { Watch } from "../sensors/watch.ts";

export interface BaselineKeeper {
  take(message: Baselines): void;
  /** Now and then: whether hardware was seen for the first time, or is not there any more. */
  look(): void;
}

export function keepBaselines(
  serverId: ServerId,
  watch: Watch,
  kept: Kept<Baseline[]>,
  uplink: Pick<Uplink, "say">,
): BaselineKeeper {
  let told = "";
  let seen: readonly Baseline[] | undefined;
  const keep = (): void => {
    const { baselines } = watch.state();
    if (baselines === seen) return;
    seen = baselines;
    if (JSON.stringify(baselines) !== JSON.stringify(kept.value)) kept.save([...baselines]);
  };
  const tell = (always: boolean): void => {
    const { baselines, components } = watch.state();
    const ids = (all: readonly string[]): OperationId[] => all as OperationId[];
    const gone = lapsed(baselines, components);
    if (!always && told === gone.join()) return;
    const taken = ids(baselines.map(({ baselineId }) => baselineId));
    const message = { type: "baselines-taken", serverId, taken, lapsed: ids(gone) } as const;
    if (uplink.say(message)) told = gone.join();
  };
  return {
    take(message) {
      watch.acknowledge(message.baselines);
      keep();
      tell(true);
    },
    look() {
      keep();
      tell(false);
    },
  };
}
